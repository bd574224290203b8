"""The sharpened picture: a picture's negative Laplacian smoothed by a Gaussian, and its peaks.

Marr & Hildreth 1980; photometric codes know it as the Mexican hat. Arrays in, arrays out; pixels
count from 0 at the centre of the first one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.centroids import centroid_quadratic
from scipy import ndimage

_BINNED_SCALE = 4.0
"""Coarser scales are sharpened in means of several pixels, so that none costs more than this."""

_ENOUGH_FOR_NOISE = 50_000

_TRUNCATE = 4.0
"""Of SciPy's Gaussian filters, in scales."""


@dataclass(frozen=True)
class Patch:
    """The sharpened picture around a point, in means of `step` x `step` pixels.

    `sharp` and `missing` are (y, x), their first row and column are the picture's `top` and
    `left` in these units; `noise` is that of `sharp`.
    """

    sharp: np.ndarray
    missing: np.ndarray
    noise: float
    top: int
    left: int
    step: int

    def peaks(self, x: float, y: float, radius_px: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the positive local maxima about as near to a pixel position."""
        reach = int(radius_px / self.step) + 3
        middle = ((y + 0.5) / self.step - 0.5 - self.top, (x + 0.5) / self.step - 0.5 - self.left)
        low = [max(0, round(one) - reach) for one in middle]
        near = np.s_[low[0] : round(middle[0]) + reach + 1, low[1] : round(middle[1]) + reach + 1]
        rows, columns = peaks(self.sharp[near], self.missing[near])
        return rows + low[0], columns + low[1]

    def place(self, x: np.ndarray | float, y: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of the patch -> the picture's pixels."""
        across, down = (np.asarray(x) + self.left + 0.5), (np.asarray(y) + self.top + 0.5)
        return across * self.step - 0.5, down * self.step - 0.5


def patches(
    picture: np.ndarray, points: Sequence[tuple[float, float]], scale: float, reach_px: float
) -> list[Patch | None]:
    """The picture sharpened at `scale` around each of the points, None without pixel values.

    Points that lie close together are sharpened once; what a point gets does not depend on the
    others.

    Parameters
    ----------
    picture
        (y, x) of floats; NaN is no source.
    points
        (x, y) within the picture.
    reach_px
        How far a patch goes. Noises of several scales compare only if they are of the same place.
    """
    step = _step(scale)
    shape = np.array(picture.shape) // step
    if min(shape) < 1:
        return [None] * len(points)
    reach, margin = int(np.ceil(reach_px / step)), _margin(scale)
    at = np.array([[y, x] for x, y in points]).reshape(-1, 2)
    middle = np.clip(np.round((at + 0.5) / step - 0.5).astype(int), 0, shape - 1)
    inner = _Boxes(middle, reach, shape)
    found: list[Patch | None] = [None] * len(points)
    for box, members in _Boxes(middle, reach + margin, shape).merged():
        rows, columns = (slice(low * step, high * step) for low, high in box.T)
        part = picture[rows, columns]
        filled, missing = filled_in(binned(part, step) if step > 1 else part)
        if filled is None:
            continue
        sharp = _laplacian(filled, scale / step)
        for k in members:
            own = inner.box(k) - box[0]
            window = np.s_[own[0, 0] : own[1, 0], own[0, 1] : own[1, 1]]
            noise = _noise(sharp[window], missing[window], filled[window])
            top, left = (own[0] + box[0]).tolist()
            found[k] = Patch(sharp[window], missing[window], noise, top, left, step)
    return found


def bytes_to_sharpen(n_points: int, scale: float, reach_px: float, side_px: int) -> int:
    """What `patches` holds at its height: so many arrays of eight bytes."""
    step = _step(scale)
    side = 2 * (int(np.ceil(reach_px / step)) + _margin(scale)) + 1
    return min(n_points * side**2, (side_px // step) ** 2) * 8 * 8


def _step(scale: float) -> int:
    return max(1, int(scale // _BINNED_SCALE))


def _margin(scale: float) -> int:
    """How far beyond a patch the smoothing sees, in its pixels."""
    return int(_TRUNCATE * scale / _step(scale) + 0.5) + 1


class _Boxes:
    """Square boxes around points, cut off at the edges: each (2, 2), first and end of (y, x)."""

    def __init__(self, middle: np.ndarray, reach: int, shape: np.ndarray) -> None:
        self._low = np.maximum(middle - reach, 0)
        self._high = np.minimum(middle + reach + 1, shape)

    def box(self, k: int) -> np.ndarray:
        return np.stack([self._low[k], self._high[k]])

    def merged(self) -> list[tuple[np.ndarray, list[int]]]:
        """Boxes that hold all of these, with the numbers of those inside; two are joined where
        that makes no more pixels than both have."""
        done: list[tuple[np.ndarray, list[int]]] = []
        for k in range(len(self._low)):
            box, members = self.box(k), [k]
            place = 0
            while place < len(done):
                other, others = done[place]
                both = np.stack([np.minimum(box[0], other[0]), np.maximum(box[1], other[1])])
                if _area(both) > _area(box) + _area(other):
                    place += 1
                    continue
                box, members = both, [*others, *members]
                del done[place]
                place = 0
            done.append((box, members))
        return done


def _area(box: np.ndarray) -> int:
    return int(np.prod(box[1] - box[0]))


def filled_in(picture: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Pixels without a value take that of the nearest with one; and where they were."""
    missing = ~np.isfinite(picture)
    if missing.all():
        return None, missing
    values = np.where(missing, 0.0, picture).astype(np.float64, copy=False)
    np.clip(values, -1e30, 1e30, out=values)
    if missing.any():
        nearest = ndimage.distance_transform_edt(
            missing, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    return values, missing


def binned(picture: np.ndarray, step: int) -> np.ndarray:
    """Means of step x step pixels; the odd rest at the right and lower edge is left out."""
    height, width = (side // step for side in picture.shape)
    blocks = picture[: height * step, : width * step].reshape(height, step, width, step)
    there = np.isfinite(blocks)
    n = there.sum(axis=(1, 3))
    total = np.where(there, blocks, 0.0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def sharpened(filled: np.ndarray, missing: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    """A picture sharpened as a whole, and its noise."""
    sharp = _laplacian(filled, scale)
    return sharp, _noise(sharp, missing, filled)


def _laplacian(filled: np.ndarray, scale: float) -> np.ndarray:
    sharp = ndimage.gaussian_laplace(filled, scale, mode="nearest", truncate=_TRUNCATE)
    sharp *= -(scale**2)
    return np.asarray(sharp)


def _noise(sharp: np.ndarray, missing: np.ndarray, filled: np.ndarray) -> float:
    """From the median absolute deviation; a picture without noise gets a thousandth of its
    highest peak, so that nothing is divided by zero."""
    known = sharp[~missing]
    if not known.size:
        return 1e-300
    some = known[:: max(1, known.size // _ENOUGH_FOR_NOISE)]
    noise = 1.4826 * float(np.median(np.abs(some - np.median(some))))
    return max(noise, 1e-3 * float(known.max()), 1e-9 * float(np.abs(filled).max()), 1e-300)


def peaks(sharp: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the positive local maxima."""
    highest = ndimage.maximum_filter(sharp, size=3, mode="nearest")
    rows, columns = np.nonzero((sharp == highest) & (sharp > 0) & ~missing)
    return rows, columns


def centroid(sharp: np.ndarray, row: int, column: int, scale: float) -> tuple[float, float]:
    """(x, y) of a paraboloid through the peak and its neighbours, at most a pixel (or scale)
    away."""
    half = max(1, round(scale))
    top, left = max(0, row - half), max(0, column - half)
    box = sharp[top : row + half + 1, left : column + half + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # a failed fit is NaN, seen below
        x, y = centroid_quadratic(box, fit_boxsize=min(2 * half + 1, *_odd_sides(box)))
    x, y = float(x) + left, float(y) + top
    if not np.hypot(x - column, y - row) <= max(1.0, scale):
        return float(column), float(row)
    return x, y


def _odd_sides(box: np.ndarray) -> list[int]:
    return [side - 1 + side % 2 for side in box.shape]
