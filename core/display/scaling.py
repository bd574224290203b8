"""From data values to stretched values in 0 to 1, with DS9's names and astropy's arithmetic.

The formulas are DS9's (its reference manual, "How DS9 renders an image"), with the constants that
bring 1 exactly to 1: log(1000 x + 1) / log(1001), (1000^x - 1) / 999, asinh(10 x) / asinh(10),
sinh(3 x) / sinh(3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.display.look import Look

HUGE = 1e30
"""Beyond any survey's units, and its square is still finite."""

_HISTOGRAM_POINTS = 65536


def limits_of(values: np.ndarray, look: Look, survey: tuple[float, float]) -> tuple[float, float]:
    """Black and white (low, high) of a plane by the look's limits.

    Parameters
    ----------
    values
        (y, x) float64. NaN and infinite pixels are left out.
    look
        Says which limits.
    survey
        What `limits="survey"` gives.

    Returns
    -------
    tuple
        Finite, low <= high; equal where nothing is finite or all is the same.
    """
    if look.limits == "survey":
        return survey
    if look.limits == "fixed" and look.low is not None and look.high is not None:
        return look.low, look.high
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 0.0
    known = np.clip(known, -HUGE, HUGE)
    low, high = _interval(look).get_limits(known)
    return float(low), float(max(low, high))


def _interval(look: Look) -> Any:
    from astropy.visualization import MinMaxInterval, PercentileInterval, ZScaleInterval

    if look.limits == "percentile":
        return PercentileInterval(look.percent)
    return ZScaleInterval() if look.limits == "zscale" else MinMaxInterval()


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """(y, x) -> float64 in 0 to 1: `low` is 0, `high` is 1, NaN is 0; all 0 where low = high."""
    span = high - low
    if not span > 0:
        return np.zeros(values.shape)
    # A huge pixel over a tiny span is white, whatever it is exactly.
    with np.errstate(over="ignore"):
        placed = (np.clip(values, -HUGE, HUGE) - low) / span
    return np.where(np.isnan(placed), 0.0, np.clip(placed, 0.0, 1.0))


def stretched(values: np.ndarray, stretch: str) -> np.ndarray:
    """Stretch values in 0 to 1 by one of `core.display.look.STRETCHES`; 0 stays 0 and 1 stays 1.

    "histogram" follows the ranks of these very values, so that each level has as many pixels.
    """
    import astropy.visualization as av

    if stretch == "histogram":
        return _equalised(values)
    by_name = {
        "asinh": lambda: av.AsinhStretch(0.1),
        "linear": av.LinearStretch,
        "log": lambda: av.LogStretch(1000.0),
        "power": lambda: av.PowerDistStretch(1000.0),
        "sqrt": av.SqrtStretch,
        "squared": av.SquaredStretch,
        "sinh": lambda: av.SinhStretch(1 / 3),
    }
    return np.clip(by_name[stretch]()(values), 0.0, 1.0)


def _equalised(values: np.ndarray) -> np.ndarray:
    from astropy.visualization import HistEqStretch

    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.zeros(values.shape)
    whole = (values - low) / (high - low)
    ranked = np.sort(whole, axis=None)
    if ranked.size > _HISTOGRAM_POINTS:  # a stretch through millions of points takes a second
        places = np.linspace(0, ranked.size - 1, _HISTOGRAM_POINTS).astype(np.int64)
        ranked = ranked[places]
    return np.clip(HistEqStretch(ranked)(whole), 0.0, 1.0)
