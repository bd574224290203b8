"""Rows of arrays whose chunks hold more rows than a unit of work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np

from core.survey.readers.array_choice import ArrayInfo
from core.survey.readers.array_columns import Rows
from core.survey.readers.kept import going_on

LARGEST_UNIT_BYTES = 32 * 1024**2
"""A unit may grow to this so that it ends where a chunk of the file ends."""

SLAB_BYTES = 256 * 1024**2
"""What a worker keeps unpacked at most."""


class _Slab:
    """Rows of an array that were unpacked together."""

    def __init__(self) -> None:
        self.start = 0
        self.values: np.ndarray | None = None

    def close(self) -> None:
        self.values = None


class SlabRows:
    """Hands out rows of `inner`, and keeps as many unpacked as `steps` says (array to rows).

    h5py's own choice of chunks for 300,000 cutouts of 152 pixels has 4,688 rows in each: to
    unpack a unit alone would unpack all of them, every time.
    """

    def __init__(self, inner: Rows, key: Hashable, steps: Mapping[str, int]) -> None:
        self._inner, self._key, self._steps = inner, key, steps

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        if name not in self._steps:
            return self._inner.rows(name, start, stop)
        step = self._steps[name]
        parts = []
        with going_on((self._key, name), _Slab) as slab:
            while start < stop:
                first = start - start % step
                if slab.values is None or slab.start != first:
                    slab.values = None  # before the next one is read: both would be too much
                    slab.values = self._inner.rows(name, first, first + step)
                    slab.start = first
                end = min(stop, first + step)
                parts.append(slab.values[start - first : end - first])
                start = end
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def slab_rows(info: ArrayInfo) -> int:
    """Rows to keep unpacked; 0 where a unit can end with a chunk."""
    if info.chunk_rows <= 1 or info.chunk_rows * info.row_bytes <= LARGEST_UNIT_BYTES:
        return 0
    return max(1, min(info.chunk_rows, SLAB_BYTES // max(1, info.row_bytes)))
