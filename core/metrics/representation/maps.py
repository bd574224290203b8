"""How far a 2-D map of an embedding can be believed."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.metrics.representation.tables import finite_table, squared_distances

__all__ = ["MAP_NEIGHBOURS", "neighbours_kept", "trustworthiness"]

MAP_NEIGHBOURS = 15
_BLOCK = 512
_ROWS = 100_000


def trustworthiness(values: np.ndarray, places: np.ndarray, k: int = MAP_NEIGHBOURS) -> float:
    """How far those near each other on a map are so in the embedding: 1 all, about 0.5 by chance.

    Venna & Kaski (2001): 1 - 2 / (N k (2 N - 3 k - 1)) times the sum, over each object's `k`
    nearest on the map, of what their rank in the embedding exceeds `k` by.

    values: (N, D); places: (N, 2), row-aligned and finite; k below N / 2. Straight distances; N^2
    of them, so give a sample of a few thousand.
    """
    high, low = _both(values, places)
    n = len(high)
    if not 1 <= k < n / 2:
        raise BadInput(
            f"Trustworthiness looks at 1 to {(n - 1) // 2} neighbours of {n} objects, but at {k}"
            " was asked for; take fewer."
        )
    excess = 0
    for start in range(0, n, _BLOCK):
        part = slice(start, min(start + _BLOCK, n))
        own = np.arange(part.stop - start), np.arange(start, part.stop)
        on_map, apart = squared_distances(low[part], low), squared_distances(high[part], high)
        on_map[own] = apart[own] = np.inf
        near = np.argpartition(on_map, k - 1, axis=1)[:, :k]
        order = apart.argsort(axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(1, n + 1)[None], axis=1)
        excess += int(np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0).sum())
    return 1 - 2 * excess / (n * k * (2 * n - 3 * k - 1))


def neighbours_kept(
    values: np.ndarray,
    places: np.ndarray,
    rows: np.ndarray,
    k: int = MAP_NEIGHBOURS,
    *,
    among: np.ndarray | None = None,
) -> float:
    """Share of an object's `k` nearest in the embedding that are among its `k` nearest on the map.

    values: (N, D), may be memory-mapped; places: (N, 2); both row-aligned. among: (M,) ascending
    rows that are finite in both; all where left out. rows: (Q,) of these, the objects that are
    looked at, each beside all M. Straight distances. By chance k / (M - 1).
    """
    n = len(places) if among is None else len(among)
    if values.ndim != 2 or len(values) != len(places) or not 1 <= k < n or not len(rows):
        raise BadInput(
            f"Neighbours are compared of 1 or more objects, 1 to {n - 1} of each, but came"
            f" {len(rows)} objects of {len(values)} and {len(places)}, and k = {k}."
        )
    first, second = _nearest(values, rows, k, among), _nearest(places, rows, k, among)
    shared = [len(np.intersect1d(a, b)) for a, b in zip(first, second, strict=True)]
    return float(np.mean(shared)) / k


def _nearest(table: np.ndarray, rows: np.ndarray, k: int, among: np.ndarray | None) -> np.ndarray:
    """(Q, k) the nearest others of some rows, among those rows (None: all)."""
    import faiss

    wanted = np.ascontiguousarray(table[rows], np.float32)
    gaps: np.ndarray = np.empty((len(rows), 0), np.float32)
    found: np.ndarray = np.empty((len(rows), 0), np.int64)
    for start in range(0, len(table) if among is None else len(among), _ROWS):
        some = slice(start, start + _ROWS) if among is None else among[start : start + _ROWS]
        part = np.ascontiguousarray(table[some], np.float32)
        more, at = faiss.knn(wanted, part, min(k + 1, len(part)))
        at = at + start if among is None else among[start + at]
        more[at == np.asarray(rows)[:, None]] = np.inf
        gaps, found = np.hstack([gaps, more]), np.hstack([found, at])
        order = np.argsort(gaps, axis=1, kind="stable")[:, : k + 1]
        gaps = np.take_along_axis(gaps, order, axis=1)
        found = np.take_along_axis(found, order, axis=1)
    return found[:, :k]


def _both(values: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    high, low = finite_table(values, 3), finite_table(places, 3)
    if len(high) != len(low):
        raise BadInput(
            f"A map has a place for each object, but came {len(high)} objects and {len(low)}"
            " places; choose the rows that both have."
        )
    return high, low
