"""Spectra brought to a common grid: flux is conserved, errors and masks are carried along.

An output pixel is the mean of the input pixels that it overlaps, each weighted by the width of
its overlap P_ij (Carnall 2017, arXiv:1705.05165; the same rule as specutils'
FluxConservingResampler):

    flux_j = sum_i P_ij f_i / sum_i P_ij        var_j = sum_i P_ij^2 var_i / (sum_i P_ij)^2

summed over the good input pixels. Neighbouring output pixels that share an input pixel are
correlated, which `ivar` does not tell.
"""

from __future__ import annotations

import numpy as np

from core.spectra.grid import SpectralGrid

Resampled = tuple[np.ndarray, np.ndarray, np.ndarray]

ALIGNED_PX = 0.01
"""Wavelengths this close to pixel centres of the grid, in pixels, are taken to lie on them: SDSS
keeps log10 wavelength in single precision, which is good to half of this."""

_MIN_COVERED = 0.5
_GAP = 3.0


def resample(
    wavelength: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    mask: np.ndarray | None,
    grid: SpectralGrid,
) -> Resampled:
    """Rebin one spectrum onto a grid; a spectrum that lies on it already is copied exactly.

    Parameters
    ----------
    wavelength
        (m,) pixel centres in Angstrom, strictly rising, in any spacing. A pixel reaches half-way
        to its neighbours; where a gap of more than three pixels opens, it keeps its width and
        the gap has no data.
    flux, ivar
        (m,) flux density and its inverse variance.
    mask
        (m,) bool, True where a pixel is bad. Pixels that are not finite, or whose inverse
        variance is not above 0, are bad too.
    grid
        Where to.

    Returns
    -------
    flux, ivar, mask
        (n,) float32, float32, bool. A pixel is masked, with flux and ivar 0, when good input
        covers less than half of it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    if mask is not None:
        good &= ~mask
    offset = aligned_offset(wavelength, grid)
    if offset is not None:
        return _copied(flux, ivar, good, offset, grid)
    edges, good, flux, ivar = _with_edges(wavelength, good, flux, ivar)
    return _rebinned(edges, flux, ivar, good, grid)


def aligned_offset(wavelength: np.ndarray, grid: SpectralGrid) -> int | None:
    """Which pixel of the grid (it may lie outside) the first wavelength is, when all of them lie
    on pixel centres one after the other; `None` when they do not."""
    at = (np.log10(wavelength) - grid.log10_start) / grid.log10_step
    if not len(at):
        return None
    offset = round(float(at[0]))
    return offset if np.abs(at - offset - np.arange(len(at))).max() < ALIGNED_PX else None


def combine(parts: list[Resampled]) -> Resampled:
    """Co-add spectra of one object that lie on one grid, by inverse variance."""
    if len(parts) == 1:
        return parts[0]
    weights = [ivar.astype(np.float64) * ~mask for _flux, ivar, mask in parts]
    total = np.sum(weights, axis=0)
    summed = sum(part[0] * weight for part, weight in zip(parts, weights, strict=True))
    mask = ~(total > 0)
    flux = np.divide(summed, total, out=np.zeros_like(total), where=~mask)
    return _finished(flux, total, mask)


def _copied(
    flux: np.ndarray, ivar: np.ndarray, good: np.ndarray, offset: int, grid: SpectralGrid
) -> Resampled:
    found = np.zeros(grid.n), np.zeros(grid.n), np.ones(grid.n, bool)
    first, last = max(0, offset), min(grid.n, offset + len(flux))
    if first < last:
        part = slice(first - offset, last - offset)
        for target, values in zip(found, (flux, ivar, ~good), strict=True):
            target[first:last] = values[part]
    return _finished(*found)


def _with_edges(
    wavelength: np.ndarray, good: np.ndarray, flux: np.ndarray, ivar: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Edges of the pixels, half-way between their centres; a gap becomes a bad pixel."""
    step = np.diff(wavelength)
    if not len(step):
        # A single pixel has no width of its own.
        half = np.array([wavelength[0] * 1e-9])
        step = half
    else:
        half = step / 2
    left = np.concatenate([half[:1], half])
    right = np.concatenate([half, half[-1:]])
    if len(step) > 2:
        # The step on the other side of each pixel says how wide the pixel is.
        before = np.concatenate([step[1:2], step[:-1]])
        after = np.concatenate([step[1:], step[-2:-1]])
        gaps = np.flatnonzero(step > _GAP * np.maximum(before, after))
        if len(gaps):
            right[gaps] = before[gaps] / 2
            left[gaps + 1] = after[gaps] / 2
            low, high = wavelength - left, wavelength + right
            at = gaps + 1
            edges = np.concatenate([np.insert(low, at, high[gaps]), high[-1:]])
            return (
                edges,
                np.insert(good, at, False),
                np.insert(flux, at, 0),
                np.insert(ivar, at, 0),
            )
    edges = np.concatenate([wavelength - left, wavelength[-1:] + right[-1:]])
    return edges, good, flux, ivar


def _rebinned(
    edges: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    good: np.ndarray,
    grid: SpectralGrid,
) -> Resampled:
    """The sums over overlaps. All edges together cut the axis into segments that lie in one
    input and one output pixel each, so that a sum over segments is a sum over overlaps. (A
    difference of running sums would be as quick, but one bright pixel would cost all later ones
    their digits.)"""
    out = grid.edges
    low, high = max(edges[0], out[0]), min(edges[-1], out[-1])
    if not low < high:
        return np.zeros(grid.n, np.float32), np.zeros(grid.n, np.float32), np.ones(grid.n, bool)
    cuts = np.concatenate([edges, out])
    order = np.argsort(cuts, kind="stable")  # a merge: both halves are in order already
    cuts = np.clip(cuts[order], low, high)
    width = np.diff(cuts)
    from_input = order[:-1] < len(edges)
    i = np.clip(np.cumsum(from_input) - 1, 0, len(flux) - 1)
    j = np.clip(np.cumsum(~from_input) - 1, 0, grid.n - 1)
    used = good[i] & (width > 0)
    i, j, width = i[used], j[used], width[used]

    covered = np.bincount(j, width, grid.n)
    mask = covered < _MIN_COVERED * np.diff(out)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        summed = np.bincount(j, width * flux[i].astype(np.float64), grid.n)
        variance = np.bincount(j, width**2 / ivar[i].astype(np.float64), grid.n)
        return _finished(summed / covered, covered**2 / variance, mask)


def _finished(flux: np.ndarray, ivar: np.ndarray, mask: np.ndarray) -> Resampled:
    with np.errstate(over="ignore", under="ignore"):
        flux32, ivar32 = flux.astype(np.float32), ivar.astype(np.float32)
    # What single precision cannot hold is as good as not measured.
    mask = mask | ~np.isfinite(flux32) | ~np.isfinite(ivar32) | ~(ivar32 > 0)
    flux32[mask] = 0
    ivar32[mask] = 0
    return flux32, ivar32, mask
