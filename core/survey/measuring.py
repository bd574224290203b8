"""Morphology of all pictures of a survey, in bounded memory, going on where it was stopped.

checkpoints/measure-FINGERPRINT.partial in the survey's folder holds what is measured, object after
object in the order of the rows with a picture: numbers.f32 (float32, one column a number) and
flags.u8 (bool, one column a flag). journal.json says of how many objects that is; what lies behind
them in the files was written before a kill and is written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import NotReady
from core.measure.morphology import (
    ARTEFACT_NUMBERS,
    FLAGS,
    measure_artefacts,
    measure_morphology,
    quantities,
)
from core.progress import Progress
from core.survey.layout import ColumnInfo
from core.survey.partial import claim_partial, drop_partial, is_held, release_partial
from core.survey.runs import versions
from core.survey.store import Survey
from core.workspace import storage_errors

__all__ = ["FLAG_PREFIX", "NUMBER_PREFIX", "Measuring", "measuring"]

NUMBER_PREFIX, FLAG_PREFIX = "morph_", "flag_"
"""Of the names of the columns."""

EVERY_S = 3.0
"""Objects are noted as done at most so often."""

_BLOCK_BYTES = 32 * 1024 * 1024
_MOST_AT_ONCE = 512
_ROWS_AT_ONCE = 32_768
"""Rows of the columns that are put together at a time: with a hundred numbers some 30 MB."""

_JOURNAL, _NUMBERS, _FLAGS = "journal.json", "numbers.f32", "flags.u8"


class Measuring:
    """A measurement of a survey's pictures at work or done; see `measuring`.

    Attributes
    ----------
    survey
        The survey.
    total, done
        Objects with a picture, and how many of these are measured.
    """

    def __init__(self, survey: Survey, path: Path) -> None:
        self.survey = survey
        self._path = path
        self._rows = np.flatnonzero(survey.has_image)
        self._numbers = (*quantities(survey.manifest.bands), *ARTEFACT_NUMBERS)
        self.total = len(self._rows)
        self.done = int(_journal(path).get("done", 0))

    @property
    def info(self) -> dict[str, ColumnInfo]:
        """What the columns mean, by name."""
        numbers = {NUMBER_PREFIX + one.name: one for one in self._numbers}
        flags = {FLAG_PREFIX + one.name: one for one in FLAGS}
        return {
            name: ColumnInfo(one.unit, one.meaning) for name, one in {**numbers, **flags}.items()
        }

    @property
    def schema(self) -> pa.Schema:
        """Of the batches: object_id, numbers, flags."""
        kinds = [pa.float64()] * len(self._numbers) + [pa.bool_()] * len(FLAGS)
        return pa.schema([("object_id", pa.string()), *zip(self.info, kinds, strict=True)])

    def run(self, progress: Progress) -> None:
        """Measure what is not measured yet, block by block."""
        if self.done:
            progress(self._share(), f"going on after {self.done:,} of {self.total:,} objects")
        noted = time.monotonic()
        with (
            storage_errors(self._path),
            _opened(self._path / _NUMBERS, self.done * 4 * len(self._numbers)) as numbers,
            _opened(self._path / _FLAGS, self.done * len(FLAGS)) as flags,
        ):
            try:
                while self.done < self.total:
                    progress(self._share(), f"measuring the pictures of {self.total:,} objects")
                    part = self._rows[self.done : self.done + _step(self.survey)]
                    images = self.survey.images(part)
                    shape = measure_morphology(images, bands=self.survey.manifest.bands)
                    artefacts = measure_artefacts(images)
                    values = np.concatenate([shape.values, artefacts.values], axis=1)
                    numbers.write(values.astype(np.float32).tobytes())
                    flags.write(artefacts.flags.astype(bool).tobytes())
                    self.done += len(part)
                    if time.monotonic() - noted > EVERY_S:
                        self._note(numbers, flags)
                        noted = time.monotonic()
            finally:
                self._note(numbers, flags)
        progress(1.0, f"measured the pictures of {self.total:,} objects")

    def counts(self) -> dict[str, Any]:
        """Objects, those with a picture, those found (snr is known), columns, objects a flag."""
        snr = [one.name for one in self._numbers].index("snr")
        found, raised = 0, np.zeros(len(FLAGS), np.int64)
        for start in range(0, self.done, _ROWS_AT_ONCE):
            values, flags = self._read(start, min(start + _ROWS_AT_ONCE, self.done))
            found += int(np.isfinite(values[:, snr]).sum())
            raised += flags.sum(axis=0)
        return {
            "objects": len(self.survey),
            "with_picture": self.total,
            "found": found,
            "columns": len(self._numbers) + len(FLAGS),
            "flags": {one.name: int(n) for one, n in zip(FLAGS, raised, strict=True)},
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The columns of all objects in row order, some thousands of rows at a time.

        An object without a picture, and a number that could not be measured, is null.
        """
        for start in range(0, len(self.survey), _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, len(self.survey))
            first, last = np.searchsorted(self._rows, [start, stop])
            values = np.full((stop - start, len(self._numbers)), np.nan, np.float32)
            flags = np.zeros((stop - start, len(FLAGS)), bool)
            places = self._rows[first:last] - start
            values[places], flags[places] = self._read(int(first), int(last))
            unseen = ~self.survey.has_image[start:stop]
            arrays = [pa.array(self.survey.object_ids[start:stop], pa.string())]
            arrays += [
                pa.array(one.astype(np.float64), mask=~np.isfinite(one)) for one in values.T
            ]
            arrays += [pa.array(one, mask=unseen) for one in flags.T]
            yield pa.record_batch(arrays, schema=self.schema)

    def words(self) -> str:
        """What is kept, for a job that was stopped."""
        if not self.done:
            return "no object was measured yet"
        return (
            f"{self.done:,} of {self.total:,} objects are measured, and the same command goes on"
            " from there"
        )

    def _share(self) -> float:
        return self.done / self.total

    def _note(self, numbers: Any, flags: Any) -> None:
        for file in (numbers, flags):
            file.flush()
            os.fsync(file.fileno())
        noted = {
            "content_hash": self.survey.manifest.content_hash,
            "done": self.done,
            "bytes": [numbers.tell(), flags.tell()],
        }
        aside = self._path / f"{_JOURNAL}.partial"
        aside.write_text(json.dumps(noted))
        aside.replace(self._path / _JOURNAL)

    def _read(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Numbers and flags of the objects from `start` to `stop`, counted as they were done."""
        count, columns, flags = stop - start, len(self._numbers), len(FLAGS)
        with storage_errors(self._path):
            values = np.fromfile(
                self._path / _NUMBERS, np.float32, count * columns, offset=start * 4 * columns
            )
            raised = np.fromfile(self._path / _FLAGS, bool, count * flags, offset=start * flags)
        return values.reshape(count, columns), raised.reshape(count, flags)


@contextlib.contextmanager
def measuring(survey: Survey) -> Iterator[Measuring]:
    """The measurement of a survey's pictures, as an earlier process left it.

    Where the body fails or is stopped, what is measured stays for the next call; else it is
    removed at the end.

    Raises
    ------
    NotReady
        No object has a picture.
    InUse
        Another process measures this survey.
    """
    if not survey.has_image.any():
        raise NotReady(
            f"No object of the survey {survey.name} has a picture to measure; import pictures"
            " first."
        )
    final = survey.folder / "checkpoints" / f"measure-{_fingerprint(survey)}"
    with storage_errors(final):
        _sweep(final.parent, survey.manifest.content_hash)
        partial = claim_partial(final, f"measurement of {survey.name}", _is_whole)
    work = Measuring(survey, partial)
    try:
        yield work
    except BaseException:
        if work.done:
            with contextlib.suppress(OSError):  # a full disk: what was noted before counts
                release_partial(partial)
        else:
            drop_partial(partial, survey.folder)
        raise
    drop_partial(partial, survey.folder)


def _step(survey: Survey) -> int:
    """Objects in a block."""
    manifest = survey.manifest
    each = len(manifest.bands) * manifest.cutout_size_px**2 * np.dtype(manifest.dtype).itemsize
    return max(1, min(_MOST_AT_ONCE, _BLOCK_BYTES // each))


def _fingerprint(survey: Survey) -> str:
    """Of all that the numbers depend on; sums over a block round as its size has it."""
    names = [one.name for one in (*quantities(survey.manifest.bands), *ARTEFACT_NUMBERS, *FLAGS)]
    known = [survey.manifest.content_hash, names, _step(survey), versions()]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _opened(path: Path, size: int) -> Any:
    """A file to write on from `size` bytes; what came after them is cut off."""
    file = open(path, "ab")  # noqa: SIM115 (closed by who asked)
    file.truncate(size)
    return file


def _journal(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / _JOURNAL).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_whole(partial: Path) -> bool:
    """Whether a folder left behind can be gone on from: what is noted as done is in the files."""
    try:
        sizes = [(partial / name).stat().st_size for name in (_NUMBERS, _FLAGS)]
        noted = _journal(partial)["bytes"]
    except (OSError, KeyError):
        return False
    return all(size >= least for size, least in zip(sizes, noted, strict=True))


def _sweep(folder: Path, content_hash: str) -> None:
    """Remove what is left of other contents of the survey: nothing will go on from it."""
    for left in folder.glob("measure-*.partial"):
        if _journal(left).get("content_hash", content_hash) != content_hash and not is_held(left):
            drop_partial(left, folder.parent)
