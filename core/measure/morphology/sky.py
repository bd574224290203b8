"""The sky of each picture, and pictures in units of its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.measure.morphology.quantities import Bools, Floats

_LARGEST = 1e7
"""Noises above the sky; brighter pixels are cut there, so that float32 holds their squares."""

_LEAST_NOISE = 1e-4
"""Of a picture without noise, as a share of its range."""

_STEP_OF_8_BITS = 0.5


@dataclass(frozen=True)
class Skyless:
    """Pictures over their sky.

    Attributes
    ----------
    z
        (B, band, y, x): sky subtracted, divided by the noise; 0 where there is no value.
    good
        (B, band, y, x): there is a value.
    sky, noise
        (B, band), in pixel units; NaN for a band without a value.
    varies
        (B, band): the band has more than one value.
    """

    z: Floats
    good: Bools
    sky: NDArray[np.float64]
    noise: NDArray[np.float64]
    varies: Bools


def without_sky(images: NDArray[Any], sky: Any = None, sigma: Any = None) -> Skyless:
    """Subtract the sky of (B, band, y, x) and divide by its noise.

    Where they are not given (a number, or one a band) the sky is the median of the outermost
    pixels and the noise 1.4826 times their median absolute deviation: sources that cover less
    than half of the border do little to either.
    """
    good = np.ones(images.shape, bool) if images.dtype.kind in "ui" else np.isfinite(images)
    planes = images.reshape(-1, *images.shape[2:])
    whole = bool(good.all())
    low, high = _range(images, good, whole)
    ring = planes[:, _border(*images.shape[2:])]
    there = good.reshape(planes.shape)[:, _border(*images.shape[2:])]
    level, spread = _middle_and_spread(ring, there)
    shape = images.shape[:2]
    level, spread = level.reshape(shape), spread.reshape(shape)
    # A border without a value says nothing; the darkest pixel is then the best guess.
    level = np.where(np.isfinite(level), level, low)
    if sky is not None:
        level = np.broadcast_to(np.asarray(sky, np.float64), shape)
    least = _LEAST_NOISE * (high - low)
    if images.dtype.kind in "ui":
        least = np.maximum(least, _STEP_OF_8_BITS)
    noise = np.maximum(np.where(np.isfinite(spread), spread, 0), least)
    if sigma is not None:
        given = np.broadcast_to(np.asarray(sigma, np.float64), shape)
        noise = np.where(np.isfinite(given) & (given > 0), given, noise)
    varies = high > low
    usable = np.where(varies & np.isfinite(level) & (noise > 0), noise, np.inf)
    level_used = np.where(np.isfinite(level), level, 0.0)
    if images.dtype.kind in "ui" or images.dtype == np.float32:
        z = images.astype(np.float32)
        if not whole:
            z[~good] = 0
        if _plain(level_used, usable):
            z -= level_used[..., None, None].astype(np.float32)
            z *= (1 / usable)[..., None, None].astype(np.float32)
        else:
            z = _exactly(z, level_used, usable)
    else:
        z = _exactly(np.where(good, images, 0), level_used, usable)
    np.clip(z, -_LARGEST, _LARGEST, out=z)
    if not whole:
        z[~good] = 0
    return Skyless(z, good, level, noise, varies)


def _plain(level: NDArray[np.float64], noise: NDArray[np.float64]) -> bool:
    """Whether float32 keeps the digits: the sky is no more than a thousand noises."""
    finite = np.isfinite(noise)
    small = np.abs(level[finite]) < 1e3 * noise[finite]
    in_range = (noise[finite] > 1e-30) & (noise[finite] < 1e30) & (np.abs(level[finite]) < 1e30)
    return bool((small & in_range).all()) and bool((np.abs(level) < 1e30).all())


def _exactly(x: NDArray[Any], level: NDArray[np.float64], noise: NDArray[np.float64]) -> Floats:
    with np.errstate(over="ignore"):
        z = (x.astype(np.float64) - level[..., None, None]) / noise[..., None, None]
    return np.clip(z, -_LARGEST, _LARGEST).astype(np.float32)


def _range(
    images: NDArray[Any], good: Bools, whole: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(B, band) lowest and highest values; 0 and 0 where there is none."""
    if whole:
        return (
            images.min(axis=(2, 3)).astype(np.float64),
            images.max(axis=(2, 3)).astype(np.float64),
        )
    low = np.where(good, images, np.inf).min(axis=(2, 3)).astype(np.float64)
    high = np.where(good, images, -np.inf).max(axis=(2, 3)).astype(np.float64)
    some = high >= low
    return np.where(some, low, 0), np.where(some, high, 0)


def _border(height: int, width: int) -> Bools:
    """(y, x), True for the outermost pixels: a sixteenth of the side, two at least."""
    deep = max(2, min(height, width) // 16)
    ring = np.ones((height, width), bool)
    ring[deep : height - deep, deep : width - deep] = False
    return ring


def _middle_and_spread(
    values: NDArray[Any], there: Bools
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and robust deviation of each row of (P, n), of what is there."""
    n = there.sum(axis=1)
    ordered = np.sort(values if n.min() == there.shape[1] else np.where(there, values, np.inf), 1)
    middle = _quantile(ordered, n, 0.5)
    with np.errstate(invalid="ignore", over="ignore"):
        away = np.abs(values - middle[:, None])
        away = np.where(there, away, np.inf).astype(np.float32)
        spread = 1.4826 * _quantile(np.sort(away, axis=1), n, 0.5)
        # Where most of the sky is one level (black on purpose), the rest above it tells.
        above = _quantile(ordered, n, 0.8413) - middle
    return middle, np.where(spread > 0, spread, above)


def _quantile(ordered: NDArray[Any], n: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    at = np.clip(np.rint(share * (n - 1)).astype(np.int64), 0, None)
    found = ordered[np.arange(len(ordered)), at].astype(np.float64)
    return np.where(n > 0, found, np.nan)
