"""The jobs that bring data in and say what they are: what they understand, and who does them.

Imports nothing heavy: every job of `core.run` comes through here.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from core.errors import BadInput
from core.run_columns import (
    add_crossmatch_arguments,
    add_duplicates_arguments,
    crossmatch_command,
    duplicates_command,
)
from core.run_measure import add_measure_arguments, measure_command
from core.vocabulary import JobKind, checked_name
from core.workspace import open_workspace

Job = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]
"""Makes the parser of a job: name, what does it, what it is for."""

MISSING = "--missing"

_NEGATIVE = re.compile(r"-\.?\d")


def joined_codes(argv: Sequence[str]) -> list[str]:
    """The arguments with `--missing -10,-999` as `--missing=-10,-999`: the codes are mostly
    negative, and alone they would be taken for an option."""
    joined: list[str] = []
    for one in argv:
        if joined and joined[-1] == MISSING and _NEGATIVE.match(one):
            joined[-1] = f"{MISSING}={one}"
        else:
            joined.append(one)
    return joined


def add_data_jobs(job: Job) -> None:
    """import, discard, describe, measure, crossmatch, duplicates, query."""
    sub = job("import", _import, "import data of any kind as a survey; goes on where it stopped")
    _import_arguments(sub)
    sub = job("discard", _discard, "forget an import that was stopped")
    sub.add_argument("name", help="name of the survey it was to make")
    sub = job("describe", _describe, "what is in a survey")
    sub.add_argument("survey", help="its name")
    sub.add_argument("--json", action="store_true", help="all of it, as JSON")
    sub = job("measure", measure_command, "measure morphology and artefacts, as added columns")
    add_measure_arguments(sub)
    sub = job("crossmatch", crossmatch_command, "mark what catalogues know already")
    add_crossmatch_arguments(sub)
    sub = job("duplicates", duplicates_command, "find what is in a survey twice")
    add_duplicates_arguments(sub)
    sub = job("query", _query, "ask an archive for a catalogue: SQL to SDSS, ADQL to TAP services")
    sub.add_argument("service", help="sdss, gaia, noirlab, simbad, vizier, or tap with --base-url")
    sub.add_argument("query", help="SQL or ADQL; @FILE reads it from a file")
    sub.add_argument("--out", required=True, help="a .csv or .parquet file")
    sub.add_argument(
        "--split",
        default=None,
        metavar="START:STOP:N",
        help="ask in N ranges, which the query names {from} and {to}",
    )
    sub.add_argument("--base-url", default=None, help="address of the service, if another")
    sub.add_argument("--max-rows", type=int, default=None, help="rows a query may bring (TAP)")
    sub.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def _import(a: argparse.Namespace) -> str:
    from core.run_import import act_on_import

    checked_name(a.name, "survey")
    if a.preview:
        a.stopped = "nothing was imported"
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

    from core.run_describe import added_later, describe
    from core.run_jobs import open_survey, unfinished_words
    from core.survey.summary import summarise

    workspace = open_workspace(a.workspace, create=False)
    survey = open_survey(workspace, a.survey)
    if a.json:
        added = [asdict(one) for one in added_later(survey)]
        return json.dumps({**summarise(survey).as_dict(), "added_columns": added}, indent=1)
    unfinished = unfinished_words(workspace, a.survey)
    return "\n\n".join(filter(None, (describe(survey), unfinished)))


def _query(a: argparse.Namespace) -> str:
    from core.run_jobs import recorded_job
    from core.survey.sky.queries import run_query

    query = _query_text(a.query)
    workspace = open_workspace(a.workspace)
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
    table, where = shlex.quote(str(found.path)), shlex.quote(str(a.workspace))
    return (
        f"{found.sentence()}\nNext, `python -m core.run import {table} --name NAME --reader frames"
        f" --workspace {where}` cuts the objects out of survey frames; --reader sky asks a service"
        " for each one's picture or spectrum, --reader table takes the columns alone."
    )


def _query_text(query: str) -> str:
    """The query itself, or what is in the file that it names."""
    if not query.startswith("@"):
        return query
    path = Path(query[1:]).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = "it is not text" if isinstance(error, ValueError) else error.strerror
        raise BadInput(
            f"A query that begins with @ names a file that holds it, but {path} cannot be read"
            f" ({why}); correct the path."
        ) from None


def _import_arguments(sub: argparse.ArgumentParser) -> None:
    """What `core.run import` understands; the Data page builds the same."""
    sub.set_defaults(stopped="what was read is kept, and the same command goes on where it was")
    add = sub.add_argument
    add("source", help="file or folder: pictures, FITS, archives, HDF5, tables, spectra ...")
    add("--name", required=True, help="name of the survey")
    add("--reader", default=None, help="kind of data, if it is not found out: see docs/import.md")
    add("--size-px", type=int, default=None, help="side of the cutouts that are kept, in pixels")
    add("--bands", default="", help="names of the bands, in order, with commas between: g,r,i")
    add("--pixel-scale", type=float, default=None, help="arcsec a pixel, where files do not say")
    add(
        "--mixed",
        default="auto",
        metavar="auto|resample|crop|reject",
        help="what becomes of images of another size or scale (default: auto)",
    )
    add("--id-column", default=None, help="column that names the objects")
    add("--group-column", default=None, help="column equal for views of one galaxy")
    add("--ra-column", default=None, help="column of the right ascension")
    add("--dec-column", default=None, help="column of the declination")
    add(MISSING, default="", help="numbers that mean 'not measured': -10,-999")
    add("--catalogue", default=None, help="table to join, or with positions to cut out at")
    add(
        "--join",
        default="id",
        metavar="id|sky",
        help="join catalogue and spectra by id or by position (default: id)",
    )
    add("--radius", type=float, default=1.0, help="arcsec, for --join sky (default: 1)")
    add("--spectra", default=None, help="file or folder of spectra to join to the objects")
    add(
        "--wavelength",
        default="",
        metavar="MIN:MAX[:LOG10_STEP]",
        help="grid of the spectra, from MIN to MAX Angstrom",
    )
    add("--origin", default=None, help="where the data come from, to be kept with the survey")
    add("--licence", default=None, help="on what terms they may be used")
    add(
        "--set",
        dest="more",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the reader (docs/import.md lists them); repeatable",
    )
    add("--workers", type=int, default=None, help="processes that read (default: one a core)")
    add("--scheduler", default=None, help="address of a Dask scheduler, to read elsewhere")
    add("--append", action="store_true", help="add to a survey that is there: its next version")
    add("--restart", action="store_true", help="forget what a stopped import had done")
    add("--preview", action="store_true", help="say what it would make, and make nothing")
