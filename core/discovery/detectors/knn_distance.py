"""Distance to the nearest neighbours (Ramaswamy, Rastogi & Shim 2000; Angiulli & Pizzuti 2002)."""

from __future__ import annotations

import numpy as np

from core.discovery.detecting import (
    SampleNeighbours,
    Scorer,
    register_fitted_detector,
    sample_rows,
)

N_NEIGHBOURS = 10

FIT_ROWS = 10_000
"""Neighbours are sought among so many rows: distances grow all alike, and a million rows are
scored in seconds instead of hours."""


@register_fitted_detector("knn_distance", description="odd is what lies far from its neighbours")
def knn_distance(values: np.ndarray, seed: int) -> Scorer:
    """Score = mean distance to the 10 nearest others of a sample of 10,000 rows."""
    found = SampleNeighbours(values, sample_rows(len(values), FIT_ROWS, seed))
    k = min(N_NEIGHBOURS, len(found) - 1)

    def scorer(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
        if k < 1:
            return np.zeros(len(rows), dtype=np.float32)
        return found.search(rows, own, k)[1].mean(axis=1)

    return scorer
