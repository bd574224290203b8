"""The common wavelength grid on which a survey keeps its spectra."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.errors import BadInput

MAX_PIXELS = 65_536


@dataclass(frozen=True)
class SpectralGrid:
    """Pixels of equal width in log10 of the vacuum wavelength, as SDSS and DESI coadds have them.

    Attributes
    ----------
    log10_start
        log10 of the wavelength, in Angstrom, at the centre of the first pixel.
    log10_step
        Width of a pixel in log10 wavelength; SDSS has 1e-4 (69 km/s).
    n
        Pixels.
    """

    log10_start: float
    log10_step: float
    n: int

    def __post_init__(self) -> None:
        # Plain numbers, whatever they came as: they are written down as text.
        object.__setattr__(self, "log10_start", float(self.log10_start))
        object.__setattr__(self, "log10_step", float(self.log10_step))
        object.__setattr__(self, "n", int(self.n))
        usable = math.isfinite(self.log10_start) and 0 < self.log10_step < 1
        if not usable or not 2 <= self.n <= MAX_PIXELS:
            raise BadInput(
                "A wavelength grid has a start, a step above 0 (both in log10 of Angstrom) and"
                f" 2 to {MAX_PIXELS:,} pixels, but got the start {self.log10_start:g}, the step"
                f" {self.log10_step:g} and {self.n:,} pixels; change the limits or the step."
            )

    @classmethod
    def between(cls, low: float, high: float, log10_step: float = 1e-4) -> SpectralGrid:
        """The grid from `low` to `high` Angstrom.

        Its pixel centres lie on whole multiples of the step, so that two grids of one step
        share their pixels.
        """
        if not 0 < low < high < math.inf or not 0 < log10_step < 1:
            raise BadInput(
                "The limits of a wavelength grid are 0 < low < high in Angstrom and its step is"
                f" above 0, but got {low}, {high} and {log10_step}; change them."
            )
        first = math.ceil(round(math.log10(low) / log10_step, 6))
        last = math.floor(round(math.log10(high) / log10_step, 6))
        return cls(first * log10_step, log10_step, last - first + 1)

    @cached_property
    def wavelength(self) -> np.ndarray:
        """(n,) vacuum wavelength at the pixel centres in Angstrom."""
        return np.asarray(10.0 ** (self.log10_start + self.log10_step * np.arange(self.n)))

    @cached_property
    def edges(self) -> np.ndarray:
        """(n + 1,) wavelength at the pixel edges in Angstrom."""
        at = np.arange(self.n + 1) - 0.5
        return np.asarray(10.0 ** (self.log10_start + self.log10_step * at))
