"""Rows through an encoder, batch by batch, with smaller batches where memory runs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import NotReady
from core.progress import Progress
from core.representation.embedding.reading import read_ahead
from core.representation.encoder import Sampled, read_batch, reads
from core.representation.memory import out_of_memory
from core.survey import Survey


class Encoded(NamedTuple):
    """The rows before `stop`: (B,) those that were encoded, (B, D) their codes, None where none
    of them has anything to see; batch_size, which is smaller after memory ran out."""

    stop: int
    rows: NDArray[np.int64]
    codes: NDArray[np.float32] | None
    batch_size: int


def encoded(
    model: Any,
    survey: Survey,
    mask: NDArray[np.bool_],
    start: int,
    stop: int,
    batch_size: int,
    known: Sampled | None = None,
) -> Iterator[Encoded]:
    """The rows start <= row < stop for which `mask` is True, in order.

    known: codes that are there already; these rows are not encoded again.

    Raises
    ------
    NotReady
        Memory does not suffice for one object.
    """
    for one in _passed(model, survey, mask, range(start, stop), batch_size, known):
        yield one._replace(stop=start + one.stop)


def spread_codes(
    model: Any,
    survey: Survey,
    mask: NDArray[np.bool_],
    count: int,
    batch_size: int,
    progress: Progress,
    known: Sampled | None = None,
) -> Encoded:
    """The codes of at most `count` rows of `mask` (which has some), evenly spread over the survey;
    of `known` ones, where there are so many.

    Raises
    ------
    NotReady
        Memory does not suffice for one object.
    """
    rows = np.flatnonzero(mask)
    if known is not None and len(known.rows) >= min(count, len(rows)):
        rows = known.rows
    if len(rows) > count:
        rows = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    codes, size = [], batch_size
    for one in _passed(model, survey, mask, rows.tolist(), batch_size, known):
        size = one.batch_size
        if one.codes is not None:
            codes.append(one.codes)
        progress(0.0, f"encoded {one.stop} of {len(rows)} objects that decide the precision")
    return Encoded(len(rows), rows, np.concatenate(codes), size)


def _passed(
    model: Any,
    survey: Survey,
    mask: NDArray[np.bool_],
    rows: Sequence[int],
    batch_size: int,
    known: Sampled | None,
) -> Iterator[Encoded]:
    """As `encoded`, of any rows; `stop` counts them."""
    done, size = 0, batch_size
    while done < len(rows):
        try:
            for one in _batches(model, survey, mask, rows, done, size, known):
                yield one
                done = one.stop
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        else:
            return
        # Outside the handler: the error holds on to what filled the memory.
        if size == 1:
            raise NotReady(
                f"The encoder {model.name} does not fit into memory with one object at a time;"
                " close other programs, or choose a smaller encoder."
            )
        size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _batches(
    model: Any,
    survey: Survey,
    mask: NDArray[np.bool_],
    rows: Sequence[int],
    start: int,
    size: int,
    known: Sampled | None,
) -> Iterator[Encoded]:
    what, stop = reads(model), len(rows)
    bounds = [(first, min(first + size, stop)) for first in range(start, stop, size)]

    def read(bound: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], Any]:
        taken = np.asarray(rows[slice(*bound)], np.int64)
        taken = taken[mask[taken]]
        new = taken if known is None else taken[~np.isin(taken, known.rows)]
        return taken, new, read_batch(survey, new, what) if len(new) else None

    for (_, last), (taken, new, batch) in read_ahead(read, bounds):
        codes = model.encode(batch) if len(new) else None
        yield Encoded(last, taken, _joined(taken, new, codes, known), size)


def _joined(
    taken: NDArray[np.int64],
    new: NDArray[np.int64],
    codes: NDArray[np.float32] | None,
    known: Sampled | None,
) -> NDArray[np.float32] | None:
    """(B, D) of the rows taken: the codes of the new ones among them, the others as known."""
    if known is None or len(new) == len(taken):
        return codes
    out = known.codes[np.searchsorted(known.rows, taken).clip(0, len(known.rows) - 1)]
    if codes is not None:
        out[np.isin(taken, new)] = codes
    return out
