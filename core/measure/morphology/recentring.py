"""The centre about which an object is most like itself turned by 180 degrees, and pictures moved
so that it lies in their middle: turning is then a flip, and apertures are the same for all."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.measure.morphology.quantities import Bools, Floats
from core.measure.morphology.region import Pixels

STEPS = 5
_LONGEST_STEP_PX = 1.5


@lru_cache(maxsize=32)
def gaussian_matrix(side: int, sigma_px: float) -> Floats:
    """(side, side): multiplying by it smooths along an axis, by the pixels that are there."""
    away = np.arange(side)[:, None] - np.arange(side)
    weight = np.exp(-0.5 * (away / sigma_px) ** 2)
    weight[np.abs(away) > 4 * sigma_px] = 0
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def smoothed(x: Floats, sigma_px: float) -> Floats:
    """(..., y, x) smoothed by a Gaussian."""
    across = x @ gaussian_matrix(x.shape[-1], sigma_px).T
    out: Floats = gaussian_matrix(x.shape[-2], sigma_px) @ across
    return out


def smoothed_over_gaps(x: Floats, good: Bools, scale: float) -> Floats:
    """Smoothed by what is there: gaps have no weight."""
    out = smoothed(x, scale)
    holes = ~good.all(axis=(1, 2))
    if holes.any():
        weight = smoothed(good[holes].astype(np.float32), scale)
        out[holes] = np.where(weight > 0.05, out[holes] / np.maximum(weight, 0.05), 0)
    return out


def centroid(pixels: Pixels, light: Floats) -> tuple[Floats, Floats]:
    """(B,) y and x of the centroid of light (B, M), which is not negative."""
    total = np.maximum(light.sum(axis=1), 1e-30)
    return (light * pixels.y).sum(axis=1) / total, (light * pixels.x).sum(axis=1) / total


def symmetry_centre(smooth: Floats, pixels: Pixels, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """(B,) y and x of the point about which smoothed pictures (y, x) are most symmetric.

    smooth: all pictures that `pixels`, of some of them, point into.

    Gauss-Newton on the squared difference between the object's pixels and their counterparts,
    from the given start. Each step is at most 1.5 px and the whole way at most the object's size,
    so that a lopsided object keeps a centre within itself.
    """
    height, width = smooth.shape[1:]
    count, flat = len(pixels.at), smooth.reshape(-1)
    first = pixels.at[:, :1] // smooth[0].size * smooth[0].size
    here = pixels.values(smooth)
    weight = pixels.real.astype(np.float32)
    reach = np.sqrt(weight.sum(axis=1) / np.pi)
    start_y, start_x = y, x
    least = np.full(count, np.inf, np.float32)
    best_y, best_x = y, x
    for _step in range(STEPS):
        other, slope_y, slope_x = _sampled(
            flat, first, 2 * y[:, None] - pixels.y, 2 * x[:, None] - pixels.x, height, width
        )
        unlike = (here - other) * weight
        worth = np.square(unlike).sum(axis=1)
        better = worth < least
        least = np.where(better, worth, least)
        best_y, best_x = np.where(better, y, best_y), np.where(better, x, best_x)
        slope_y, slope_x = -2 * slope_y * weight, -2 * slope_x * weight
        yy = np.square(slope_y).sum(axis=1)
        xx = np.square(slope_x).sum(axis=1)
        yx = (slope_y * slope_x).sum(axis=1)
        gy, gx = (slope_y * unlike).sum(axis=1), (slope_x * unlike).sum(axis=1)
        # A little of the trace, so that a picture without slopes gives no step.
        steady = 1e-3 * (yy + xx) + 1e-20
        yy, xx = yy + steady, xx + steady
        det = yy * xx - yx**2
        step_y = np.clip(-(xx * gy - yx * gx) / det, -_LONGEST_STEP_PX, _LONGEST_STEP_PX)
        step_x = np.clip(-(yy * gx - yx * gy) / det, -_LONGEST_STEP_PX, _LONGEST_STEP_PX)
        y = np.clip(y + step_y, start_y - reach, start_y + reach)
        x = np.clip(x + step_x, start_x - reach, start_x + reach)
    return best_y, best_x


def _sampled(
    flat: Floats, first: NDArray[np.int64], y: Floats, x: Floats, height: int, width: int
) -> tuple[Floats, Floats, Floats]:
    """Bilinear values and slopes in y and x, at (B, M) places, of flattened pictures whose first
    pixels are at (B, 1)."""
    y = np.clip(y, 0, np.float32(height - 1.001))
    x = np.clip(x, 0, np.float32(width - 1.001))
    top, left = y.astype(np.int64), x.astype(np.int64)
    fy, fx = y - top, x - left
    at = first + top * width + left
    a, b = flat.take(at), flat.take(at + 1)
    c, d = flat.take(at + width), flat.take(at + (width + 1))
    upper, lower = a + (b - a) * fx, c + (d - c) * fx
    return upper + (lower - upper) * fy, lower - upper, (b - a) * (1 - fy) + (d - c) * fy


def recentred(planes: Floats, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Pictures (B, P, y, x) moved so that (y, x) of (B,) lies in the middle, by cubic
    interpolation (Keys 1981, a = -0.5); beyond the picture is 0. Second, (B,) the noise that is
    left of each picture's own, which interpolation smooths a little."""
    height, width = planes.shape[-2:]
    down, kept_y = _mover(y - (height - 1) / 2, height)
    across, kept_x = _mover(x - (width - 1) / 2, width)
    moved: Floats = down[:, None] @ (planes @ across.transpose(0, 2, 1)[:, None])
    return moved, np.sqrt(kept_y * kept_x)


def _mover(by: NDArray[np.floating], side: int) -> tuple[Floats, Floats]:
    """(B, side, side) matrices that move by so many pixels, and (B,) sums of squared weights."""
    whole = np.floor(by)
    t = (by - whole).astype(np.float32)
    weights = np.stack(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ]
    )
    matrix = np.zeros((len(t), side, side), np.float32)
    which = np.arange(len(t))[:, None]
    row = np.arange(side)
    for tap in range(4):
        source = row + (whole[:, None].astype(np.int64) + tap - 1)
        inside = (source >= 0) & (source < side)
        objects, rows = np.broadcast_arrays(which, row)
        matrix[objects[inside], rows[inside], source[inside]] = np.repeat(
            weights[tap], side
        ).reshape(-1, side)[inside]
    return matrix, np.square(weights).sum(axis=0)
