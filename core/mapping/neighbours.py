"""Exact nearest neighbours by the angle between embeddings (faiss, Flat)."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput, NotFound
from core.mapping.pca import unmasked


class NeighbourIndex:
    """The seen rows of an embedding, searchable for the most similar ones.

    Distances are cosine: 1 - cos of the angle, 0 (same direction) to 2 (opposite). A row of
    zeros has distance 1 to every other.

    Parameters
    ----------
    values : (N, D)
    mask : (N,) bool, False where the encoder had nothing to see; such rows are never found
    """

    def __init__(self, values: np.ndarray, mask: np.ndarray) -> None:
        import faiss

        self._values, self._seen = unmasked(values, mask)
        self._rows = np.flatnonzero(self._seen)
        self._index = faiss.IndexFlatIP(self._values.shape[1])
        if len(self._rows):
            self._index.add(_unit(self._values[self._rows]))

    def query(self, rows_or_vectors: int | np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The `k` nearest of each query.

        rows_or_vectors: rows of the survey, an int or (Q,) int, which are not among their own
        neighbours; or (Q, D) float vectors.

        Returns (Q, k) int rows and (Q, k) float32 distances, nearest first; where there are
        fewer than k, rows are -1 and distances NaN.

        Raises
        ------
        NotFound
            A row that the survey does not have.
        BadInput
            An unseen row, vectors of another length or not finite, k below 1.
        """
        if k < 1:
            raise BadInput(f"The number of neighbours is at least 1, but is {k}.")
        given = np.asarray(rows_or_vectors)
        if given.dtype.kind in "iu" and given.ndim <= 1:
            own = np.atleast_1d(given).astype(np.int64)
            vectors = self._values[self._checked(own)]
        else:
            own, vectors = None, given
        if (
            vectors.ndim != 2
            or vectors.shape[1] != self._values.shape[1]
            or not np.isfinite(vectors).all()
        ):
            raise BadInput(
                f"A query is rows, or finite vectors (Q, {self._values.shape[1]}), but has shape"
                f" {vectors.shape}."
            )
        rows = np.full((len(vectors), k), -1, dtype=np.int64)
        distances = np.full((len(vectors), k), np.nan, dtype=np.float32)
        wanted = min(k + (own is not None), len(self._rows))
        if wanted == 0 or not len(vectors):
            return rows, distances
        similarity, position = self._index.search(_unit(vectors), wanted)
        found = self._rows[position]
        if own is not None:
            # Itself, or, should copies of it have filled the list, the last one.
            drop = found == own[:, None]
            drop[~drop.any(axis=1), -1] = True
            shape = (len(vectors), wanted - 1)
            found, similarity = found[~drop].reshape(shape), similarity[~drop].reshape(shape)
        rows[:, : found.shape[1]] = found
        distances[:, : found.shape[1]] = np.clip(1 - similarity, 0, 2)
        return rows, distances

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        wrong = rows[(rows < 0) | (rows >= len(self._values))]
        if len(wrong):
            raise NotFound(
                f"The rows of this survey are 0 to {len(self._values) - 1}, but {wrong[0]} was"
                " asked for."
            )
        blind = rows[~self._seen[rows]]
        if len(blind):
            raise BadInput(
                f"Row {blind[0]} has no embedding (the encoder had nothing to see), so that"
                " nothing can be said to be like it; choose another object."
            )
        return rows


def nearest(
    values: np.ndarray, mask: np.ndarray, query_rows: int | np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """`NeighbourIndex(values, mask).query(query_rows, k)` for a single use."""
    return NeighbourIndex(values, mask).query(query_rows, k)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
