"""Noise of a spectrum that comes without errors."""

from __future__ import annotations

import numpy as np


def estimated_ivar(flux: np.ndarray) -> np.ndarray:
    """One inverse variance for a whole spectrum, from the scatter of its pixels.

    DER_SNR (Stoehr et al. 2008, ASP Conf. 394, 505): sigma = 1.482602 / sqrt(6) times the median
    of |2 f_i - f_(i-2) - f_(i+2)|, which smooth slopes and lines wider than a few pixels leave
    alone. A spectrum without any scatter (a model) gets a
    thousandth of its median flux for sigma, or a millionth of its largest.
    """
    good = flux[np.isfinite(flux)].astype(np.float64)
    largest = float(np.abs(good).max()) if len(good) else 0.0
    sigma = 0.0
    if len(good) > 4:
        with np.errstate(over="ignore", invalid="ignore"):
            second = 2 * good[2:-2] - good[:-4] - good[4:]
            sigma = float(1.482602 / np.sqrt(6) * np.median(np.abs(second)))
    if not (np.isfinite(sigma) and sigma > 1e-12 * largest):
        sigma = max(1e-3 * float(np.median(np.abs(good))), 1e-6 * largest) if largest else 1.0
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        return np.where(np.isfinite(flux), np.float64(sigma) ** -2, 0.0)
