"""Rows through an encoder, batch by batch, with smaller batches where memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import NotReady
from core.representation.embedding.reading import read_ahead
from core.representation.encoder import read_batch, reads
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
) -> Iterator[Encoded]:
    """The rows start <= row < stop for which `mask` is True, in order.

    Raises
    ------
    NotReady
        Memory does not suffice for one object.
    """
    done, size = start, batch_size
    while done < stop:
        try:
            for one in _batches(model, survey, mask, done, stop, size):
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
    model: Any, survey: Survey, mask: NDArray[np.bool_], start: int, stop: int, size: int
) -> Iterator[Encoded]:
    what = reads(model)
    bounds = [(first, min(first + size, stop)) for first in range(start, stop, size)]

    def read(bound: tuple[int, int]) -> tuple[NDArray[np.int64], Any]:
        rows = np.arange(*bound)
        rows = rows[mask[rows]]
        return rows, read_batch(survey, rows, what) if len(rows) else None

    for (_, last), (rows, batch) in read_ahead(read, bounds):
        codes = model.encode(batch) if len(rows) else None
        yield Encoded(last, rows, codes, size)
