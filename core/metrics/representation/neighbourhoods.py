"""Whether objects keep their neighbours: in another view of them, in another embedding."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.metrics.representation.tables import alike, finite_table, unit_rows

NEIGHBOURS = 10
_BLOCK = 1024


def neighbour_consistency(a: np.ndarray, b: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Share of an object's `k` nearest that stay so when another view of it is looked up.

    a, b : (N, D), row i of both a view of the same object. Looked up among `a`, the object itself
    left out; nearest by angle, as neighbours are everywhere in the app. By chance k / (N - 1).
    """
    first, second = alike(a, b)
    gallery = unit_rows(first)
    kept = _checked_k(len(first), k)
    return _shared(_nearest(gallery, gallery, kept), _nearest(unit_rows(second), gallery, kept))


def view_retrieval(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the objects whose view in `b` is nearer (by angle) to their own view in `a` than to
    that of any other object. a, b : (N, D), row i of both the same object."""
    first, second = alike(a, b)
    gallery, queries = unit_rows(first), unit_rows(second)
    right = 0
    for start in range(0, len(queries), _BLOCK):
        cosine = queries[start : start + _BLOCK] @ gallery.T
        rows = np.arange(start, start + len(cosine))
        right += int((cosine.argmax(1) == rows).sum())
    return right / len(queries)


def neighbour_overlap(a: np.ndarray, b: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Share of the `k` nearest (by angle) that two embeddings of the same objects agree on.

    a : (N, D), b : (N, E), row i of both the same object. By chance k / (N - 1).
    """
    first, second = unit_rows(finite_table(a, 2)), unit_rows(finite_table(b, 2))
    if len(first) != len(second):
        raise BadInput(
            f"Two embeddings of the same objects have as many rows, but came {len(first)} and"
            f" {len(second)}; choose the rows that both have."
        )
    kept = _checked_k(len(first), k)
    return _shared(_nearest(first, first, kept), _nearest(second, second, kept))


def _checked_k(n: int, k: int) -> int:
    if not 1 <= k < n:
        raise BadInput(
            f"The number of neighbours is 1 to {n - 1} (the other objects), but is {k}; change it."
        )
    return k


def _nearest(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """(N, k) rows of the gallery nearest to each query i, without row i."""
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), _BLOCK):
        cosine = queries[start : start + _BLOCK] @ gallery.T
        at = np.arange(len(cosine))
        cosine[at, start + at] = -np.inf
        found[start : start + len(cosine)] = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
    return found


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """Mean share of the entries of the rows of `a` (N, k) that are in the same row of `b`."""
    return float((a[:, :, None] == b[:, None, :]).any(2).mean())
