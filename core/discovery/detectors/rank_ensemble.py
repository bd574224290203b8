"""The mean of the ranks that several detectors give: none of them has to be right alone."""

from __future__ import annotations

import numpy as np

from core.discovery.detecting import (
    FITTED,
    Scorer,
    register_fitted_detector,
    sample_rows,
    score_in_chunks,
)

MEMBERS = ("isolation_forest", "knn_distance", "mahalanobis", "reconstruction")
"""Each of another kind: cuts, neighbours, one ellipsoid, what is left beside the main plane."""

FIT_ROWS = 20_000


@register_fitted_detector(
    "rank_ensemble", description="odd is what several detectors together rank high"
)
def rank_ensemble(values: np.ndarray, seed: int) -> Scorer:
    """Score = mean over the detectors of the share of the survey that ranks lower, ties counting
    half (the mean of ranks of Aggarwal & Sathe 2015); shares are those of a sample of 20,000
    rows."""
    rows = sample_rows(len(values), FIT_ROWS, seed)
    scorers = [FITTED[name](values, seed) for name in MEMBERS]
    known = [np.sort(score_in_chunks(scorer, values, rows)) for scorer in scorers]

    def score(queries: np.ndarray, own: np.ndarray) -> np.ndarray:
        shares = [
            share_below(scorer(queries, own), levels)
            for scorer, levels in zip(scorers, known, strict=True)
        ]
        return np.mean(shares, axis=0).astype(np.float32)

    return score


def share_below(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(Q,) share of `known` (ascending) below each score, equal ones counting half."""
    below = np.searchsorted(known, scores, "left") + np.searchsorted(known, scores, "right")
    return below / (2 * len(known))
