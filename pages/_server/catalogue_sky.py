"""Positions on the sky as a plane to plot: right ascension grows to the left.

Plain: right ascension against declination, cut opposite to a centre. Mollweide: equal areas
(Calabretta & Greisen 2002, A&A 395, 1077, sec. 5.3.2), in degrees at the centre. x is positive
towards the east, so that the plot's axis runs backwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TURN_DEG", "centre_of", "graticule", "mollweide", "plain_plane"]

TURN_DEG = 360.0
_STEPS = 20_001
"""Of the table of latitudes: a place between its lines is off by less than 1e-5 degrees, within
half a degree of the poles by less than 0.01."""
_CELLS = 360
_WIDEST_DEG = 60.0
"""A survey that leaves out less than this of the circle is one of the whole sky."""


def centre_of(ra_deg: np.ndarray) -> float:
    """The right ascension to have in the middle: opposite to the widest gap between the objects,
    so that a field across 0h stays whole; 180 where there is no wide gap."""
    known = ra_deg[np.isfinite(ra_deg)] % TURN_DEG
    if not len(known):
        return TURN_DEG / 2
    degree = TURN_DEG / _CELLS
    filled = np.flatnonzero(
        np.bincount((known / degree).astype(np.int64) % _CELLS, minlength=_CELLS)
    )
    gaps = np.diff(np.append(filled, filled[0] + _CELLS))
    widest = int(np.argmax(gaps))
    if (gaps[widest] - 1) * degree < _WIDEST_DEG:
        return TURN_DEG / 2
    middle = filled[widest] + 0.5 + gaps[widest] / 2  # of the gap, between centres of cells
    return float((middle * degree + TURN_DEG / 2) % TURN_DEG)


def plain_plane(
    ra_deg: np.ndarray, dec_deg: np.ndarray, centre_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y (N,) in degrees: x = right ascension, from `centre_deg` - 180 to + 180."""
    return centre_deg + _around(ra_deg, centre_deg), np.asarray(dec_deg, dtype=np.float64)


def mollweide(
    ra_deg: np.ndarray, dec_deg: np.ndarray, centre_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y (N,) in degrees; x from -162 to 162, y from -81 to 81."""
    angle = np.interp(dec_deg, _LATITUDES, _ANGLES)
    x = (2 * np.sqrt(2) / np.pi) * _around(ra_deg, centre_deg) * np.cos(angle)
    y = np.degrees(np.sqrt(2) * np.sin(angle))
    return np.where(np.isfinite(dec_deg), x, np.nan), np.where(np.isfinite(dec_deg), y, np.nan)


def graticule(centre_deg: float) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The lines of equal right ascension (every 60 degrees) and declination (every 30) in the
    plane of `mollweide`, each as x and y; the outline first."""
    up = np.linspace(-90, 90, 91)
    lines = []
    for offset in (-180.0, 180.0 - 1e-9, -120, -60, 0, 60, 120):
        lines.append(mollweide(np.full(len(up), centre_deg + offset), up, centre_deg))
    across = centre_deg + np.linspace(-180, 180 - 1e-9, 61)
    for dec in (-60.0, -30.0, 0.0, 30.0, 60.0):
        lines.append(mollweide(across, np.full(len(across), dec), centre_deg))
    return lines


def _around(ra_deg: np.ndarray, centre_deg: float) -> NDArray[np.float64]:
    half = TURN_DEG / 2
    turned: NDArray[np.float64] = (np.asarray(ra_deg, float) - centre_deg + half) % TURN_DEG - half
    return turned


# The auxiliary angle g of a latitude d solves 2 g + sin 2 g = pi sin d: tabulated the other way.
_ANGLES = np.linspace(-np.pi / 2, np.pi / 2, _STEPS)
_LATITUDES = np.degrees(np.arcsin(np.clip((2 * _ANGLES + np.sin(2 * _ANGLES)) / np.pi, -1.0, 1.0)))
