"""Jobs that add columns to a survey: the cross-match with the known, duplicates within it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.survey.matching.crossmatch import MatchResult
    from core.survey.matching.duplicates import DuplicateReport
    from core.survey.matching.known import KnownColumns, ServiceSettings

__all__ = [
    "add_crossmatch_arguments",
    "add_duplicates_arguments",
    "crossmatch_command",
    "duplicates_command",
    "run_crossmatch",
    "run_duplicates",
]

DEFAULT_RADIUS_ARCSEC = 2.0

SIMBAD_SETTING, VIZIER_SETTING = "SKYSIFT_SIMBAD_URL", "SKYSIFT_VIZIER_URL"
"""Environment variables with other addresses of the services."""


def add_crossmatch_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of `python -m core.run crossmatch`."""
    sub.add_argument("survey")
    sub.add_argument(
        "--with",
        dest="catalogues",
        action="append",
        required=True,
        metavar="CATALOGUE",
        help="a table (PATH or NAME=PATH), lenscat, simbad or vizier:TABLE; repeatable",
    )
    sub.add_argument(
        "--radius", type=float, default=DEFAULT_RADIUS_ARCSEC, help="arcsec (default: 2)"
    )
    sub.add_argument("--name-column", default=None, help="of the tables: names of the objects")
    sub.add_argument("--type-column", default=None, help="of the tables: what they are")
    sub.add_argument("--ra-column", default=None, help="of the tables: right ascension")
    sub.add_argument("--dec-column", default=None, help="of the tables: declination")
    sub.add_argument("--simbad-url", default=None, help=f"default: {SIMBAD_SETTING}, or CDS")
    sub.add_argument("--vizier-url", default=None, help=f"default: {VIZIER_SETTING}, or CDS")


def add_duplicates_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of `python -m core.run duplicates`."""
    sub.add_argument("survey")
    sub.add_argument("--radius", type=float, default=None, help="compare positions: arcsec")
    sub.add_argument("--pictures", action="store_true", help="compare pictures")


def crossmatch_command(a: argparse.Namespace) -> str:
    """`python -m core.run crossmatch`: the sentences to print."""
    from core.survey.matching.known import KnownColumns

    result = run_crossmatch(
        open_workspace(a.workspace, create=False),
        a.survey,
        a.catalogues,
        a.radius,
        columns=KnownColumns(a.name_column, a.type_column, a.ra_column, a.dec_column),
        settings=service_settings(a.simbad_url, a.vizier_url),
    )
    told = [*result.sentences(), f"Known objects of {a.survey}: {result.n_known:,}."]
    return "\n".join(told)


def duplicates_command(a: argparse.Namespace) -> str:
    """`python -m core.run duplicates`: the sentences to print."""
    workspace = open_workspace(a.workspace, create=False)
    return "\n".join(run_duplicates(workspace, a.survey, a.radius, a.pictures).sentences())


def service_settings(
    simbad_url: str | None = None, vizier_url: str | None = None
) -> ServiceSettings:
    """How services are asked: as told, else by the environment, else at the CDS."""
    from core.survey.matching.known import ServiceSettings

    plain = ServiceSettings()
    return replace(
        plain,
        simbad_url=simbad_url or os.environ.get(SIMBAD_SETTING) or plain.simbad_url,
        vizier_url=vizier_url or os.environ.get(VIZIER_SETTING) or plain.vizier_url,
    )


def run_crossmatch(
    workspace: Workspace,
    name: str,
    catalogues: Sequence[str],
    radius_arcsec: float,
    *,
    columns: KnownColumns | None = None,
    settings: ServiceSettings | None = None,
    quiet: bool = False,
) -> MatchResult:
    """Look a survey's objects up in catalogues (as `open_known` reads them) and keep the columns.

    Nothing is written unless every catalogue was looked through.
    """
    from core.run_jobs import open_survey, recorded_job
    from core.survey.added_columns import write_columns
    from core.survey.matching.crossmatch import cross_match
    from core.survey.matching.known import open_known

    survey = open_survey(workspace, name)
    config = {"catalogues": list(catalogues), "radius_arcsec": radius_arcsec}
    with recorded_job(workspace, JobKind.CROSSMATCH, name, config, quiet=quiet) as (
        run_id,
        progress,
        told,
    ):
        opened = [open_known(one, columns, settings) for one in catalogues]
        result = cross_match(survey, opened, radius_arcsec, progress)
        counts = {
            "objects": len(survey),
            "searched": result.n_searched,
            "without_position": result.n_without_position,
            "known": result.n_known,
            "by_catalogue": {label: one.n_objects for label, one in result.counts.items()},
        }
        write_columns(
            survey,
            run_id,
            JobKind.CROSSMATCH,
            result.columns,
            info=result.info,
            config=config,
            provenance={"catalogues": result.catalogues, "counts": counts},
        )
        told.update(counts)
    return result


def run_duplicates(
    workspace: Workspace,
    name: str,
    radius_arcsec: float | None,
    pictures: bool,
    *,
    quiet: bool = False,
) -> DuplicateReport:
    """Find the duplicates within a survey and keep the columns."""
    from core.run_jobs import open_survey, recorded_job
    from core.survey.added_columns import write_columns
    from core.survey.matching.duplicates import INFO, find_duplicates

    survey = open_survey(workspace, name)
    config = {"radius_arcsec": radius_arcsec, "pictures": pictures}
    with recorded_job(workspace, JobKind.DUPLICATES, name, config, quiet=quiet) as (
        run_id,
        progress,
        told,
    ):
        found = find_duplicates(
            survey, radius_arcsec=radius_arcsec, pictures=pictures, progress=progress
        )
        report = found.report
        counts = {
            "objects": len(survey),
            "duplicates": report.n_duplicates,
            "groups": report.n_groups,
            "largest_group": report.largest,
            "by_reason": report.by_reason,
            "without_position": report.n_without_position,
            "without_picture": report.n_without_picture,
        }
        write_columns(
            survey,
            run_id,
            JobKind.DUPLICATES,
            found.columns,
            info=INFO,
            config=config,
            provenance={"counts": counts, "notes": report.notes},
        )
        told.update(counts)
    return report
