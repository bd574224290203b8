"""Galaxies with known numbers."""

from __future__ import annotations

import numpy as np
from astropy.modeling.models import Sersic2D
from scipy.ndimage import gaussian_filter


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x of the pixels from the middle."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return y, x


def sersic(side, re, n, *, y=0.0, x=0.0, ellipticity=0.0, theta=0.0, peak=30.0):
    """A Sersic profile seen through a PSF of 1.2 px; `peak` is its brightness at `re`."""
    down, across = grid(side)
    model = Sersic2D(peak, re, n, x, y, ellipticity, theta)
    return gaussian_filter(model(across, down), 1.2)


def gaussian(side, sigma, *, y=0.0, x=0.0, flux=1000.0):
    """A round Gaussian of total `flux`."""
    down, across = grid(side)
    r2 = (down - y) ** 2 + (across - x) ** 2
    return flux * np.exp(-0.5 * r2 / sigma**2) / (2 * np.pi * sigma**2)


def galaxies(count=20, side=80, seed=1, sizes=(3.5, 7.0)) -> np.ndarray:
    """(count, 1, side, side): Sersic galaxies with noise of 1; every third has a companion and
    every fourth has clumps.
    `sizes` are the limits of their effective radii."""
    rng = np.random.default_rng(seed)
    pictures = []
    for k in range(count):
        n, re, e = rng.uniform(0.8, 4), rng.uniform(*sizes), rng.uniform(0, 0.6)
        y, x = rng.uniform(-1, 1, 2)
        one = sersic(side, re, n, y=y, x=x, ellipticity=e, theta=rng.uniform(0, np.pi))
        if k % 3 == 0:
            one += sersic(side, 2, 1, y=rng.uniform(-4, 4), x=6)
        if k % 4 == 0:
            for _ in range(12):
                angle, away = rng.uniform(0, 2 * np.pi), re * rng.uniform(0.6, 1)
                one += gaussian(
                    side, 0.8, y=y + away * np.sin(angle), x=x + away * np.cos(angle), flux=400
                )
        pictures.append(one + rng.normal(0, 1, one.shape))
    return np.array(pictures, np.float32)[:, None]
