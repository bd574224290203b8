"""What the spectra of a survey are like, from a sample of its objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.survey.store import Survey
from core.survey.summary_pixels import Odd

__all__ = ["SpectraSummary", "sample_spectra"]

SNR_PERCENTILES = (16, 50, 84)
SPECTRA_AT_ONCE = 128


@dataclass(frozen=True)
class SpectraSummary:
    """The spectra of the sampled objects.

    Attributes
    ----------
    n_objects
        Spectra measured.
    n_pixels, low_angstrom, high_angstrom, log10_step
        Of the survey's grid; vacuum wavelengths at the centres of its first and last pixel.
    used_low_angstrom, used_high_angstrom
        Where there is any pixel that is not masked; None where all are masked.
    masked_share
        Of the pixels.
    snr
        16th, 50th and 84th percentile, over the objects, of the median signal-to-noise ratio a
        pixel; empty where no noise is known.
    """

    n_objects: int
    n_pixels: int
    low_angstrom: float
    high_angstrom: float
    log10_step: float
    used_low_angstrom: float | None
    used_high_angstrom: float | None
    masked_share: float
    snr: tuple[float, ...]


def sample_spectra(survey: Survey, rows: np.ndarray) -> tuple[SpectraSummary | None, list[Odd]]:
    """Measure the spectra of sorted rows, which all have one."""
    grid = survey.grid
    if grid is None or not len(rows):
        return None, []
    used = np.zeros(grid.n, bool)
    n_masked, ratios, odd = 0, [], []
    for start in range(0, len(rows), SPECTRA_AT_ONCE):
        part = rows[start : start + SPECTRA_AT_ONCE]
        flux, ivar, mask = survey.spectra(part)
        good = ~mask & np.isfinite(flux)
        used |= good.any(axis=0)
        n_masked += int(mask.sum())
        for row, f, i, g in zip(part.tolist(), flux, ivar, good, strict=True):
            if not g.any():
                words = "every pixel of its spectrum is masked"
                odd.append(Odd(row, words, words))
                continue
            values = f[g]
            if values.min() == values.max():
                words = "its spectrum has one value"
                odd.append(Odd(row, words, words))
            noisy = i[g] > 0
            if noisy.any():
                ratio = values[noisy].astype(np.float64) * np.sqrt(i[g][noisy].astype(np.float64))
                ratios.append(float(np.median(ratio)))
    where = np.flatnonzero(used)
    wavelength = grid.wavelength
    summary = SpectraSummary(
        n_objects=len(rows),
        n_pixels=grid.n,
        low_angstrom=float(wavelength[0]),
        high_angstrom=float(wavelength[-1]),
        log10_step=grid.log10_step,
        used_low_angstrom=float(wavelength[where[0]]) if where.size else None,
        used_high_angstrom=float(wavelength[where[-1]]) if where.size else None,
        masked_share=n_masked / (len(rows) * grid.n),
        snr=tuple(np.percentile(ratios, SNR_PERCENTILES).tolist()) if ratios else (),
    )
    return summary, odd
