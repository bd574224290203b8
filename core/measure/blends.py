"""Places and fluxes of nuclei that may lie in each other's light. Arrays in, numbers out.

Nuclei are close to the point-spread function, whose core is close to a Gaussian: round Gaussians
of one common width on a curved background are fitted to the pixels around them (amplitudes and
background linearly, places and width by least squares: Golub & Pereyra 1973, SIAM J. Num. Anal.
10, 413). Beside aperture photometry with an annulus it keeps neighbours apart that touch, and
takes less of a host galaxy's light for the nucleus's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

_WINDOW = 5.0
"""Pixels up to so many units from a nucleus are fitted."""

_WIDTHS = (0.5, 3.0)
_FURTHEST_MOVE = 1.5
_MOST_FREE = 6
"""More nuclei than these keep their places: nobody marks as many for their separation."""


@dataclass(frozen=True)
class Blend:
    """K nuclei: `x`, `y` (K,) in pixels, `flux` (K,), NaN where it cannot be measured.

    `flux_error` (K,) takes the scatter around the fit for the noise, and the places as known.
    `width_px` is the standard deviation of the Gaussians, None if nothing could be fitted.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray
    width_px: float | None


def measure_blend(
    picture: np.ndarray, x: np.ndarray, y: np.ndarray, free: np.ndarray, unit_px: float = 1.0
) -> Blend:
    """Fit the nuclei together; the flux of each is that of its Gaussian.

    Parameters
    ----------
    picture
        (y, x) of floats; NaN is left out.
    x, y
        (K,) where the nuclei are, to a pixel or so.
    free
        (K,) bool: may move by up to 1.5 `unit_px`; the others stay.
    unit_px
        Size of the finest detail, about 1.
    """
    x, y = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    free = np.array(free, dtype=bool) & (len(x) <= _MOST_FREE)
    window = _Window(picture, x, y, unit_px)
    if len(window.values) < len(x) + 7 + int(2 * free.sum()):
        nothing = np.full(len(x), np.nan)
        return Blend(x, y, nothing, nothing, None)
    x, y, width = _fitted(window, x, y, free, unit_px)
    _residuals, amplitudes, errors = window.solve(x, y, width)
    area = 2 * np.pi * width**2
    return Blend(x, y, amplitudes * area, errors * area, width)


class _Window:
    """The pixels around the nuclei: `values` (P,) and their places, scaled to order one."""

    def __init__(self, picture: np.ndarray, x: np.ndarray, y: np.ndarray, unit: float) -> None:
        reach = _WINDOW * unit
        self.rows, self.columns, self.values = _pixels_near(picture, x, y, reach, unit)
        spread = float(np.ptp(self.values)) if len(self.values) else 0.0
        self.scale = spread if spread > 0 else 1.0
        level = float(np.median(self.values)) if len(self.values) else 0.0
        self.values = (self.values - level) / self.scale
        size = max(1.0, float(np.ptp(x)), float(np.ptp(y)), reach)
        u = (self.columns - float(np.mean(x))) / size
        v = (self.rows - float(np.mean(y))) / size
        self.background = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)

    def solve(
        self, x: np.ndarray, y: np.ndarray, width: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scaled residuals (P,) of the best amplitudes, these (K,) and their errors (K,)."""
        r2 = (self.columns[:, None] - x) ** 2 + (self.rows[:, None] - y) ** 2
        design = np.concatenate([np.exp(-0.5 * r2 / width**2), self.background], axis=1)
        # By the normal equations: in 50 nuclei ten times faster than a decomposition, and the
        # columns are all of order one.
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
        inverse = np.linalg.inv(gram)
        best = inverse @ (design.T @ self.values)
        residuals = self.values - design @ best
        scatter = np.sqrt(residuals @ residuals / (len(residuals) - len(best)))
        errors = scatter * np.sqrt(np.abs(np.diagonal(inverse)))
        return residuals, best[: len(x)] * self.scale, errors[: len(x)] * self.scale


def _pixels_near(
    picture: np.ndarray, x: np.ndarray, y: np.ndarray, reach: float, unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values (P,) of the pixels within `reach` of a nucleus, as floats.

    Of details far larger than a pixel means of several pixels do: at most about 320 a nucleus.
    """
    step = max(1, int(unit / 2))
    height, width = (side // step for side in picture.shape)
    near = []
    for px, py in zip(x, y, strict=True):
        across, down = (
            np.arange(
                max(0, int((place - reach) // step)), min(n, int((place + reach) // step) + 2)
            )
            for place, n in ((px, width), (py, height))
        )
        far = np.hypot(_middle(across, step) - px, (_middle(down, step) - py)[:, None])
        near.append((down[:, None] * width + across)[far <= reach])
    rows, columns = np.divmod(np.unique(np.concatenate(near)), max(1, width))
    inside = np.arange(step)
    blocks = picture[
        (rows * step)[:, None, None] + inside[:, None], (columns * step)[:, None, None] + inside
    ]
    good = np.isfinite(blocks) & (np.abs(blocks) < 1e30)
    n = good.sum(axis=(1, 2))
    total = np.where(good, blocks, 0.0).sum(axis=(1, 2), dtype=np.float64)
    known = n > 0
    values = total[known] / n[known]
    return _middle(rows[known], step), _middle(columns[known], step), values


def _middle(place: np.ndarray, step: int) -> np.ndarray:
    """Of means of `step` pixels, in pixels."""
    return (place + 0.5) * step - 0.5


def _fitted(
    window: _Window, x: np.ndarray, y: np.ndarray, free: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Places and width of the best fit."""
    n = int(free.sum())

    def unpacked(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        fx, fy = x.copy(), y.copy()
        fx[free] += values[:n]
        fy[free] += values[n : 2 * n]
        return fx, fy, float(np.exp(values[-1]))

    start = np.append(np.zeros(2 * n), np.log(1.2 * unit))
    far = np.full(2 * n, _FURTHEST_MOVE * unit)
    lowest, highest = np.log(_WIDTHS[0] * unit), np.log(_WIDTHS[1] * unit)
    found = least_squares(
        lambda values: window.solve(*unpacked(values))[0],
        start,
        bounds=(np.append(-far, lowest), np.append(far, highest)),
        xtol=1e-5,
        ftol=1e-7,
        max_nfev=60,
    )
    fx, fy, width = unpacked(found.x)
    moved = np.hypot(fx - x, fy - y) > 0.98 * _FURTHEST_MOVE * unit
    return np.where(moved, x, fx), np.where(moved, y, fy), width
