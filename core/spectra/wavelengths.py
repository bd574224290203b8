"""Wavelengths: from air to vacuum, and the grid that fits a sample of spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.errors import BadInput
from core.spectra.grid import MAX_PIXELS, SpectralGrid
from core.spectra.resample import ALIGNED_PX

DEFAULT_STEP = 1e-4
_AIR_FROM_ANGSTROM = 2000.0
_DIGITS = 12
"""Of log10 wavelength at the start of a grid, so that 10 ** start leads back to it."""


def to_vacuum(wavelength_air: np.ndarray) -> np.ndarray:
    """Vacuum wavelength in Angstrom of a wavelength in standard air (Ciddor 1996, Applied Optics
    35, 1566, as SDSS and specutils have it). Below 2000 Angstrom wavelengths are given in vacuum
    by convention and stay."""
    air = np.asarray(wavelength_air, np.float64)
    vacuum = air
    for _ in range(4):  # the index depends on the vacuum wavelength and hardly changes with it
        s2 = (1e4 / np.maximum(vacuum, _AIR_FROM_ANGSTROM)) ** 2
        index = 1 + 5.792105e-2 / (238.0185 - s2) + 1.67917e-3 / (57.362 - s2)
        vacuum = air * index
    return np.where(air < _AIR_FROM_ANGSTROM, air, vacuum)


def log10_step(wavelength: np.ndarray) -> tuple[float, bool]:
    """Step of log10 wavelength (the median one), and whether it is the same all along."""
    at = np.log10(wavelength)
    mean = float(at[-1] - at[0]) / (len(at) - 1)
    even = np.abs(at - at[0] - mean * np.arange(len(at))).max() < ALIGNED_PX * mean
    if not even:
        return float(np.median(np.diff(at))), False
    # Single precision blurs a round step: 1.0000002e-4 is 1e-4.
    rounded = round(mean, 7)
    return (rounded if abs(rounded - mean) * len(at) < ALIGNED_PX / 2 * mean else mean), True


def fitting_grid(
    wavelengths: Sequence[np.ndarray],
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
) -> SpectralGrid:
    """The grid for spectra like these (vacuum, Angstrom, rising, two pixels or more each).

    It reaches from the bluest to the reddest wavelength. Where all have one even step of log10
    wavelength and share their pixels, so does the grid, and they are copied onto it unchanged.
    Elsewhere the step is 1e-4, or the finest among the spectra where all are coarser. `low`,
    `high` (Angstrom) and `step` (log10) override what is found.
    """
    if low and high:
        _check_order(low, high, "")
        if step:
            return _said(low, high, step)
    spans = [(float(one[0]), float(one[-1])) for one in wavelengths]
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    low, high = low or first, high or last
    _check_order(low, high, f" (the spectra looked at reach from {first:.0f} to {last:.0f})")
    found = [log10_step(one) for one in wavelengths]
    finest = min(each for each, _even in found)
    if step is None and all(even and abs(each / finest - 1) < 1e-5 for each, even in found):
        starts = np.array([math.log10(one[0]) for one in wavelengths]) / finest
        shift = starts - starts[0]
        if np.abs(shift - np.round(shift)).max() < ALIGNED_PX:
            return _phased(float(starts[0]), finest, low, high)
    if step is None:
        step = finest if finest > DEFAULT_STEP else DEFAULT_STEP
        step = max(step, (math.log10(high) - math.log10(low)) / (MAX_PIXELS - 2))
    return SpectralGrid.between(low, high, step)


def _check_order(low: float, high: float, more: str) -> None:
    if not 0 < low < high < math.inf:
        raise BadInput(
            "A wavelength grid reaches from a lower to a higher wavelength, but from"
            f" {low:g} to {high:g} Angstrom was asked for{more}; change the limits"
            " (--wavelength MIN:MAX)."
        )


def _phased(phase: float, step: float, low: float, high: float) -> SpectralGrid:
    """The grid from `low` to `high` one of whose pixels (or their continuation) lies at `phase`
    steps from log10 = 0."""
    if abs(phase - round(phase)) < ALIGNED_PX:
        phase = 0.0  # whole multiples of the step, as SDSS has them
    begin = math.ceil(math.log10(low) / step - phase - ALIGNED_PX)
    end = math.floor(math.log10(high) / step - phase + ALIGNED_PX)
    start = (phase + begin) * step
    return SpectralGrid(round(start, _DIGITS) if phase else start, step, end - begin + 1)


def _said(low: float, high: float, step: float) -> SpectralGrid:
    """The grid that a person or another survey names by its first and last wavelength; the very
    same one if these are a grid's."""
    start = math.log10(low)
    n, at = (math.log10(high) - start) / step, start / step
    if abs(n - round(n)) < 1e-5 < 1e-4 < abs(at - round(at)):
        return SpectralGrid(round(start, _DIGITS), step, round(n) + 1)
    return SpectralGrid.between(low, high, step)
