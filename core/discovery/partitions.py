"""The simple model's pass over a large survey, done by the workers of a Dask cluster.

Each holds some of the whitened rows, which it makes from the embedding's file: nothing but that
file has to be where the workers see it, at the same path. A re-rank sends the few numbers that the
simple model is made of to them and brings one number a class and row back; the own columns that
this model sees are read from the file each time, for they change with the answers. A worker that
is lost is replaced by another, which makes its rows anew; where the file cannot be read, the next
re-rank asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.discovery import shortlist
from core.discovery.imitation import Imitation, pieces
from core.discovery.prepare import CHUNK, Scale, Standardised, Whitening, chunks
from core.discovery.threads import one_blas_thread
from core.discovery.wide import some_columns
from core.errors import BadInput, NotReady

PART_ROWS = 4 * CHUNK
"""Rows of a part, 64 MB of them; whole pieces of `chunks`, so that a worker's rows are those of
the machine that asks, bit by bit."""

ANSWER_S = 60
"""Seconds for which a part is waited for; making it takes one or two."""

_INSTEAD = "or leave --dask out"


class Unread(OSError):
    """A worker could not read the embedding; another time it may."""


class Stored(NamedTuple):
    """An embedding's file, and what is in it."""

    path: str
    shape: tuple[int, int]
    dtype: str


class Part(NamedTuple):
    """Some rows of a survey in a worker's memory.

    Attributes
    ----------
    white
        (n, D) float32, whitened.
    stored, rows
        The embedding that they were made of, and which of its rows they are.
    mask, scale
        (n,), and what standardises own columns.
    """

    white: np.ndarray
    stored: Stored
    rows: slice
    mask: np.ndarray
    scale: Scale


class Partitions:
    """The whitened rows of one survey in the memory of a cluster's workers.

    Surveys that the learner scores whole are not parted. If a worker cannot read the embedding,
    `regressed` gives nothing this time; if the workers are lost, once and for all. `in_words` says
    so: the caller has the rows too.

    Parameters
    ----------
    client : a `distributed.Client`, open as long as this is used
    rows : the survey's rows, of an embedding that is mapped from a file

    Raises
    ------
    NotReady
        The cluster has no workers.
    BadInput
        The embedding is no file, or a worker cannot open it.
    """

    def __init__(self, client: Any, rows: Standardised) -> None:
        self._client, self._n_rows = client, len(rows)
        self._parts: list[tuple[slice, Any]] = []
        self._lost = self._unread = ""
        self.n_workers = 0
        if len(rows) <= max(shortlist.FULL_ROWS, CHUNK):
            return
        stored = _stored(rows.embedding)
        _check_workers(client, stored)
        step = chunks(len(rows))[0].stop
        for start in range(0, len(rows), PART_ROWS):
            part = slice(start, min(start + PART_ROWS, len(rows)))
            mask = np.array(rows.mask[part])
            made = client.submit(
                whitened_part, stored, part, step, mask, rows.whitening, pure=False
            )
            self._parts.append((part, made))

    def regressed(self, simple: Imitation) -> np.ndarray | None:
        """(N, K) float32: `Imitation.regressed` of every row; None where the workers cannot."""
        if self._lost or not self._parts:
            return None
        self._unread = ""
        try:
            self.n_workers = len(self._client.nthreads())
            if not self.n_workers:
                raise OSError("none is left")
            for _, made in self._parts:
                if made.status == "error":
                    made.retry()
            asked = [
                (part, self._client.submit(regressed_part, made, simple, pure=False))
                for part, made in self._parts
            ]
            found = np.empty((self._n_rows, simple.n_known), dtype=np.float32)
            for part, future in asked:
                found[part] = future.result(timeout=ANSWER_S)
        except Unread as error:
            self._unread = _reason(error)
            return None
        # Whatever went wrong on other machines: this one can do the work, and the reason is said.
        except Exception as error:
            self._lost = _reason(error)
            self._parts = []
            return None
        return found

    def in_words(self, *, used: bool) -> str:
        """What became of the workers where they did nothing, to be said after another sentence.

        used : whether the last ranking was by two passes
        """
        if self._lost:
            return (
                f" The Dask workers are lost ({self._lost}), and this machine does without them;"
                " start them again, then the worker of this task or the app."
            )
        if not used and self._n_rows <= shortlist.FULL_ROWS:
            return (
                f" The Dask workers have nothing to do: up to {shortlist.FULL_ROWS:,} objects the"
                " learner scores them all on this machine."
            )
        if not used:
            return (
                " The Dask workers have nothing to do: with this sampler or learner every object"
                " has the learner's own score, made on this machine."
            )
        if not self._parts:  # with known pictures the rows are more than the survey's
            return (
                f" The Dask workers have nothing to do: up to {shortlist.FULL_ROWS:,} objects are"
                " not shared out."
            )
        if self._unread:
            return (
                f" The Dask workers could not read the embedding ({self._unread}), and this"
                " machine did without them; the next ranking asks them again."
            )
        return ""


