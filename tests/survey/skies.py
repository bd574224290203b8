"""Simulated mosaics for tests: coordinates as surveys have them, and stars of known flux."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, Sip


def tangent(
    shape: tuple[int, int],
    ra: float = 150.0,
    dec: float = 2.0,
    scale_arcsec: float = 0.25,
    turn_deg: float = 0.0,
    sip: bool = False,
) -> WCS:
    """Gnomonic coordinates with (ra, dec) in the middle of (y, x) pixels, east to the left."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if sip else ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale_arcsec / 3600
    wcs.wcs.radesys = "ICRS"
    if sip:
        a, b = np.zeros((3, 3)), np.zeros((3, 3))
        a[2, 0], a[1, 1], b[0, 2], b[1, 1] = 3e-5, -2e-5, 4e-5, 1e-5
        wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def noise(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def save(path: Path, image: np.ndarray, wcs: WCS | None, **cards: object) -> Path:
    """Write a primary HDU; a name that ends in .fz makes a tile-compressed one."""
    header = wcs.to_header(relax=True) if wcs is not None else fits.Header()
    for name, value in cards.items():
        header[name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".fz"):
        hdus: list[object] = [fits.PrimaryHDU(), fits.CompImageHDU(image, header)]
    else:
        hdus = [fits.PrimaryHDU(image, header)]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def add_stars(
    image: np.ndarray, x: np.ndarray, y: np.ndarray, flux: np.ndarray, sigma: float = 1.5
):
    """Add Gaussians of known flux at pixel positions; those near an edge in part."""
    reach = 12
    for at_x, at_y, one in zip(x, y, flux, strict=True):
        i, j = round(float(at_x)), round(float(at_y))
        rows = slice(max(0, j - reach), min(image.shape[0], j + reach + 1))
        columns = slice(max(0, i - reach), min(image.shape[1], i + reach + 1))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        v, u = np.mgrid[rows, columns]
        shape = np.exp(-((u - at_x) ** 2 + (v - at_y) ** 2) / (2 * sigma**2))
        image[rows, columns] += one / (2 * np.pi * sigma**2) * shape
