"""Objects that a map was not made of, placed by their neighbours in the embedding."""

from __future__ import annotations

import numpy as np

from core.mapping.projections.neighbour_graph import Nearby

__all__ = ["NEIGHBOURS", "Placer"]

NEIGHBOURS = 10


class Placer:
    """Says where new objects belong among those that have a place.

    Each lies at the mean, weighed by 1 / distance (Shepard 1968), of those of its 10 nearest that
    lie together on the map: the half of them about their medoid, the neighbour with the least
    weighed distance to the others. The mean of all would put an object whose neighbours are on
    two islands into the sea between. A copy of a known object lies on it.

    known: (M, D) float32; places: (M, 2) finite.
    """

    def __init__(self, known: np.ndarray, places: np.ndarray) -> None:
        self._nearby = Nearby(known)
        self._places = np.asarray(places, np.float64)

    def place(self, values: np.ndarray) -> np.ndarray:
        """(Q, 2) float32: the places of objects with (Q, D) values; a few 10,000 at a time."""
        gaps, rows = self._nearby.search(values, min(NEIGHBOURS, len(self._places)))
        return _together(self._places[rows], gaps.astype(np.float64)).astype(np.float32)


def _together(places: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """(B, 2): see `Placer`. places: (B, k, 2); gaps: (B, k), rising."""
    nearest = np.maximum(gaps[:, :1], 1e-12)
    weights = nearest / np.maximum(gaps, 1e-9 * nearest)
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    medoid = np.einsum("bij,bj->bi", apart, weights).argmin(axis=1)
    from_it = apart[np.arange(len(places)), medoid]
    weights *= from_it <= np.median(from_it, axis=1, keepdims=True)
    mean: np.ndarray = np.einsum("bi,bid->bd", weights, places) / weights.sum(axis=1)[:, None]
    return mean
