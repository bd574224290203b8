"""Nuclei of many objects at once: peaks of the difference of two smoothings.

For one object, with positions to a fraction of a pixel and fluxes of blends, see
`core.measure.nuclei`; this is its quick sister, which counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.measure.morphology.quantities import Bools, Floats

PEAK_SIGMA = 5.0
LEAST_SHARE = 0.05
"""Of the first peak's height: below it the noise of a bright core looks like nuclei."""


@dataclass(frozen=True)
class Peaks:
    """The brightest two peaks of each object; each (B,).

    Attributes
    ----------
    count
        Peaks in all.
    y, x
        Place of the first; NaN without one.
    separation
        Of the two, in pixels; NaN without a second.
    ratio
        Height of the second over the first; NaN without a second.
    """

    count: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    separation: NDArray[np.float64]
    ratio: NDArray[np.float64]


def noise_left(fine_px: float, coarse_px: float) -> float:
    """White noise of 1 a pixel after subtracting the coarse smoothing from the fine one."""
    a, b = fine_px**2, coarse_px**2
    return float(np.sqrt((1 / a + 1 / b - 4 / (a + b)) / (4 * np.pi)))


def find_peaks(fine: Floats, coarse: Floats, inside: Bools, noise: Floats) -> Peaks:
    """Peaks of `fine` - `coarse` (B, y, x) inside regions, above 5 of their noise (B,)."""
    sharp = fine - coarse
    count, height, width = sharp.shape
    none = np.full(count, np.nan)
    if min(height, width) < 3:
        return Peaks(np.zeros(count, np.int64), none, none, none, none)
    core = sharp[:, 1:-1, 1:-1]
    tallest = np.where(inside, sharp, 0).max(axis=(1, 2))
    least = np.maximum(PEAK_SIGMA * noise, LEAST_SHARE * tallest)
    peak = (core > least[:, None, None]) & inside[:, 1:-1, 1:-1]
    for dy in range(3):
        for dx in range(3):
            if (dy, dx) != (1, 1):
                beside = sharp[:, dy : dy + height - 2, dx : dx + width - 2]
                # Of two equal neighbours one is the peak.
                peak &= core > beside if (dy, dx) < (1, 1) else core >= beside
    which, y, x = np.nonzero(peak)
    y, x = y + 1, x + 1
    tall = sharp[which, y, x].astype(np.float64)
    order = np.lexsort((-tall, which))
    which, y, x, tall = which[order], y[order], x[order], tall[order]
    down = _vertex(sharp[which, y - 1, x], tall, sharp[which, y + 1, x])
    across = _vertex(sharp[which, y, x - 1], tall, sharp[which, y, x + 1])
    # A peak between pixels is taller than its highest one.
    rise_y = 0.25 * (sharp[which, y + 1, x] - sharp[which, y - 1, x]) * down
    rise_x = 0.25 * (sharp[which, y, x + 1] - sharp[which, y, x - 1]) * across
    tall = tall + rise_y + rise_x
    at_y, at_x = y + down, x + across
    n = np.bincount(which, minlength=count)
    first = np.cumsum(n) - n
    some, two = n > 0, n > 1
    one = np.where(some, first, 0)
    other = np.where(two, first + 1, 0)
    if not len(which):
        return Peaks(n, none, none, none, none)
    apart = np.hypot(at_y[other] - at_y[one], at_x[other] - at_x[one])
    return Peaks(
        n,
        np.where(some, at_y[one], np.nan),
        np.where(some, at_x[one], np.nan),
        np.where(two, apart, np.nan),
        np.where(two, np.minimum(tall[other] / tall[one], 1.0), np.nan),
    )


def _vertex(
    left: NDArray[np.floating], middle: NDArray[np.floating], right: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Where the parabola through three values has its top, from -0.5 to 0.5."""
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    return np.asarray(np.clip(0.5 * (left - right) / bend, -0.5, 0.5), np.float64)
