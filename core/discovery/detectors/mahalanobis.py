"""Mahalanobis distance, by a covariance that neither few rows nor outliers spoil."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import ledoit_wolf

from core.discovery.detecting import Scorer, register_fitted_detector, sample_rows

FIT_ROWS = 20_000

KEPT = 0.9
"""Share of the rows behind the covariance: up to a tenth may be strange without being taken for
usual."""

STEPS = 3


@register_fitted_detector(
    "mahalanobis", description="odd is what lies far out along directions of little spread"
)
def mahalanobis(values: np.ndarray, seed: int) -> Scorer:
    """Score = sqrt((x - m)' S^-1 (x - m)), m and S of a sample of 20,000 rows.

    S is Ledoit & Wolf's (2004), shrunk towards a sphere as far as the number of rows asks, so
    that more columns than rows are no trouble. Three times the nine tenths of smallest distance
    are taken for the next m and S: the concentration steps of Rousseeuw & Van Driessen (1999),
    started from all rows.
    """
    sample = values[sample_rows(len(values), FIT_ROWS, seed)].astype(np.float64)
    kept = sample
    for step in range(STEPS + 1):
        centre, root = _centre_and_root(kept)
        if step < STEPS:
            squared = (((sample - centre) @ root) ** 2).sum(axis=1)
            nearest = np.argsort(squared, kind="stable")[: max(2, int(KEPT * len(sample)))]
            kept = sample[np.sort(nearest)]

    def scorer(rows: np.ndarray, own: np.ndarray) -> np.ndarray:  # noqa: ARG001
        off = (rows - centre) @ root
        return np.sqrt(np.einsum("ij,ij->i", off, off)).astype(np.float32)

    return scorer


def _centre_and_root(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D,) mean and (D, D) R with R R' = S^-1; directions without any spread weigh nothing."""
    centre = rows.mean(axis=0)
    if len(rows) < 2:
        return centre, np.zeros((rows.shape[1], rows.shape[1]))
    covariance = ledoit_wolf(rows - centre, assume_centered=True)[0]
    spread, axes = np.linalg.eigh(covariance)
    usable = spread > 1e-9 * max(float(spread[-1]), 1e-30)
    return centre, axes * np.where(usable, 1 / np.sqrt(np.where(usable, spread, 1)), 0)
