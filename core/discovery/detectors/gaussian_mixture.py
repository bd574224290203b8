"""Density by a mixture of Gaussians (Dempster, Laird & Rubin 1977)."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from core.discovery.detecting import Scorer, register_fitted_detector, sample_rows

N_GROUPS = 8

ROWS_A_GROUP = 50
"""Fewer rows get fewer groups, or a group would sit on each odd one."""

LEAST_GROUP = 25

COMPONENTS = 16
"""Principal components of the columns: a full covariance of more is mostly noise and time. What
they leave out is what `reconstruction` looks at."""

FIT_ROWS = 20_000

_FLOOR = 1e-3
"""Added to every variance of the standardised columns."""


@register_fitted_detector(
    "gaussian_mixture", description="odd is what no group of a Gaussian mixture explains"
)
def gaussian_mixture(values: np.ndarray, seed: int) -> Scorer:
    """Score = -ln density, by up to 8 Gaussians of full covariance on the first 16 principal
    components, fitted to a sample of 20,000 rows; groups of fewer than 25 of them are no part of
    what is usual."""
    sample = values[sample_rows(len(values), FIT_ROWS, seed)].astype(np.float64)
    if len(sample) < 2:
        return lambda rows, own: np.zeros(len(rows), dtype=np.float32)  # noqa: ARG005
    centre = sample.mean(axis=0)
    _, axes = np.linalg.eigh((sample - centre).T @ (sample - centre))
    axes = axes[:, ::-1][:, :COMPONENTS]
    mixture = GaussianMixture(
        int(np.clip(len(sample) // ROWS_A_GROUP, 1, N_GROUPS)),
        reg_covar=_FLOOR,
        init_params="k-means++",
        max_iter=100,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The likelihood creeps on long after the densities have settled.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit((sample - centre) @ axes)
    _forget_small_groups(mixture, len(sample))

    def scorer(rows: np.ndarray, own: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return -mixture.score_samples((rows - centre) @ axes).astype(np.float32)

    return scorer


def _forget_small_groups(mixture: GaussianMixture, n_rows: int) -> None:
    """A Gaussian that settled on a few odd rows would call them usual."""
    large = mixture.weights_ * n_rows >= min(LEAST_GROUP, n_rows / 2)
    large[mixture.weights_.argmax()] = True
    mixture.weights_ = mixture.weights_[large] / mixture.weights_[large].sum()
    mixture.means_ = mixture.means_[large]
    mixture.precisions_cholesky_ = mixture.precisions_cholesky_[large]
