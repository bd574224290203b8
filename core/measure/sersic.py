"""The best Sersic profile of a picture, on a constant sky: a quick look, with no point spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.measure.smoothing import brightest, gaussian_smoothed

_FIT_SIDE_PX = 96
"""Larger pictures are binned to about this side for the fit, which then takes some 40 ms."""

_NUCLEUS_SIDE_PX = 40
"""Side of the middle of such a picture that is fitted pixel by pixel all the same."""

_MIN_RADIUS_PX = 0.5
_INDEX = (0.3, 6.0)
_MAX_ELLIPTICITY = 0.95


def sersic_model(values: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Fit a Sersic profile and a constant sky, twice: then without what stood out in the first.

    Parameters
    ----------
    values
        (y, x) float64; NaN are left out.

    Returns
    -------
    tuple
        The model (y, x), finite everywhere, and ""; or None and why there is none.
    """
    good = np.isfinite(values)
    if good.sum() < 64 or min(values.shape) < 8:
        return None, "it needs 64 valid pixels and 8 pixels a side"
    step = max(1, -(-max(values.shape) // _FIT_SIDE_PX))
    binned, y, x = _binned(values, step)
    if np.isfinite(binned).sum() < 64:
        return None, "it needs 64 valid pixels"
    sky, noise = _sky(binned)
    row, column = brightest(binned)
    # The fit works on numbers of order one, whatever the units and however bright the neighbours.
    about = binned[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    scale = float(np.nanmax(about) - sky) if np.isfinite(about).any() else 0.0
    if not (np.isfinite(scale) and scale > 5 * noise and scale > 1e-9 * abs(sky)):
        return None, "nothing stands out of the sky"
    heights = _without_neighbours((binned - sky) / scale, 3 * noise / scale, row, column)
    shape = _Shape.about(heights, y, x, step)
    fitted = shape.fitted(shape.start, heights, y, x)
    if fitted is None:
        return None, "the fit did not converge"
    if step > 1:  # the nucleus in its full sharpness, in place of its bins
        x_0, y_0 = shape.centre(fitted)
        near, near_y, near_x = _about(values, y_0, x_0)
        outside = ~(_within(y, near_y) & _within(x, near_x))
        heights = np.concatenate([heights[outside], ((near - sky) / scale).ravel()])
        y = np.concatenate([y[outside], near_y.ravel()])
        x = np.concatenate([x[outside], near_x.ravel()])
    off = heights - shape.heights(fitted, y, x)
    spread = 1.4826 * float(np.nanmedian(np.abs(off)))
    kept = np.where(off < 5 * max(spread, 1e-6), heights, np.nan)
    if 2 * np.isfinite(kept).sum() > np.isfinite(heights).sum():
        again = shape.fitted(fitted, kept, y, x)
        fitted = fitted if again is None else again
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]].astype(np.float64)
    model = shape.heights(fitted, rows, columns) * scale + sky
    return (model, "") if np.isfinite(model).all() else (None, "the best profile is not finite")


@dataclass(frozen=True)
class _Shape:
    """A profile by eight free numbers, each of any size, so that the fit needs no bounds.

    MINPACK, which knows no bounds, takes 20 to 40 ms of one processor. The fitters of astropy that
    do know them factorise a long matrix in each step by threads of BLAS, which on a busy machine
    wait for one another: there they took seconds.

    Attributes
    ----------
    x_0, y_0, reach
        Where the centre is sought, and how far from there, in pixels.
    max_radius
        Of the half-light radius, in pixels.
    start
        (8,): amplitude, sky, then radius, index, centre x and y, and ellipticity by its two
        components, squeezed into their ranges by a hyperbolic tangent.
    """

    x_0: float
    y_0: float
    reach: float
    max_radius: float
    start: np.ndarray

    @classmethod
    def about(cls, heights: np.ndarray, y: np.ndarray, x: np.ndarray, step: int) -> _Shape:
        """A first guess from the moments of (y, x) heights, the pixels being `step` apart."""
        side = float(max(heights.shape) * step)
        x_0, y_0, radius, ellipticity, theta = _moments(heights, y, x)
        squeezed = np.arctanh(np.clip(ellipticity / _MAX_ELLIPTICITY, 0.02, 0.9))
        start = [
            0.3,
            0.0,
            _loose(float(np.clip(radius, 0.6, side / 2)), _MIN_RADIUS_PX, side),
            _loose(1.5, *_INDEX),
            0.0,
            0.0,
            squeezed * np.cos(2 * theta),
            squeezed * np.sin(2 * theta),
        ]
        return cls(x_0, y_0, max(3.0 * step, side / 8), side, np.array(start))

    def centre(self, free: np.ndarray) -> tuple[float, float]:
        """x, y in pixels."""
        off_x, off_y = self.reach * np.tanh(free[4:6])
        return self.x_0 + float(off_x), self.y_0 + float(off_y)

    def heights(self, free: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The profile and the sky at places in pixels."""
        from astropy.modeling.models import Sersic2D

        amplitude, sky, radius, index = (float(value) for value in free[:4])
        x_0, y_0 = self.centre(free)
        ellipticity = _MAX_ELLIPTICITY * float(np.tanh(np.hypot(free[6], free[7])))
        theta = 0.5 * float(np.arctan2(free[7], free[6]))
        with np.errstate(all="ignore"):
            profile = Sersic2D.evaluate(
                x,
                y,
                amplitude,
                _squeezed(radius, _MIN_RADIUS_PX, self.max_radius),
                _squeezed(index, *_INDEX),
                x_0,
                y_0,
                ellipticity,
                theta,
            )
        return np.asarray(profile + sky)

    def fitted(
        self, start: np.ndarray, heights: np.ndarray, y: np.ndarray, x: np.ndarray
    ) -> np.ndarray | None:
        """The eight numbers that fit best where the heights are finite, or None."""
        from scipy.optimize import least_squares

        use = np.isfinite(heights)
        known, at_y, at_x = heights[use], y[use], x[use]

        def off(free: np.ndarray) -> np.ndarray:
            # A number beyond all reason is as bad as can be, and no NaN for MINPACK.
            return np.nan_to_num(self.heights(free, at_y, at_x) - known, nan=1e9, posinf=1e9)

        try:
            found = least_squares(off, start, method="lm", max_nfev=600)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            return None
        # A model that leaves as much as no model at all is none, and light is positive.
        better = bool(np.mean(found.fun**2) < 0.9 * np.mean(known**2))
        return np.asarray(found.x) if better and found.x[0] > 0 else None


def _squeezed(free: float, low: float, high: float) -> float:
    return low + (high - low) * 0.5 * (1.0 + float(np.tanh(free)))


def _loose(value: float, low: float, high: float) -> float:
    """The other way round."""
    return float(np.arctanh(2.0 * (value - low) / (high - low) - 1.0))


def _moments(
    heights: np.ndarray, y: np.ndarray, x: np.ndarray
) -> tuple[float, float, float, float, float]:
    """Centre x, y, radius, ellipticity and position angle (radian) to start a fit from."""
    row, column = brightest(heights)
    x_0, y_0 = float(x[row, column]), float(y[row, column])
    weight = np.where(np.isfinite(heights) & (heights > 0.1), heights, 0.0)
    total = float(weight.sum())
    if total <= 0:
        return x_0, y_0, 2.0, 0.1, 0.0
    dx, dy = x - x_0, y - y_0
    xx, yy, xy = (float((weight * part).sum()) / total for part in (dx * dx, dy * dy, dx * dy))
    mean, swing = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    major, minor = np.sqrt(max(mean + swing, 0.25)), np.sqrt(max(mean - swing, 0.1))
    return (
        x_0,
        y_0,
        float(major),
        float(1 - minor / major),
        0.5 * float(np.arctan2(2 * xy, xx - yy)),
    )


def _without_neighbours(
    heights: np.ndarray, threshold: float, row: int, column: int
) -> np.ndarray:
    """NaN where something stands out that does not hang together with the nucleus."""
    from scipy.ndimage import binary_dilation, label

    smooth = gaussian_smoothed(heights, 1.0)
    parts, _ = label(np.nan_to_num(smooth, nan=0.0) > max(threshold, 0.01))
    others = binary_dilation((parts > 0) & (parts != parts[row, column]), iterations=2)
    return np.where(others, np.nan, heights)


def _about(values: np.ndarray, y: float, x: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels about a place, and their y and x."""
    half = _NUCLEUS_SIDE_PX // 2
    top, left = (max(0, round(float(place)) - half) for place in (y, x))
    near = values[top : top + 2 * half, left : left + 2 * half]
    rows, columns = np.mgrid[: near.shape[0], : near.shape[1]].astype(np.float64)
    return near, rows + top, columns + left


def _within(places: np.ndarray, span: np.ndarray) -> np.ndarray:
    return (places > span.min() - 1) & (places < span.max() + 1)


def _binned(values: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of step x step pixels, NaN left out, and the y and x of their centres in pixels."""
    height, width = (side // step * step for side in values.shape)
    blocks = values[:height, :width].reshape(height // step, step, width // step, step)
    good = np.isfinite(blocks)
    count = good.sum(axis=(1, 3))
    total = np.where(good, blocks, 0.0).sum(axis=(1, 3))
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    rows, columns = np.mgrid[: means.shape[0], : means.shape[1]]
    return means, (rows + 0.5) * step - 0.5, (columns + 0.5) * step - 0.5


def _sky(values: np.ndarray) -> tuple[float, float]:
    """Level and noise of the outer frame (an eighth of the side), or of all where it is NaN."""
    width = max(1, min(values.shape) // 8)
    frame = np.ones(values.shape, dtype=bool)
    frame[width:-width, width:-width] = False
    sky = values[frame & np.isfinite(values)]
    sky = sky if sky.size >= 8 else values[np.isfinite(values)]
    level = float(np.median(sky))
    return level, 1.4826 * float(np.median(np.abs(sky - level)))
