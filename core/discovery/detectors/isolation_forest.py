"""Isolation forest (Liu, Ting & Zhou 2008): odd is what few random cuts set apart."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from core.discovery.detecting import Scorer, register_fitted_detector, sample_rows

N_TREES = 200
"""As in Astronomaly (Lochner & Bassett 2021, arXiv 2010.11202)."""

_FIT_ROWS = 20_000
"""A tree sees 256 rows, so that more than this to choose them from changes nothing but time."""


@register_fitted_detector("isolation_forest", description="odd is what few random cuts set apart")
def isolation_forest(values: np.ndarray, seed: int) -> Scorer:
    """Score = 2^(-mean path length / expected path length), in (0, 1)."""
    sample = values[sample_rows(len(values), _FIT_ROWS, seed)]
    forest = IsolationForest(
        n_estimators=N_TREES, max_samples=min(256, len(sample)), random_state=seed, n_jobs=2
    )
    forest.fit(sample)

    def scorer(rows: np.ndarray, own: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return -forest.score_samples(rows).astype(np.float32)

    return scorer
