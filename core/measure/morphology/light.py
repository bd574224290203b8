"""How an object's light is spread over its pixels: Gini, M20, moments.

Definitions: Lotz, Primack & Madau 2004, AJ 128, 163.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.measure.morphology.quantities import Bools, Floats
from core.measure.morphology.region import Pixels

FEWEST_PIXELS = 8
"""Of a region whose moments say something."""

MOMENTS = ("ellipticity", "angle", "semi_major", "skewness", "kurtosis")
"""What `moments` gives."""


def gini(light: Floats, real: Bools) -> NDArray[np.float64]:
    """(B,) Gini coefficient of the absolute values of (B, M); NaN for fewer than two pixels."""
    n = real.sum(axis=1)
    ordered = np.sort(np.where(real, np.abs(light), np.inf), axis=1)
    ordered[~np.isfinite(ordered)] = 0
    rank = np.arange(1, light.shape[1] + 1, dtype=np.float64)
    total = ordered.sum(axis=1, dtype=np.float64)
    weighed = ordered @ rank * 2 - (n + 1) * total
    there = (n > 1) & (total > 0)
    return np.where(there, weighed / np.where(there, total * (n - 1), 1), np.nan)


def m20(light: Floats, pixels: Pixels, real: Bools) -> NDArray[np.float64]:
    """(B,) log10 of the second moment of the brightest 20% of the light over that of all.

    About the centroid, where the moment of all is least. Pixels below the sky count as they are
    in the moment of all.
    """
    kept = np.where(real, light, 0).astype(np.float64)
    total = kept.sum(axis=1)
    safe = np.where(total > 0, total, 1)[:, None]
    y = pixels.y - (kept * pixels.y).sum(axis=1)[:, None] / safe
    x = pixels.x - (kept * pixels.x).sum(axis=1)[:, None] / safe
    moment = kept * (y**2 + x**2)
    falling = -np.sort(-np.where(real, light, -np.inf), axis=1)
    falling[~np.isfinite(falling)] = 0
    sums = np.cumsum(falling, axis=1, dtype=np.float64)
    enough = sums >= 0.2 * total[:, None]
    at = np.argmax(enough, axis=1)
    rows = np.arange(len(kept))
    level = falling[rows, at]
    # The pixel that completes the 20% is left out, as in statmorph: it would say too much of
    # an object of few pixels.
    brightest = np.where(real & (light > level[:, None]), moment, 0).sum(axis=1)
    last = np.where(real & (light == level[:, None]), moment, 0).sum(axis=1)
    brightest = np.where(brightest > 0, brightest, last)
    whole = moment.sum(axis=1)
    there = (total > 0) & (whole > 0) & (brightest > 0) & (real.sum(axis=1) >= FEWEST_PIXELS)
    return np.where(
        there, np.log10(np.where(there, brightest, 1) / np.where(there, whole, 1)), np.nan
    )


def moments(light: Floats, pixels: Pixels) -> dict[str, NDArray[np.float64]]:
    """Second, third and fourth moments of light (B, M) that is not negative; each (B,).

    ellipticity, angle (degrees from x towards y, 0 to 180), semi_major (px), skewness (length of
    the vector <r^2 (x, y)> over <r^2>^1.5), kurtosis (<r^4> / <r^2>^2); NaN for a region of few
    pixels.
    """
    kept = light.astype(np.float64)
    total = kept.sum(axis=1)
    there = (total > 0) & (pixels.real.sum(axis=1) >= FEWEST_PIXELS)
    kept /= np.where(there, total, 1)[:, None]
    y = pixels.y - (kept * pixels.y).sum(axis=1)[:, None]
    x = pixels.x - (kept * pixels.x).sum(axis=1)[:, None]
    yy, xx = (kept * y**2).sum(axis=1), (kept * x**2).sum(axis=1)
    yx = (kept * y * x).sum(axis=1)
    r2 = y**2 + x**2
    middle, apart = (yy + xx) / 2, np.hypot((xx - yy) / 2, yx)
    major, minor = middle + apart, np.maximum(middle - apart, 0)
    third = np.hypot((kept * r2 * y).sum(axis=1), (kept * r2 * x).sum(axis=1))
    there &= minor > 0
    size = np.where(there, yy + xx, 1)
    found = {
        "ellipticity": 1 - np.sqrt(minor / np.where(there, major, 1)),
        "angle": np.degrees(0.5 * np.arctan2(2 * yx, xx - yy)) % 180,
        "semi_major": np.sqrt(major),
        "skewness": third / size**1.5,
        "kurtosis": (kept * r2**2).sum(axis=1) / size**2,
    }
    return {name: np.where(there, values, np.nan) for name, values in found.items()}