def whitened_part(
    stored: Stored, part: slice, step: int, mask: np.ndarray, whitening: Whitening
) -> Part:
    """On a worker: a part of the survey.

    step : rows of a piece, as the survey was whitened in; mask : (n,), of the part
    """
    embedding = opened(stored)
    rows = np.empty((len(mask), whitening.n_columns), dtype=np.float32)
    with one_blas_thread():
        for start in range(0, len(mask), step):
            piece = slice(start, min(start + step, len(mask)))
            block = embedding[part.start + piece.start : part.start + piece.stop]
            rows[piece] = whitening.rows(block, mask[piece])
    return Part(rows, stored, part, mask, whitening.scale)


def regressed_part(part: Part, simple: Imitation) -> np.ndarray:
    """On a worker: (n, K) float32, `Imitation.regressed` of the rows of a part. The file is opened
    only where own columns are seen."""
    n = len(part.white)
    found = np.empty((n, simple.n_known), dtype=np.float32)
    nothing = np.empty((n, 0), dtype=np.float32)
    embedding = opened(part.stored)[part.rows] if len(simple.columns) else None
    with one_blas_thread():
        for piece in pieces(n):
            own = nothing[piece]
            if embedding is not None:
                own = some_columns(embedding[piece], part.mask[piece], part.scale, simple.columns)
            found[piece] = simple.regressed(part.white[piece], own)
    return found


def opened(stored: Stored) -> np.ndarray:
    """The embedding, mapped; `Unread` where the file is another one or none."""
    try:
        embedding = np.load(stored.path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Unread(_reason(error)) from error
    if Stored(stored.path, embedding.shape, embedding.dtype.str) != stored:
        raise Unread(
            f"{embedding.shape} {embedding.dtype.str} where {stored.shape} {stored.dtype} is asked"
        )
    return np.asarray(embedding)


def can_open(stored: Stored) -> str:
    """On a worker: why the embedding cannot be opened there; "" where it can."""
    try:
        opened(stored)
    except Unread as error:
        return _reason(error)
    return ""


def _stored(embedding: np.ndarray) -> Stored:
    name = getattr(embedding, "filename", None)
    if name is None:
        raise BadInput(
            "Dask workers read an embedding from its file, but this one is in memory alone; embed"
            f" the survey, {_INSTEAD}."
        )
    n, d = embedding.shape
    return Stored(str(Path(name).resolve()), (n, d), embedding.dtype.str)


def _check_workers(client: Any, stored: Stored) -> None:
    """`NotReady` where there are no workers, `BadInput` where one cannot open the embedding."""
    scheduler = client.scheduler.address
    if not client.nthreads():
        raise NotReady(
            f"The Dask scheduler at {scheduler} has no workers yet; start some with `dask worker"
            f" {scheduler}`, {_INSTEAD}."
        )
    try:
        found: dict[str, Any] = client.run(can_open, stored, on_error="return")
    # A worker without this program, or with another Python, fails in its own way.
    except Exception as error:
        found = {scheduler: error}
    _refuse(stored, [(where, why) for where, why in found.items() if why])


def _refuse(stored: Stored, failed: Sequence[tuple[str, Any]]) -> None:
    if not failed:
        return
    where, why = failed[0]
    raise BadInput(
        f"The Dask worker at {where} cannot open the embedding at {stored.path}"
        f" ({why if isinstance(why, str) else _reason(why)}); give it the same files at the same"
        f" path and the same Skysift, {_INSTEAD}."
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {ANSWER_S} s"
    if isinstance(error, CancelledError):
        return "the scheduler went away"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:120]
