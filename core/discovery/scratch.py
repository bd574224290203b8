"""Large arrays that are worked out once an engine, kept out of memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from core.workspace import storage_errors

IN_MEMORY = 256 * 2**20
"""Bytes up to which an array stays in memory: a million rows of 64 columns."""


def keep_rows(
    blocks: Iterable[np.ndarray], shape: tuple[int, int], folder: str | None = None
) -> np.ndarray:
    """(N, D) float32, read-only, of blocks of rows that follow one another.

    Beyond `IN_MEMORY` it is mapped from a file without a name in `folder` (the system's folder for
    temporary files if None), which goes with the array or the process. float32, since every
    re-rank reads it: half the bytes would have to be converted each time.

    Raises
    ------
    StorageFull
        There is no room for the file.
    """
    if 4 * shape[0] * shape[1] <= IN_MEMORY:
        rows = np.empty(shape, dtype=np.float32)
        start = 0
        for block in blocks:
            rows[start : start + len(block)] = block
            start += len(block)
        rows.flags.writeable = False
        return rows
    place = folder or tempfile.gettempdir()
    # Written as a file, since a full disk would end the process where a mapping is written to.
    with storage_errors(Path(place)), tempfile.TemporaryFile(dir=place) as handle:
        for block in blocks:
            handle.write(np.ascontiguousarray(block, dtype=np.float32).data)
        handle.flush()
        # A plain view: what is taken from it are plain arrays too.
        return np.asarray(np.memmap(handle, dtype=np.float32, mode="r", shape=shape))
