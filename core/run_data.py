"""The jobs that bring data in and say what they are: what they understand, and who does them.

Imports nothing heavy: every job of `core.run` comes through here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from core.run_columns import (
    add_crossmatch_arguments,
    add_duplicates_arguments,
    crossmatch_command,
    duplicates_command,
)
from core.vocabulary import JobKind, checked_name
from core.workspace import open_workspace

Job = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]
"""Makes the parser of a job: name, what does it, what it is for."""


def add_data_jobs(job: Job) -> None:
    """import, discard, describe, crossmatch, duplicates, query."""
    sub = job("import", _import, "import data of any kind as a survey; goes on where it stopped")
    _import_arguments(sub)
    sub = job("discard", _discard, "forget an import that was stopped")
    sub.add_argument("name")
    sub = job("describe", _describe, "what is in a survey")
    sub.add_argument("survey")
    sub.add_argument("--json", action="store_true", help="all of it, as JSON")
    sub = job("crossmatch", crossmatch_command, "mark what catalogues know already")
    add_crossmatch_arguments(sub)
    sub = job("duplicates", duplicates_command, "find what is in a survey twice")
    add_duplicates_arguments(sub)
    sub = job("query", _query, "ask an archive for a catalogue: SQL to SDSS, ADQL to TAP services")
    sub.add_argument("service", help="sdss, gaia, noirlab, simbad, vizier, or tap with --base-url")
    sub.add_argument("query", help="SQL or ADQL; @FILE reads it from a file")
    sub.add_argument("--out", required=True, help="a .csv or .parquet file")
    sub.add_argument("--split", default=None, metavar="START:STOP:N", help="ask in N ranges")
    sub.add_argument("--base-url", default=None)
    sub.add_argument("--max-rows", type=int, default=None)
    sub.add_argument("--overwrite", action="store_true")


def _import(a: argparse.Namespace) -> str:
    from core.run_import import act_on_import

    checked_name(a.name, "survey")
    said = act_on_import(open_workspace(a.workspace), a)
    if a.preview:
        return said
    return (
        f"{said}\nNext, open it with `python app.py --workspace {a.workspace}` and make a task"
        " for it there."
    )


def _discard(a: argparse.Namespace) -> str:
    from core.run_import import act_on_discard

    return act_on_discard(open_workspace(a.workspace, create=False), a)


def _describe(a: argparse.Namespace) -> str:
    import json

    from core.run_describe import describe
    from core.survey import Survey
    from core.survey.summary import summarise

    survey = Survey.open(open_workspace(a.workspace, create=False), a.survey)
    if a.json:
        return json.dumps(summarise(survey).as_dict(), indent=1)
    return describe(survey)


def _query(a: argparse.Namespace) -> str:
    from core.run_jobs import recorded_job
    from core.survey.sky.queries import run_query

    workspace = open_workspace(a.workspace)
    query = a.query
    if query.startswith("@"):
        query = Path(query[1:]).expanduser().read_text(encoding="utf-8")
    config = {"service": a.service, "query": query, "out": a.out, "base_url": a.base_url}
    with recorded_job(workspace, JobKind.QUERY, a.service, config) as (_run_id, tell, result):
        found = run_query(
            *(a.service, query, Path(a.out)),
            base_url=a.base_url,
            split=a.split,
            max_rows=a.max_rows,
            overwrite=a.overwrite,
            cache=workspace.root / "cache" / "downloads",
            progress=tell,
        )
        result.update(rows=found.n_rows)
    return found.sentence()


def _import_arguments(sub: argparse.ArgumentParser) -> None:
    """What `core.run import` understands; the Data page builds the same."""
    sub.add_argument("source", help="file or folder: pictures, FITS, archives, HDF5, tables ...")
    sub.add_argument("--name", required=True, help="of the survey")
    sub.add_argument("--reader", default=None, help="kind of data, if it is not found out")
    sub.add_argument("--size-px", type=int, default=None, help="side of the cutouts kept")
    sub.add_argument("--bands", default="", help="names, in order, with commas between")
    sub.add_argument("--pixel-scale", type=float, default=None, help="arcsec a pixel")
    sub.add_argument(
        "--mixed",
        default="auto",
        metavar="auto|resample|crop|reject",
        help="images of another size",
    )
    sub.add_argument("--id-column", default=None)
    sub.add_argument("--group-column", default=None)
    sub.add_argument("--ra-column", default=None)
    sub.add_argument("--dec-column", default=None)
    sub.add_argument("--missing", default="", help="codes for 'not measured': --missing=-10,-999")
    sub.add_argument("--catalogue", default=None, help="table to join, or to cut out by")
    sub.add_argument("--join", default="id", metavar="id|sky", help="how it is joined")
    sub.add_argument("--radius", type=float, default=1.0, help="arcsec, for --join sky")
    sub.add_argument("--spectra", default=None, help="spectra to join to the objects")
    sub.add_argument("--wavelength", default="", metavar="MIN:MAX[:LOG10_STEP]")
    sub.add_argument("--origin", default=None)
    sub.add_argument("--licence", default=None)
    sub.add_argument(
        "--set",
        dest="more",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the reader",
    )
    sub.add_argument("--workers", type=int, default=None, help="processes that read")
    sub.add_argument("--scheduler", default=None, help="address of a Dask scheduler instead")
    sub.add_argument("--append", action="store_true", help="add to a survey: its next version")
    sub.add_argument("--restart", action="store_true", help="forget a stopped import")
    sub.add_argument("--preview", action="store_true", help="say what it would make, and stop")
