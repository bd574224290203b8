"""Where a plot's values lie in its picture, and the numbers along its sides."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plot:
    """Where wavelength and flux lie in the picture."""

    frame: tuple[int, int, int, int]
    blue: float
    red: float
    low: float
    high: float

    def x(self, wavelength: np.ndarray | float) -> np.ndarray:
        left, _top, right, _bottom = self.frame
        return np.asarray(
            left + (wavelength - self.blue) / (self.red - self.blue) * (right - left)
        )

    def y(self, flux: np.ndarray | float) -> np.ndarray:
        _left, top, _right, bottom = self.frame
        scaled = (np.asarray(flux, np.float64) - self.low) / (self.high - self.low)
        # What lies far beyond the frame stays just beyond it: Pillow's corners are whole numbers.
        return np.asarray(bottom - np.clip(scaled, -2, 3) * (bottom - top))

    def at(self, wavelength: float, flux: float) -> tuple[float, float]:
        return float(self.x(wavelength)), float(self.y(flux))


def ticks(low: float, high: float, about: int) -> np.ndarray:
    """Round numbers between two limits, about so many."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((1, 2, 5, 10), key=lambda one: abs(math.log(one * power / rough))) * power
    return np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step


def power_of_ten(size: float) -> int:
    """The power of ten taken out of the numbers beside the axis; 0 where none is needed."""
    power = math.floor(math.log10(size)) if size > 0 else 0
    return 0 if -2 <= power <= 3 else power


def number_text(value: float, others: np.ndarray, power: int) -> str:
    scale = 10.0**power
    step = (others[1] - others[0]) / scale if len(others) > 1 else abs(value) / scale or 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value / scale:.{min(digits, 6)}f}"
    return text.removeprefix("-") if float(text) == 0 else text
