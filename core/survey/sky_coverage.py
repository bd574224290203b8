"""Where on the sky a survey lies: bounds, area by HEALPix cells, density, a MOC to take along.

HEALPix: Gorski et al. 2005, ApJ 622, 759 (nested numbering). MOC: IVOA Recommendation 2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["SkyCoverage", "healpix_cells", "sky_coverage"]

FULL_SKY_DEG2 = 4 * np.pi * (180 / np.pi) ** 2

FINEST_ORDER = 13
"""Cells of 26 arcsec: finer ones would be the holes between objects, not the survey's edge."""

COARSEST_ORDER = 3
"""Cells of 7.3 degrees: what needs larger ones has no area worth telling."""

THIN_ORDER = 6
"""Cells of 55 arcmin, drawn around objects that stand too far apart for an area."""

OBJECTS_A_CELL = 5
"""With five on average one cell in 150 of a uniform survey is empty by chance."""

MAX_CELLS = 100_000
MAX_BINS = 3_000
MAX_POINTS = 5_000
_CHUNK = 1_000_000


@dataclass(frozen=True)
class SkyCoverage:
    """What part of the sky the objects of a survey cover.

    Attributes
    ----------
    n_positions
        Objects with a position.
    ra_min_deg, ra_max_deg
        Limits of the shortest arc that holds all; `ra_min_deg > ra_max_deg` where it passes 0.
    dec_min_deg, dec_max_deg
        Limits in declination.
    order, cell_arcmin, n_cells
        The HEALPix order, side of its cells, and how many of them hold an object.
    area_deg2, sky_fraction
        Of these cells.
    is_thin
        The objects stand too far apart for an area: it is that of cells around them.
    moc_json
        The cells as a MOC in its JSON form; empty where mocpy does not import.
    bin_arcmin, bins
        Density: (ra, dec, objects) of coarser cells, at the mean place of their objects.
    points
        (ra, dec) of up to 5,000 objects, chosen by the seed.
    point_ids
        Their object ids.
    """

    n_positions: int
    ra_min_deg: float
    ra_max_deg: float
    dec_min_deg: float
    dec_max_deg: float
    order: int
    cell_arcmin: float
    n_cells: int
    area_deg2: float
    sky_fraction: float
    is_thin: bool
    moc_json: str
    bin_arcmin: float
    bins: tuple[tuple[float, float, int], ...]
    points: tuple[tuple[float, float], ...]
    point_ids: tuple[str, ...]


def sky_coverage(
    ra_deg: np.ndarray,
    dec_deg: np.ndarray,
    ids_of: Callable[[np.ndarray], list[str]],
    *,
    seed: int = 0,
) -> SkyCoverage | None:
    """The coverage of positions (N,), NaN where unknown; None if there is none.

    `ids_of` gives the object ids of sorted rows.
    """
    rows = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg))
    if rows.size == 0:
        return None
    ra, dec = np.asarray(ra_deg[rows] % 360.0), np.asarray(dec_deg[rows])
    finest = healpix_cells(ra, dec, FINEST_ORDER)
    order, is_thin = _order(finest)
    cells = np.unique(finest >> 2 * (FINEST_ORDER - order))
    low, high = _arc(ra)
    share = cells.size / (12 * 4**order)
    bin_order, bins = _bins(ra, dec, finest)
    chosen = np.arange(rows.size)
    if rows.size > MAX_POINTS:
        chosen = np.sort(np.random.default_rng(seed).choice(rows.size, MAX_POINTS, replace=False))
    return SkyCoverage(
        n_positions=int(rows.size),
        ra_min_deg=low,
        ra_max_deg=high,
        dec_min_deg=float(dec.min()),
        dec_max_deg=float(dec.max()),
        order=order,
        cell_arcmin=_cell_arcmin(order),
        n_cells=int(cells.size),
        area_deg2=share * FULL_SKY_DEG2,
        sky_fraction=share,
        is_thin=is_thin,
        moc_json=_moc(cells, order),
        bin_arcmin=_cell_arcmin(bin_order),
        bins=bins,
        points=tuple(
            zip(ra[chosen].round(6).tolist(), dec[chosen].round(6).tolist(), strict=True)
        ),
        point_ids=tuple(ids_of(rows[chosen])),
    )


