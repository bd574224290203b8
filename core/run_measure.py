"""The job that measures a survey's pictures: morphology and artefacts, as added columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import NotReady
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.progress import Progress
    from core.survey import Survey
    from core.survey.layout import ColumnInfo

__all__ = [
    "FLAG_PREFIX",
    "NUMBER_PREFIX",
    "add_measure_arguments",
    "measure_command",
    "measured_columns",
    "run_measure",
]

NUMBER_PREFIX, FLAG_PREFIX = "morph_", "flag_"
"""Of the names of the columns."""

_BLOCK_BYTES = 32 * 1024 * 1024
_MOST_AT_ONCE = 512


def add_measure_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of `python -m core.run measure`."""
    sub.add_argument("survey", help="its name")


def measure_command(a: argparse.Namespace) -> str:
    """`python -m core.run measure`: the sentences to print."""
    counts = run_measure(open_workspace(a.workspace, create=False), a.survey)
    flagged = ", ".join(f"{n:,} {name}" for name, n in counts["flags"].items() if n)
    return (
        f"Measured {counts['with_picture']:,} of {counts['objects']:,} objects of {a.survey}:"
        f" {counts['columns']} columns, named {NUMBER_PREFIX}... and {FLAG_PREFIX}...;"
        f" {counts['found']:,} stand out of their sky.\n"
        f"Flagged: {flagged or 'none'}."
    )


def run_measure(workspace: Workspace, name: str, *, quiet: bool = False) -> dict[str, Any]:
    """Measure every picture of a survey and keep the columns; the counts.

    Raises
    ------
    NotReady
        None of its objects has a picture.
    """
    from core.run_jobs import open_survey, recorded_job
    from core.survey.added_columns import write_columns

    survey = open_survey(workspace, name)
    with recorded_job(workspace, JobKind.MEASURE, name, {}, quiet=quiet) as (
        run_id,
        progress,
        told,
    ):
        columns, info = measured_columns(survey, progress)
        flags = {
            column.removeprefix(FLAG_PREFIX): int(values.true_count)
            for column, values in columns.items()
            if column.startswith(FLAG_PREFIX)
        }
        counts: dict[str, Any] = {
            "objects": len(survey),
            "with_picture": int(survey.has_image.sum()),
            "found": len(survey) - columns[f"{NUMBER_PREFIX}snr"].null_count,
            "columns": len(columns),
            "flags": flags,
        }
        write_columns(
            survey, run_id, JobKind.MEASURE, columns, info=info, provenance={"counts": counts}
        )
        told.update(counts)
    return counts


def measured_columns(
    survey: Survey, progress: Progress
) -> tuple[dict[str, Any], dict[str, ColumnInfo]]:
    """Columns (Arrow arrays in row order) and what they mean.

    The pictures are read in blocks; beside one of these the numbers of all objects are held. An
    object without a picture, and a number that cannot be measured, is null.
    """
    import pyarrow as pa

    from core.measure.morphology import (
        ARTEFACT_NUMBERS,
        FLAGS,
        measure_artefacts,
        measure_morphology,
        quantities,
    )
    from core.survey.layout import ColumnInfo

    rows = np.flatnonzero(survey.has_image)
    if not len(rows):
        raise NotReady(
            f"No object of the survey {survey.name} has a picture to measure; import pictures"
            " first."
        )
    bands = survey.manifest.bands
    numbers = (*quantities(bands), *ARTEFACT_NUMBERS)
    values = np.full((len(numbers), len(survey)), np.nan, np.float32)
    flags = np.zeros((len(FLAGS), len(survey)), bool)
    done = 0
    for part in _blocks(survey, rows):
        progress(done / len(rows), f"measuring the pictures of {len(rows):,} objects")
        images = survey.images(part)
        shape, artefacts = measure_morphology(images, bands=bands), measure_artefacts(images)
        values[:, part] = np.concatenate([shape.values, artefacts.values], axis=1).T
        flags[:, part] = artefacts.flags.T
        done += len(part)
    columns: dict[str, Any] = {}
    info: dict[str, ColumnInfo] = {}
    for one, measured in zip(numbers, values, strict=True):
        name = NUMBER_PREFIX + one.name
        columns[name] = pa.array(measured.astype(np.float64), mask=~np.isfinite(measured))
        info[name] = ColumnInfo(one.unit, one.meaning)
    for one, raised in zip(FLAGS, flags, strict=True):
        name = FLAG_PREFIX + one.name
        columns[name] = pa.array(raised, mask=~survey.has_image)
        info[name] = ColumnInfo("", one.meaning)
    progress(1.0, f"measured the pictures of {len(rows):,} objects")
    return columns, info


def _blocks(survey: Survey, rows: np.ndarray) -> Iterator[np.ndarray]:
    manifest = survey.manifest
    each = len(manifest.bands) * manifest.cutout_size_px**2 * np.dtype(manifest.dtype).itemsize
    step = max(1, min(_MOST_AT_ONCE, _BLOCK_BYTES // each))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
