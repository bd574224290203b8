"""Smoothing that stands pixels without a value."""

from __future__ import annotations

import numpy as np


def gaussian_smoothed(picture: np.ndarray, sigma_px: float) -> np.ndarray:
    """Smooth (y, x) by a Gaussian; NaN are filled from their neighbours, as weights of zero.

    Pixels beyond four sigma from any finite one stay NaN. Infinite pixels count as NaN.
    """
    from scipy.ndimage import gaussian_filter

    values = np.asarray(picture, dtype=np.float64)
    if sigma_px <= 0:
        return values
    good = np.isfinite(values)
    if good.all():
        return np.asarray(gaussian_filter(values, sigma_px, mode="nearest"))
    weight = gaussian_filter(good.astype(np.float64), sigma_px, mode="nearest")
    total = gaussian_filter(np.where(good, values, 0.0), sigma_px, mode="nearest")
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-9)


def brightest(values: np.ndarray) -> tuple[int, int]:
    """(y, x) of the brightest pixel of the middle half, smoothed; the middle if there is none."""
    height, width = values.shape
    top, left = height // 4, width // 4
    middle = values[top : height - top, left : width - left]
    smooth = gaussian_smoothed(middle, 1.0)
    if not np.isfinite(smooth).any() or np.nanmax(smooth) == np.nanmin(smooth):
        return height // 2, width // 2
    y, x = np.unravel_index(int(np.nanargmax(smooth)), smooth.shape)
    return top + int(y), left + int(x)