def healpix_cells(ra_deg: np.ndarray, dec_deg: np.ndarray, order: int) -> np.ndarray:
    """Nested HEALPix numbers (N,) int64 of positions in degrees, all finite."""
    cells = np.empty(len(ra_deg), np.int64)
    for start in range(0, len(ra_deg), _CHUNK):
        part = slice(start, start + _CHUNK)
        cells[part] = _cells(ra_deg[part], dec_deg[part], order)
    return cells


def _cells(ra_deg: np.ndarray, dec_deg: np.ndarray, order: int) -> np.ndarray:
    nside = 1 << order
    dec = np.radians(dec_deg)
    z = np.sin(dec)
    turn = (ra_deg % 360.0) / 90.0  # in quarters of a circle
    # The belt around the equator, |z| <= 2/3.
    right, up = nside * (0.5 + turn), nside * z * 0.75
    falling, rising = (
        np.floor(right - up).astype(np.int64),
        np.floor(right + up).astype(np.int64),
    )
    face_falling, face_rising = falling >> order, rising >> order
    face = np.where(
        face_falling == face_rising,
        face_falling | 4,
        np.where(face_falling < face_rising, face_falling, face_rising + 8),
    )
    x, y = rising & (nside - 1), nside - 1 - (falling & (nside - 1))
    # The two caps; cos(dec) keeps the digits that 1 - |z| loses near a pole.
    cap = np.abs(z) > 2 / 3
    quarter = np.minimum(turn[cap].astype(np.int64), 3)
    within = turn[cap] - quarter
    out = nside * np.abs(np.cos(dec[cap])) * np.sqrt(3 / (1 + np.abs(z[cap])))
    first = np.minimum((within * out).astype(np.int64), nside - 1)
    second = np.minimum(((1 - within) * out).astype(np.int64), nside - 1)
    north = z[cap] > 0
    face[cap] = np.where(north, quarter, quarter + 8)
    x[cap] = np.where(north, nside - 1 - second, first)
    y[cap] = np.where(north, nside - 1 - first, second)
    return (face << 2 * order) + _spread(x) + (_spread(y) << 1)


def _spread(bits: np.ndarray) -> np.ndarray:
    """Whole numbers below 2**29 with a zero bit put before each of their bits."""
    spread = bits.astype(np.int64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        spread = (spread | spread << shift) & mask
    return spread


def _order(finest: np.ndarray) -> tuple[int, bool]:
    """The finest order whose cells in use hold enough objects, and whether there is none."""
    cells = np.unique(finest)
    for order in range(FINEST_ORDER, COARSEST_ORDER - 1, -1):
        if finest.size >= OBJECTS_A_CELL * cells.size and cells.size <= MAX_CELLS:
            return order, False
        cells = np.unique(cells >> 2)
    return THIN_ORDER, True


def _arc(ra: np.ndarray) -> tuple[float, float]:
    """The ends of the shortest arc of right ascension that holds all."""
    ordered = np.unique(ra)
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    widest = int(np.argmax(gaps))
    return float(ordered[(widest + 1) % ordered.size]), float(ordered[widest])


def _bins(
    ra: np.ndarray, dec: np.ndarray, finest: np.ndarray
) -> tuple[int, tuple[tuple[float, float, int], ...]]:
    cells = np.unique(finest)
    order = FINEST_ORDER
    while cells.size > MAX_BINS:
        order -= 1
        cells = np.unique(cells >> 2)
    place = np.searchsorted(cells, finest >> 2 * (FINEST_ORDER - order))
    counts = np.bincount(place)
    # The mean of unit vectors knows no seam at 0 and none at the poles.
    a, d = np.radians(ra), np.radians(dec)
    x, y, z = (
        np.bincount(place, weights=part)
        for part in (np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d))
    )
    mean_ra = np.degrees(np.arctan2(y, x)) % 360.0
    mean_dec = np.degrees(np.arctan2(z, np.hypot(x, y)))
    lines = zip(
        mean_ra.round(5).tolist(), mean_dec.round(5).tolist(), counts.tolist(), strict=True
    )
    return order, tuple(lines)


def _cell_arcmin(order: int) -> float:
    return float(np.sqrt(FULL_SKY_DEG2 / (12 * 4**order)) * 60.0)


def _moc(cells: np.ndarray, order: int) -> str:
    try:
        from mocpy import MOC
    except ImportError:
        return ""
    depth = np.full(cells.size, order, np.uint8)
    return str(MOC.from_healpix_cells(cells.astype(np.uint64), depth, order).to_string("json"))
