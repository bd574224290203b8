"""What the principal components leave unexplained (Jackson & Mudholkar 1979)."""

from __future__ import annotations

import numpy as np

from core.discovery.detecting import Scorer, register_fitted_detector, sample_rows

EXPLAINED = 0.9
"""Share of the variance that the components kept explain."""

FIT_ROWS = 20_000


@register_fitted_detector(
    "reconstruction", description="odd is what the survey's main components do not rebuild"
)
def reconstruction(values: np.ndarray, seed: int) -> Scorer:
    """Score = |x - its reconstruction| from the fewest principal components that explain nine
    tenths of the variance of a sample of 20,000 rows; one direction at least is left out."""
    sample = values[sample_rows(len(values), FIT_ROWS, seed)].astype(np.float64)
    centre = sample.mean(axis=0)
    spread, axes = np.linalg.eigh((sample - centre).T @ (sample - centre))
    explained = np.cumsum(spread[::-1]) / max(float(spread.sum()), 1e-30)
    n_kept = min(int((explained < EXPLAINED).sum()) + 1, len(spread) - 1)
    # The components left out, rather than those kept: what is odd is their sum of squares.
    left = axes[:, : len(spread) - n_kept]

    def scorer(rows: np.ndarray, own: np.ndarray) -> np.ndarray:  # noqa: ARG001
        off = (rows - centre) @ left
        return np.sqrt(np.einsum("ij,ij->i", off, off)).astype(np.float32)

    return scorer
