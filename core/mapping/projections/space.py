"""The numbers of an embedding as projections work with them."""

from __future__ import annotations

import numpy as np

from core.mapping.pca import principal_axes

__all__ = ["LEADING", "Space"]

LEADING = 100
"""Principal components that neighbours are looked for in, where an embedding has more numbers."""
_SAMPLE = 10_000
_CHUNK = 50_000
_FARTHEST = 1e4
"""In median distances from the middle: beyond, single precision would lose everything else."""


class Space:
    """An embedding about its middle, in units of the median distance from it: neither changes a
    map, and huge numbers and columns with an offset lose no digits.

    values: (N, D), may be memory-mapped float16. rows: (M,) of those that are finite, by which
    middle, unit and axes are found. leading: reduce to the 100 leading principal components.
    """

    def __init__(self, values: np.ndarray, rows: np.ndarray, *, leading: bool = True) -> None:
        self._values = values
        step = -(-len(rows) // _SAMPLE) or 1
        some = np.asarray(values[rows[::step]], np.float64)
        self._middle = np.median(some, axis=0)
        lengths = np.linalg.norm(some - self._middle, axis=1)
        # More than half are copies of one: then the others say how long things are.
        typical = float(np.median(lengths)) or float(lengths.max())
        self.unit = typical if np.isfinite(typical) and typical > 0 else 1.0
        self._axes: np.ndarray | None = None
        if leading and values.shape[1] > LEADING:
            scatter = np.zeros((values.shape[1],) * 2)
            mean = self._scaled(rows[::step]).mean(axis=0)
            for start in range(0, len(rows), _CHUNK):
                part = self._scaled(rows[start : start + _CHUNK]) - mean
                scatter += part.T @ part
            self._axes = principal_axes(scatter)[:, :LEADING]

    def of(self, rows: np.ndarray) -> np.ndarray:
        """(B, D or 100) float32 of some rows."""
        width = self._values.shape[1] if self._axes is None else LEADING
        out = np.empty((len(rows), width), np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = self._scaled(rows[start : start + _CHUNK])
            out[start : start + _CHUNK] = part if self._axes is None else part @ self._axes
        return out

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        part = (np.asarray(self._values[rows], np.float64) - self._middle) / self.unit
        return np.clip(part, -_FARTHEST, _FARTHEST, out=part)
