"""Local outlier factor (Breunig, Kriegel, Ng & Sander 2000)."""

from __future__ import annotations

import numpy as np

from core.discovery.detecting import (
    CHUNK,
    SampleNeighbours,
    Scorer,
    register_fitted_detector,
    sample_rows,
)

N_NEIGHBOURS = 20

FIT_ROWS = 10_000

_LEAST_REACH = 1e-3
"""Of the median distance to the last neighbour. Copies are dense, not infinitely so, or all that
lie near them would be infinitely odd."""


@register_fitted_detector("lof", description="odd is what lies thinner than its neighbours do")
def lof(values: np.ndarray, seed: int) -> Scorer:
    """Score = mean density of its 20 neighbours / its own density, both among a sample of 10,000
    rows; about 1 inside a group of any density.

    Density is the inverse of the mean reach distance, reach(a, b) = max(d(a, b), distance of b to
    its own last neighbour).
    """
    rows = sample_rows(len(values), FIT_ROWS, seed)
    found = SampleNeighbours(values, rows)
    k = min(N_NEIGHBOURS, len(found) - 1)
    if k < 1:
        return lambda queries, own: np.zeros(len(queries), dtype=np.float32)  # noqa: ARG005
    places, distances = _all_neighbours(found, values, rows, k)
    last = distances[:, -1]
    floor = max(_LEAST_REACH * float(np.median(last)), 1e-10)

    def density(near: np.ndarray, distance: np.ndarray) -> np.ndarray:
        return 1 / np.maximum(np.maximum(distance, last[near]).mean(axis=1), floor)

    densities = density(places, distances)

    def scorer(queries: np.ndarray, own: np.ndarray) -> np.ndarray:
        near, distance = found.search(queries, own, k)
        return (densities[near].mean(axis=1) / density(near, distance)).astype(np.float32)

    return scorer


def _all_neighbours(
    found: SampleNeighbours, values: np.ndarray, rows: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    pairs = [found.search(values[part], part, k) for part in parts]
    return np.concatenate([p for p, _ in pairs]), np.concatenate([d for _, d in pairs])
