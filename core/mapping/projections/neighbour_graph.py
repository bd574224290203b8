"""The nearest neighbours of every object, which most projections start from."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Nearby", "neighbour_graph"]

EXACT_ROWS = 50_000
"""Up to so many the exact search is as quick as making cells for a quicker one."""
_PROBED = 16
"""Cells looked into, of about sqrt(M)."""
_TRAINED_ON = 64
"""Rows a cell that its centres are found with."""


class Nearby:
    """Looks for the nearest of (M, D) float32 rows by straight distance.

    Above 50,000 rows it goes through cells (faiss' inverted file) and misses a few of a hundred.
    """

    def __init__(self, among: np.ndarray) -> None:
        import faiss

        self._among = np.ascontiguousarray(among, np.float32)
        self._index: Any = faiss.IndexFlatL2(among.shape[1])
        if len(among) > EXACT_ROWS:
            count = round(np.sqrt(len(among)))
            self._index = faiss.IndexIVFFlat(self._index, among.shape[1], count)
            self._index.nprobe = _PROBED
            self._index.cp.max_points_per_centroid = _TRAINED_ON
            self._index.train(self._among)
        self._index.add(self._among)

    def search(self, wanted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(Q, k) float32 distances and (Q, k) int64 rows of the `k` <= M nearest of (Q, D)."""
        import faiss

        wanted = np.ascontiguousarray(wanted, np.float32)
        squares, rows = self._index.search(wanted, k)
        lacking = np.flatnonzero((rows < 0).any(axis=1))
        if len(lacking):  # too few rows in their cells: looked up everywhere
            squares[lacking], rows[lacking] = faiss.knn(wanted[lacking], self._among, k)
        return np.sqrt(np.maximum(squares, 0)), rows


def neighbour_graph(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, k) int32 rows and (M, k) float32 straight distances of the `k` < M nearest others of
    each of (M, D) rows."""
    gaps, found = Nearby(values).search(values, k + 1)
    # Itself, or, should copies of it have filled the list, the last one.
    drop = found == np.arange(len(values))[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = (len(values), k)
    return found[~drop].reshape(shape).astype(np.int32), gaps[~drop].reshape(shape)
