"""Whether objects keep their neighbours: in another view of them, in another embedding."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.metrics.representation.tables import alike, finite_table, unit_rows

NEIGHBOURS = 10
_BLOCK = 1024

_TIE = 1e-12
"""Cosines that differ by less are equal but for rounding."""


def neighbour_consistency(a: np.ndarray, b: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Share of an object's `k` nearest that stay so when another view of it is looked up.

    a, b : (N, D), row i of both a view of the same object. Looked up among `a`, the object itself
    left out; nearest by angle, as neighbours are everywhere in the app. By chance k / (N - 1),
    which is also what rows that are all the same give: which of equally near objects are the
    nearest is chance, in each view by itself.
    """
    first, second = alike(a, b)
    gallery = unit_rows(first)
    return _shared(gallery, gallery, unit_rows(second), gallery, _checked_k(len(first), k))


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

    a : (N, D), b : (N, E), row i of both the same object. By chance k / (N - 1), and ties count
    as chance.
    """
    first, second = unit_rows(finite_table(a, 2)), unit_rows(finite_table(b, 2))
    if len(first) != len(second):
        raise BadInput(
            f"Two embeddings of the same objects have as many rows, but came {len(first)} and"
            f" {len(second)}; choose the rows that both have."
        )
    return _shared(first, first, second, second, _checked_k(len(first), k))


def _checked_k(n: int, k: int) -> int:
    if not 1 <= k < n:
        raise BadInput(
            f"The number of neighbours is 1 to {n - 1} (the other objects), but is {k}; change it."
        )
    return k


def _shared(
    first: np.ndarray, gallery: np.ndarray, second: np.ndarray, other: np.ndarray, k: int
) -> float:
    """Mean share of the k nearest that both lookups of a row find, row i left out for query i.

    first, second : (N, D), (N, E) queries, looked up in `gallery` and `other`; rows of length 1.
    Of ties about the last place each is taken with the same chance: the value is the expected one.
    """
    total = 0.0
    for start in range(0, len(first), _BLOCK):
        chances = [
            _chances(queries[start : start + _BLOCK] @ among.T, start, k)
            for queries, among in ((first, gallery), (second, other))
        ]
        total += float((chances[0] * chances[1]).sum())
    return total / (k * len(first))


def _chances(cosine: np.ndarray, start: int, k: int) -> np.ndarray:
    """(B, N) chance of each row to be among the k nearest of queries start, start + 1, ..."""
    at = np.arange(len(cosine))
    cosine[at, start + at] = -np.inf
    last = np.partition(cosine, -k, axis=1)[:, -k, None]
    nearer = cosine > last + _TIE
    tied = (cosine >= last - _TIE) & ~nearer
    open_places = k - nearer.sum(1, keepdims=True)
    out: np.ndarray = nearer + tied * (open_places / tied.sum(1, keepdims=True))
    return out
