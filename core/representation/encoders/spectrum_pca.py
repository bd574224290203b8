"""Principal components of spectra: lines over the continuum, and the continuum's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.progress import Progress
from core.representation.components import Components
from core.representation.encoder import SPECTRA, register_encoder, sampled_rows
from core.representation.weightfiles import write_arrays
from core.survey import Survey

Spectra = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]

FIT_ROWS = 5000
LINE_COMPONENTS = 24
SHAPE_COMPONENTS = 8
SHAPE_WEIGHT = 0.5
"""Of the continuum's shape beside the lines: calibration and dust change it, and it would outvote
them."""

MAX_PIXELS = 512
"""Spectra are brought to at most so many pixels first; 10 Angstrom each for SDSS."""

_MEDIAN_FRACTION = 8
_SHAPE_STEP = 16
_BATCH = 256


@register_encoder("spectrum_pca")
class SpectrumPCAEncoder:
    """(flux, ivar, mask) of spectra -> (B, 32 at most): components of lines and of the continuum.

    The continuum is a running median over an eighth of the grid. Lines are what stands over it,
    (flux - continuum) / (|continuum| + sigma), compressed by arcsinh: of good spectra nearly
    equivalent widths, of noisy ones bounded. Masked pixels count as continuum. Components are
    not whitened: at unit variance each, those of the noise would outvote the lines. Fitted on at
    most 5,000 objects drawn with a fixed seed.
    """

    name: str
    reads = SPECTRA

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.lines = Components()
        self.shape = Components()

    def fit(self, survey: Survey, progress: Progress) -> None:
        rows = sampled_rows(survey, FIT_ROWS, self.seed, SPECTRA)
        progress(0.0, f"fitting principal components on {len(rows)} spectra")
        parts = [
            lines_and_shape(*survey.spectra(rows[start : start + _BATCH]))
            for start in range(0, len(rows), _BATCH)
        ]
        lines, shape = (np.concatenate(one) for one in zip(*parts, strict=True))
        self.lines = Components.fit(lines, LINE_COMPONENTS, self.seed)
        self.shape = Components.fit(shape, SHAPE_COMPONENTS, self.seed)

    def encode(self, spectra: Spectra) -> NDArray[np.float32]:
        lines, shape = lines_and_shape(*spectra)
        out: NDArray[np.float32] = np.concatenate(
            [self.lines(lines), SHAPE_WEIGHT * self.shape(shape)], axis=1
        ).astype(np.float32)
        return out

    def save(self, folder: Path) -> dict[str, Any]:
        arrays = self.lines.arrays("lines.") | self.shape.arrays("shape.")
        write_arrays(arrays, folder / "weights.safetensors")
        return {"seed": self.seed}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> SpectrumPCAEncoder:
        encoder = cls(settings["seed"])
        arrays = load_file(folder / "weights.safetensors")
        encoder.lines = Components.of(arrays, "lines.")
        encoder.shape = Components.of(arrays, "shape.")
        return encoder


def lines_and_shape(
    flux: NDArray[Any], ivar: NDArray[Any], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lines (B, pixel) and the continuum's shape (B, fewer pixels) of spectra (B, n)."""
    from scipy.ndimage import median_filter

    mean, weight = _coarser(flux, ivar, mask)
    good = weight > 0
    filled = _filled(mean, good)
    width = max(3, filled.shape[1] // _MEDIAN_FRACTION) | 1
    continuum = median_filter(filled, (1, width), mode="nearest")
    sigma = np.where(good, weight, 1.0) ** -0.5
    size = np.abs(continuum) + sigma
    lines = np.arcsinh(np.where(good, (mean - continuum) / size, 0.0))
    typical = np.abs(continuum).mean(axis=1, keepdims=True)
    shape = continuum[:, ::_SHAPE_STEP] / np.where(typical > 0, typical, 1.0)
    return lines.astype(np.float32), np.clip(shape, -10, 10).astype(np.float32)


def _coarser(
    flux: NDArray[Any], ivar: NDArray[Any], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean flux and summed weight of groups of neighbouring pixels."""
    usable = ~mask & (ivar > 0) & np.isfinite(flux)
    weight = np.where(usable, ivar, 0).astype(np.float64)
    summed = weight * np.where(usable, flux, 0)
    count, n = weight.shape
    side = -(-n // MAX_PIXELS)
    padding = ((0, 0), (0, -n % side))
    weight = np.pad(weight, padding).reshape(count, -1, side).sum(axis=2)
    summed = np.pad(summed, padding).reshape(count, -1, side).sum(axis=2)
    mean = np.divide(summed, weight, out=np.zeros_like(weight), where=weight > 0)
    return mean, weight


def _filled(values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Bad pixels interpolated between good ones."""
    filled = values.copy()
    at = np.arange(values.shape[1])
    for row in np.flatnonzero(~good.all(axis=1) & good.any(axis=1)):
        there = good[row]
        filled[row] = np.interp(at, at[there], values[row][there])
    return filled
