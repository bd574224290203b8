"""Who counts whom among the nearest: the neighbour graph of an embedding, read backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

_EXACT_ROWS = 20_000
"""Up to here every pair is compared; beyond, only rows of near cells (inverted file)."""

_PROBED = 16
_TRAINED_ON, _ROUNDS = 40, 10
"""Rows a cell that settle the cells, and rounds of k-means: faiss' own numbers take ten times as
long and find no more neighbours."""

_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class ReverseNeighbours:
    """For each row, the rows that have it among their k nearest.

    Attributes
    ----------
    start
        (N + 1,) int64: those of row i are `rows[start[i] : start[i + 1]]`, ascending.
    rows
        (E,) int32, E at most N k. A row is not its own neighbour.
    """

    start: np.ndarray
    rows: np.ndarray

    def count(self, rows: np.ndarray) -> np.ndarray:
        """(M,) int: how many rows have each of (M,) `rows` among theirs."""
        return np.asarray(self.start[rows + 1] - self.start[rows])

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(M,) int positions within `rows`, and (M,) int the rows that have it among theirs."""
        count = self.count(rows)
        which = np.repeat(np.arange(len(rows)), count)
        place = np.arange(len(which)) + (self.start[rows] - (np.cumsum(count) - count))[which]
        return which, self.rows[place]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(N,) float64: for each row, the sum of (N,) `values` over those that have it."""
        total = np.concatenate([[0.0], np.cumsum(values[self.rows])])
        return total[self.start[1:]] - total[self.start[:-1]]


def reverse_neighbours(values: np.ndarray, k: int) -> ReverseNeighbours:
    """The graph of the `k` nearest (Euclidean; all others where there are fewer).

    values: (N, D) float32, finite. Exact up to 20,000 rows; beyond, each row looks into the
    nearest 16 of 2 sqrt(N) cells (faiss' inverted file), which finds most of its nearest.
    Of copies beyond k it is left open which are among them.
    """
    nearest = _nearest(np.ascontiguousarray(values), min(k, len(values) - 1))
    n = len(values)
    ends = np.zeros(n + 1, dtype=np.int32 if nearest.size < 2**31 else np.int64)
    np.cumsum((nearest >= 0).sum(axis=1), out=ends[1:])
    found = nearest.ravel() if ends[-1] == nearest.size else nearest[nearest >= 0]
    # Read backwards by counting, as a sparse matrix is transposed: no array of 64-bit places.
    there = np.ones(len(found), dtype=np.int8)
    backwards = sparse.csr_array((there, found, ends), shape=(n, n)).tocsc()
    rows = backwards.indices.astype(np.int32, copy=False)
    return ReverseNeighbours(backwards.indptr.astype(np.int64), rows)


def _nearest(values: np.ndarray, k: int) -> np.ndarray:
    """(N, k) int32, in no order: the nearest rows of each; -1 where too few were found."""
    import faiss

    n, d = values.shape
    if k < 1:
        return np.empty((n, 0), dtype=np.int32)
    flat = faiss.IndexFlatL2(d)
    index: Any = flat
    if n > _EXACT_ROWS:
        cells = int(2 * np.sqrt(n))
        index = faiss.IndexIVFFlat(flat, d, cells)
        index.nprobe, index.cp.niter = _PROBED, _ROUNDS
        index.train(np.ascontiguousarray(values[:: max(1, n // (_TRAINED_ON * cells))]))
    index.add(values)
    nearest = np.empty((n, k), dtype=np.int32)
    for begin in range(0, n, _CHUNK):
        part = slice(begin, min(begin + _CHUNK, n))
        found = index.search(values[part], k + 1)[1]
        own = found == np.arange(part.start, part.stop)[:, None]
        own[~own.any(axis=1), -1] = True  # copies filled the list: the farthest goes instead
        nearest[part] = found[~own].reshape(-1, k)
    return nearest
