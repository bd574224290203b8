"""`core.run import` and `discard`: data into a survey."""

from __future__ import annotations

import argparse
import math
import sys

from core.errors import BadInput
from core.run_describe import counted, printable
from core.run_jobs import recorded_job, unfinished_words
from core.survey import ImportOptions, Survey, import_survey, list_surveys
from core.survey.interrupted import discard, interrupted
from core.survey.previewing import Preview, preview
from core.survey.previewing_words import settings_words
from core.vocabulary import JobKind, checked_name
from core.workspace import Workspace

MAX_IDS = 6
MAX_ID_LENGTH = 40
MAX_REJECTS = 5


def options_of(a: argparse.Namespace) -> ImportOptions:
    """The options of an import from its arguments."""
    low, high, step = _wavelength(a.wavelength)
    more = {}
    for pair in a.more:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"--set is KEY=VALUE, but is {pair!r}; correct it.")
        more[key.strip()] = value
    return ImportOptions(
        reader=a.reader,
        size_px=a.size_px,
        bands=tuple(name.strip() for name in a.bands.split(",") if name.strip()),
        pixel_scale_arcsec=a.pixel_scale,
        mixed=a.mixed,
        id_column=a.id_column,
        group_column=a.group_column,
        ra_column=a.ra_column,
        dec_column=a.dec_column,
        missing=tuple(_number(one, "--missing") for one in a.missing.split(",") if one.strip()),
        catalogue=a.catalogue,
        join=a.join,
        radius_arcsec=a.radius,
        spectra=a.spectra,
        wavelength_min=low,
        wavelength_max=high,
        wavelength_step=step,
        origin=a.origin,
        licence=a.licence,
        more=more,
    )


def run_import(workspace: Workspace, a: argparse.Namespace, *, quiet: bool = False) -> Survey:
    """Import as a recorded run."""
    options = options_of(a)
    config = {"source": str(a.source), "append": a.append, **options.as_dict()}
    with recorded_job(workspace, JobKind.IMPORT, a.name, config, quiet=quiet) as (_, tell, result):
        survey = import_survey(
            workspace,
            a.source,
            a.name,
            options,
            workers=a.workers,
            scheduler=a.scheduler,
            append=a.append,
            restart=a.restart,
            progress=tell,
        )
        manifest = survey.manifest
        result.update(objects=len(survey), rejects=manifest.n_rejects, version=survey.version)
    return survey


def act_on_import(workspace: Workspace, a: argparse.Namespace) -> str:
    """`core.run import`: what became of it, in words."""
    checked_name(a.name, "survey")
    if a.preview:
        words = preview_words(preview(a.source, options_of(a), workspace=workspace))
        return "\n".join([words, *_name_words(workspace, a.name, append=a.append)])
    for one in interrupted(workspace):
        if one.name == a.name and not one.running and not a.restart:
            print(
                f"skysift: an import of {a.name} stopped at {one.n_done:,} of"
                f" {counted(one.n_entries, 'entry', 'entries')}; it goes on there if source and"
                " options are the same.",
                file=sys.stderr,
            )
    survey = run_import(workspace, a)
    manifest = survey.manifest
    told = [f"{survey.name}: {counted(len(survey), 'object')}, version {survey.version}."]
    if manifest.n_rejects:
        told.append(
            f"{manifest.n_rejects:,} could not be taken in, see {survey.path / 'rejects.csv'}."
        )
    return " ".join((*told, *manifest.notes))


def act_on_discard(workspace: Workspace, a: argparse.Namespace) -> str:
    """`core.run discard`: forget a stopped import."""
    there = {one.name: one for one in interrupted(workspace)}
    if a.name not in there:
        names = ", ".join(there) or "none"
        raise BadInput(f"There is no stopped import of {a.name!r} (there: {names}).")
    if there[a.name].running:
        raise BadInput(f"The import of {a.name} is running; stop it first.")
    discard(workspace, a.name)
    return f"What the stopped import of {a.name} had done is removed."


def preview_words(found: Preview) -> str:
    """A preview in words."""
    layout = found.layout
    what = []
    if layout.bands:
        side = layout.cutout_size_px
        what.append(f"{side} x {side} pixels of {layout.dtype} in {', '.join(layout.bands)}")
    if layout.grid is not None:
        ends = layout.grid.wavelength[[0, -1]]
        what.append(f"spectra from {ends[0]:.0f} to {ends[1]:.0f} Angstrom")
    first = found.batch.object_ids[:MAX_IDS]
    lines = [
        f"Reader {found.reader} ({found.description}):"
        f" {counted(found.n_entries, 'entry', 'entries')}.",
        f"Each object has {' and '.join(what) or 'columns alone'}.",
        *settings_words(found.settings),
        *found.notes,
        f"The first objects: {', '.join(map(_cut, first)) or 'none'}.",
    ]
    columns = dict.fromkeys(name for row in found.batch.columns for name in row)
    lines.append(f"Columns: {', '.join(columns) or 'none'}.")
    rejects = found.batch.rejects
    lines += [
        " ".join(("Reject:", *filter(None, (one.source, one.member, one.reason))))
        for one in rejects[:MAX_REJECTS]
    ]
    if len(rejects) > MAX_REJECTS:
        lines.append(f"and {counted(len(rejects) - MAX_REJECTS, 'more reject')}")
    return "\n".join(map(printable, lines))


def _cut(object_id: object) -> str:
    text = str(object_id)
    return text if len(text) <= MAX_ID_LENGTH else f"{text[: MAX_ID_LENGTH - 3]}..."


def _name_words(workspace: Workspace, name: str, *, append: bool) -> list[str]:
    """What stands in the way of an import of that name."""
    there = list_surveys(workspace)
    words = [unfinished_words(workspace, name)]
    if name in there and not append:
        words.append(
            f"The name {name} is taken by a survey that is there; choose another name, or add to"
            " it with --append."
        )
    if append and name not in there:
        words.append(
            f"There is no survey {name} to add to (there: {', '.join(there) or 'none yet'}); leave"
            " --append out to make it."
        )
    return list(filter(None, words))


def _wavelength(text: str) -> tuple[float | None, float | None, float | None]:
    if not text:
        return None, None, None
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise BadInput(f"--wavelength is MIN:MAX or MIN:MAX:LOG10_STEP, but is {text!r}.")
    numbers = [_number(one, "--wavelength") for one in parts]
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(f"{what} has numbers, but one of them is {text.strip()!r}; correct it.")
    return value
