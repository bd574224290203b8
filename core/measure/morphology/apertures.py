"""Light within circles about the middle of recentred pictures: growth curves and radii."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from photutils.geometry import circular_overlap_grid

from core.measure.morphology.quantities import Bools, Floats

PETROSIAN_RATIO = 0.2
APERTURE_PETROSIAN = 1.5
"""The aperture in Petrosian radii (Conselice 2003, ApJS 147, 1)."""

_FINE_PX = 8


@lru_cache(maxsize=8)
def radii(height: int, width: int) -> NDArray[np.float64]:
    """Radii of the growth curve: every half pixel up to 8, then every pixel to the border."""
    reach = max(1.0, min(height, width) / 2)
    fine = np.arange(0.5, min(_FINE_PX, reach) + 0.01, 0.5)
    return np.concatenate([fine, np.arange(_FINE_PX + 1, reach + 0.01)])


@lru_cache(maxsize=8)
def _weights(height: int, width: int) -> Floats:
    """(y * x, R): the share of each pixel within each radius."""
    x, y = width / 2, height / 2
    shares = [
        circular_overlap_grid(-x, x, -y, y, width, height, one, 1, 1).reshape(-1)
        for one in radii(height, width)
    ]
    return np.stack(shares, axis=1).astype(np.float32)


def within(planes: Floats) -> NDArray[np.float64]:
    """(..., y, x) -> (..., R): sums within each radius."""
    *front, height, width = planes.shape
    sums = planes.reshape(-1, height * width) @ _weights(height, width)
    return sums.astype(np.float64).reshape(*front, -1)


@lru_cache(maxsize=8)
def full_areas(height: int, width: int) -> NDArray[np.float64]:
    """(R,): pixels within each radius."""
    return _weights(height, width).sum(axis=0, dtype=np.float64)


def growth(
    light: NDArray[np.float64], area: NDArray[np.float64], full: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Light within each radius (..., R), as if no pixel of a ring were missing: the mean of
    those that are there stands for the others.

    Parameters
    ----------
    light, area
        (..., R) sums within each radius of light and of pixels that are there.
    full
        (R,) pixels within each radius.
    """
    ring = np.diff(light, axis=-1, prepend=0)
    there = np.diff(area, axis=-1, prepend=0)
    whole = np.diff(full, prepend=0)
    mean = np.divide(ring, there, out=np.zeros_like(ring), where=there > 0.05 * whole)
    return np.cumsum(mean * whole, axis=-1)


def petrosian(curve: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) the radius where the brightness of a growth curve (B, R) falls to 0.2 of the mean
    within; NaN where it does not."""
    area = np.pi * r**2
    ring = np.empty_like(curve)
    # The brightness at a radius is that between its neighbours.
    ring[:, 1:-1] = (curve[:, 2:] - curve[:, :-2]) / (area[2:] - area[:-2])
    ring[:, 0] = curve[:, 0] / area[0]
    ring[:, -1] = (curve[:, -1] - curve[:, -2]) / (area[-1] - area[-2])
    mean = curve / area
    ratio = np.divide(ring, mean, out=np.zeros_like(ring), where=mean > 0)
    low = ratio < PETROSIAN_RATIO
    low[:, 0] = False
    at = np.argmax(low, axis=1)
    rows = np.arange(len(curve))
    before, after = ratio[rows, at - 1], ratio[rows, at]
    drop = np.maximum(before - after, 1e-12)
    share = np.clip((before - PETROSIAN_RATIO) / drop, 0, 1)
    found = r[at - 1] + share * (r[at] - r[at - 1])
    return np.where(low.any(axis=1), found, np.nan)


def at_radius(
    curve: NDArray[np.float64], r: NDArray[np.float64], where: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Growth curves (..., R) at radii of the same leading shape, linear in the area."""
    where = np.clip(where, 0, r[-1])
    right = np.clip(np.searchsorted(r, where), 0, len(r) - 1)
    left = np.maximum(right - 1, 0)
    inner = np.where(right > 0, np.take_along_axis(curve, left[..., None], -1)[..., 0], 0.0)
    outer = np.take_along_axis(curve, right[..., None], -1)[..., 0]
    start = np.where(right > 0, r[left], 0.0)
    share = (where**2 - start**2) / (r[right] ** 2 - start**2)
    found: NDArray[np.float64] = inner + share * (outer - inner)
    return found


def radius_of(
    curve: NDArray[np.float64], r: NDArray[np.float64], light: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The first radius within which growth curves (..., R) reach some light; NaN if none."""
    reached = curve >= light[..., None]
    right = np.argmax(reached, axis=-1)
    left = np.maximum(right - 1, 0)
    inner = np.where(right > 0, np.take_along_axis(curve, left[..., None], -1)[..., 0], 0.0)
    outer = np.take_along_axis(curve, right[..., None], -1)[..., 0]
    start = np.where(right > 0, r[left], 0.0)
    rise = np.where(outer > inner, outer - inner, 1.0)
    share = np.clip((light - inner) / rise, 0, 1)
    found = np.sqrt(start**2 + share * (r[right] ** 2 - start**2))
    return np.where(reached.any(axis=-1) & (light > 0), found, np.nan)


def distances(height: int, width: int) -> Floats:
    """(y, x) distance from the middle in pixels."""
    y = np.arange(height) - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    return np.hypot(y[:, None], x).astype(np.float32)


def disc(shape: tuple[int, ...], radius: NDArray[np.float64]) -> Bools:
    """(B, y, x), True for pixels whose centre lies within a radius of (B,)."""
    found: Bools = distances(*shape[-2:]) <= radius[:, None, None]
    return found
