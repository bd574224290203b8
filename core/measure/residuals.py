"""Pictures minus a smooth model of themselves, which brings out second nuclei, arcs and spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.measure.sersic import sersic_model
from core.measure.smoothing import brightest, gaussian_smoothed

RESIDUAL_MODES = ("none", "unsharp", "symmetric", "sersic")

UNSHARP_SIGMA_PX = 3.0
"""Wider than a nucleus, narrower than a galaxy: nuclei a few pixels apart come out."""

_CENTRE_SIDE_PX = 24
"""Side of the middle that is compared with its rotations to find the centre."""


@dataclass(frozen=True)
class Residual:
    """A picture minus its model.

    Attributes
    ----------
    values
        (y, x) float64 in the picture's units; NaN where picture or model have nothing.
    note
        What a person should know: "" if all went as asked, else one sentence.
    """

    values: np.ndarray
    note: str = ""


def residual(picture: np.ndarray, mode: str) -> Residual:
    """The picture minus a smooth model of it. Never fails on what is in the pixels.

    Parameters
    ----------
    picture
        (y, x) of any real dtype. NaN and infinite pixels are left out.
    mode
        "unsharp": minus its copy smoothed by a Gaussian of `UNSHARP_SIGMA_PX`.
        "symmetric": minus its rotation by 180 degrees about its nucleus, where that is positive
        (Conselice, Bershady & Jangren 2000, ApJ 529, 886: the nucleus is where the asymmetry is
        least). What has a counterpart opposite vanishes.
        "sersic": minus the best Sersic profile on a constant sky, fitted twice, the second time
        without what stood out in the first. Where no profile can be fitted the result is that of
        "unsharp", and the note says so.

    Raises
    ------
    BadInput
        The picture has not two axes, or there is no such mode.
    """
    values = np.array(picture, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise BadInput(
            f"A residual is made of one picture (y, x), but the array is {np.shape(picture)}; sum"
            " its bands first."
        )
    values[~np.isfinite(values)] = np.nan
    if mode == "none":
        return Residual(values)
    if mode == "unsharp":
        return Residual(values - gaussian_smoothed(values, UNSHARP_SIGMA_PX))
    if mode == "symmetric":
        return _symmetric(values)
    if mode == "sersic":
        return _sersic(values)
    raise BadInput(
        f"A residual is one of {', '.join(RESIDUAL_MODES)}, but {mode[:40]!r} was asked for;"
        " choose one of these."
    )


def _symmetric(values: np.ndarray) -> Residual:
    from scipy.ndimage import shift, spline_filter

    twice_y, twice_x, off_y, off_x = _twice_the_centre(values)
    turned = _turned(values, twice_y, twice_x)
    if off_y or off_x:
        missing = np.isnan(turned)
        smooth = spline_filter(np.where(missing, 0.0, turned))
        moved = shift(smooth, (off_y, off_x), mode="nearest", prefilter=False)
        turned = np.where(missing, np.nan, moved)
    above = values - turned
    return Residual(np.where(np.isnan(above), np.nan, np.maximum(above, 0.0)))


def _twice_the_centre(values: np.ndarray) -> tuple[int, int, float, float]:
    """Twice the (y, x) of the nucleus as integers, and what they are off by, up to one.

    At half pixels a rotation is exact; the rest is a shift through splines. The search keeps to
    one pixel about the brightest: further off, the best centre of an equal pair of nuclei is
    midway between them, and both would vanish.
    """
    from scipy.ndimage import shift, spline_filter
    from scipy.optimize import minimize

    y, x = brightest(values)
    half = _CENTRE_SIDE_PX // 2
    top, left = max(0, y - half), max(0, x - half)
    middle = gaussian_smoothed(values[top : y + half + 1, left : x + half + 1], 1.0)
    best, least = (2 * y, 2 * x), np.inf
    for twice_y in range(2 * y - 2, 2 * y + 3):
        for twice_x in range(2 * x - 2, 2 * x + 3):
            off = np.abs(middle - _turned(middle, twice_y - 2 * top, twice_x - 2 * left))
            found = np.isfinite(off)
            if 2 * found.sum() < found.size:
                continue
            asymmetry = float(off[found].mean())
            if asymmetry < least:
                best, least = (twice_y, twice_x), asymmetry
    if not 0 < least < np.inf:
        return *best, 0.0, 0.0
    turned = _turned(middle, best[0] - 2 * top, best[1] - 2 * left)
    both = np.isfinite(middle) & np.isfinite(turned)
    smooth = spline_filter(np.where(both, turned, 0.0))

    def asymmetry_at(by: np.ndarray) -> float:
        moved = shift(smooth, by, mode="nearest", prefilter=False)
        return float(np.abs(middle[both] - moved[both]).mean()) / least

    start = np.array([[0.0, 0.0], [0.3, 0.1], [-0.1, 0.3]])
    found_at = minimize(
        asymmetry_at,
        start[0],
        method="Nelder-Mead",
        bounds=[(-0.6, 0.6)] * 2,
        options={"maxfev": 40, "xatol": 0.01, "initial_simplex": start},
    )
    if not found_at.fun < 1:
        return *best, 0.0, 0.0
    return *best, float(found_at.x[0]), float(found_at.x[1])


def _turned(values: np.ndarray, twice_y: int, twice_x: int) -> np.ndarray:
    """The picture turned by 180 degrees about (twice_y / 2, twice_x / 2); NaN from outside."""
    turned = np.full_like(values, np.nan)
    height, width = values.shape
    y0, y1 = max(0, twice_y - height + 1), min(height - 1, twice_y)
    x0, x1 = max(0, twice_x - width + 1), min(width - 1, twice_x)
    if y0 <= y1 and x0 <= x1:
        there = values[twice_y - y1 : twice_y - y0 + 1, twice_x - x1 : twice_x - x0 + 1]
        turned[y0 : y1 + 1, x0 : x1 + 1] = there[::-1, ::-1]
    return turned


def _sersic(values: np.ndarray) -> Residual:
    model, why = sersic_model(values)
    if model is None:
        return Residual(
            values - gaussian_smoothed(values, UNSHARP_SIGMA_PX),
            f"No Sersic profile could be fitted ({why}); the picture minus its smoothed copy is"
            " shown instead.",
        )
    return Residual(values - model)
