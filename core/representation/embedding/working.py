"""What an embedding at work keeps on disk, so that the same command goes on after a kill.

checkpoints/embed-FINGERPRINT.partial in the survey's folder holds the fitted encoder as it was
saved, the array with the rows that are done, and journal.json, which says how many these are.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from core.errors import Cancelled, Damaged
from core.representation.encoder import Sampled
from core.survey import Survey
from core.survey.partial import claim_partial, drop_partial, is_held, release_partial
from core.workspace import storage_errors

JOURNAL, ARRAY, MASK = "journal.json", "embedding.npy", "mask.npy"
SAMPLED_ROWS, SAMPLED_CODES = "sampled-rows.npy", "sampled-codes.npy"
EVERY_S = 3.0
"""Rows are noted as done at most so often."""

FLOAT16, FLOAT32 = "float16", "float32"
LARGEST = float(np.finfo(np.float16).max)
SAME = 1e-6
"""Values that spread over less than this share of their size are the same but for rounding."""

MAX_ROUNDING = 0.01
"""Of a column's deviation: where float16 would round by more, the array is float32."""

_NOT_OF_THE_RUN = (JOURNAL, "holder.json", SAMPLED_ROWS, SAMPLED_CODES)


@dataclass
class Journal:
    """How far an embedding is; see `Working`."""

    content_hash: str
    batch_size: int
    settings: dict[str, Any] | None = None
    dimensions: int = 0
    precision: str = ""
    done: int = 0
    clipped: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class Working:
    """An embedding being made.

    Attributes
    ----------
    path
        The folder, into which the encoder saves itself.
    journal
        settings: what the encoder's `save` returned, None until it is fitted. done: rows that are
        encoded, from the first. batch_size: smaller than asked after memory ran out. clipped:
        numbers beyond float16's range. notes: sentences for people.
    """

    def __init__(self, path: Path, total: int, journal: Journal, asked: str) -> None:
        self.path = path
        self.total = total
        self.journal = journal
        self._asked = asked
        self._noted = time.monotonic()
        self._began = time.monotonic() - journal.seconds
        self.values: NDArray[Any] | None = None
        if journal.dimensions:
            self.values = open_memmap(path / ARRAY, "r+")

    def note(self, sentence: str) -> None:
        """Keep a sentence for the record, once."""
        if sentence and sentence not in self.journal.notes:
            self.journal.notes.append(sentence)

    def fitted(self, settings: dict[str, Any], sampled: Sampled | None = None) -> dict[str, Any]:
        """Note that the encoder is fitted and saved, and keep what it saw meanwhile; its settings
        as they are read again."""
        if sampled is not None:
            np.save(self.path / SAMPLED_ROWS, sampled.rows)
            np.save(self.path / SAMPLED_CODES, sampled.codes)
        self.journal.settings = json.loads(json.dumps(settings))
        self.save()
        return self.journal.settings or {}

    def sampled(self) -> Sampled | None:
        """What the encoder saw while it was fitted, where it was kept."""
        try:
            return Sampled(np.load(self.path / SAMPLED_ROWS), np.load(self.path / SAMPLED_CODES))
        except FileNotFoundError:
            return None

    def put(self, stop: int, rows: NDArray[np.int64], codes: NDArray[np.float32] | None) -> None:
        """Write the (B, D) codes of `rows`; all rows before `stop` are done then.

        A row that is not finite throughout says nothing: it becomes NaN.
        """
        if codes is not None:
            lost = np.asarray(~np.isfinite(codes).all(axis=1))
            if lost.any():
                codes = np.where(lost[:, None], np.float32(np.nan), codes)
            if self.values is None:
                self.begin(codes)
            assert self.values is not None
            if codes.shape[1] != self.journal.dimensions:
                raise Damaged(
                    f"The encoder gave {codes.shape[1]} numbers an object after"
                    f" {self.journal.dimensions} before; embed the survey again."
                )
            if self.journal.precision == FLOAT16:
                beyond = np.abs(codes) > LARGEST
                self.journal.clipped += int(beyond.sum())
                codes = np.clip(codes, -LARGEST, LARGEST)
            self.values[rows] = codes
        self.journal.done = stop
        if time.monotonic() - self._noted > EVERY_S:
            self.save()

    def begin(self, codes: NDArray[np.float32]) -> None:
        """Make the array, in the precision that (B, D) codes of objects like all others need."""
        precision = self._asked
        if precision == FLOAT16 and not fits_float16(codes):
            precision = FLOAT32
            self.note("stored as float32: float16 would round or clip these numbers too much")
        path = self.path / ARRAY
        values = open_memmap(path, "w+", np.dtype(precision), (self.total, codes.shape[1]))
        if hasattr(os, "posix_fallocate"):
            # A sparse file met by a full disk ends the process by SIGBUS; this is an error.
            with open(path, "r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
        values[:] = np.nan
        self.values = values
        self.journal.precision, self.journal.dimensions = precision, codes.shape[1]

    def save(self) -> None:
        """Note how far it is."""
        if self.values is not None:
            self.values.flush()  # type: ignore[attr-defined]
        self.journal.seconds = time.monotonic() - self._began
        _write_journal(self.path, self.journal)
        self._noted = time.monotonic()

    def finish(self, run: Path, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Move everything into the run's folder; what its record says of the embedding.

        mask: (N,) rows that the encoder was given.
        """
        assert self.values is not None
        finite = np.zeros(self.total, bool)
        columns = self.values.shape[1]
        low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
        for start in range(0, self.total, 65_536):
            part = slice(start, start + 65_536)
            rows = np.asarray(self.values[part], np.float32)
            finite[part] = np.isfinite(rows).all(axis=1)
            known = rows[finite[part]]
            low = np.minimum(low, known.min(axis=0, initial=np.inf))
            high = np.maximum(high, known.max(axis=0, initial=-np.inf))
        seen = mask & finite
        size = np.maximum(np.abs(low), np.abs(high)).max()
        if seen.sum() > 1 and (high - low).max() <= SAME * size:
            self.note("all objects have the same values, so that it tells none apart")
        self.save()
        np.save(self.path / MASK, seen)
        self.values = None
        for entry in list(self.path.iterdir()):
            if entry.name not in _NOT_OF_THE_RUN:
                os.rename(entry, run / entry.name)
        journal = self.journal
        if journal.clipped:
            self.note(f"{journal.clipped:,} numbers were clipped to {LARGEST:,.0f}, float16's end")
        return {
            "precision": journal.precision,
            "batch_size": journal.batch_size,
            "seconds": round(journal.seconds, 2),
            "masked": int((~seen).sum()),
            "clipped": journal.clipped,
            "notes": journal.notes,
        }


@contextlib.contextmanager
def working(
    survey: Survey, fingerprint: str, *, batch_size: int, precision: str, what: str
) -> Iterator[Working]:
    """The folder of an embedding with these settings, as an earlier process left it.

    Where the body is stopped after the fit it stays, for the same command; else it is removed.

    Raises
    ------
    InUse
        Another process makes the same embedding.
    """
    final = survey.folder / "checkpoints" / f"embed-{fingerprint}"
    with storage_errors(final):
        _sweep(final.parent, survey.manifest.content_hash)
        partial = claim_partial(final, what, _is_whole)
    journal = _read_journal(partial)
    if journal is None:
        journal = Journal(survey.manifest.content_hash, batch_size)
    work = Working(partial, len(survey), journal, precision)
    try:
        yield work
    except BaseException as error:
        stopped = isinstance(error, (Cancelled, KeyboardInterrupt))
        if journal.settings is not None and (stopped or work.values is not None):
            with contextlib.suppress(OSError):  # a full disk: what was noted before counts
                work.save()
                release_partial(partial)
        else:
            drop_partial(partial, survey.folder)
        work.values = None
        raise
    drop_partial(partial, survey.folder)


def fits_float16(codes: NDArray[np.float32]) -> bool:
    """Whether float16 keeps these (B, D) numbers: none too large, none rounded by more than a
    hundredth of its column's deviation."""
    finite = np.asarray(np.isfinite(codes).all(axis=1))
    known = codes[finite].astype(np.float64)
    if not len(known):
        return True
    if np.abs(known).max() > LARGEST:
        return False
    known = known[:, (known != known[0]).any(axis=0)]  # a constant has no spread to be lost
    error = np.sqrt(np.mean((known.astype(np.float16).astype(np.float64) - known) ** 2, axis=0))
    return bool((error <= MAX_ROUNDING * known.std(axis=0)).all())


def _is_whole(partial: Path) -> bool:
    """Whether a folder left behind can be gone on from: its encoder is fitted and, if rows are
    done, the array is there."""
    journal = _read_journal(partial)
    if journal is None or journal.settings is None:
        return False
    return not journal.dimensions or (partial / ARRAY).exists()


def _write_journal(partial: Path, journal: Journal) -> None:
    aside = partial / f"{JOURNAL}.partial"
    aside.write_text(json.dumps(asdict(journal)), encoding="utf-8")
    aside.replace(partial / JOURNAL)


def _read_journal(partial: Path) -> Journal | None:
    try:
        return Journal(**json.loads((partial / JOURNAL).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _sweep(folder: Path, content_hash: str) -> None:
    """Remove what is left of other contents of the survey: nothing will go on from it."""
    for left in folder.glob("embed-*.partial"):
        journal = _read_journal(left)
        if journal is not None and journal.content_hash != content_hash and not is_held(left):
            drop_partial(left, folder.parent)
