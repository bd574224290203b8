"""Neighbours on the sky: great-circle distances, exact at the poles and across 0h."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.errors import BadInput

__all__ = [
    "Positions",
    "arcsec_of_chords",
    "checked_radius",
    "chord",
    "pairs_within",
    "unit_vectors",
    "usable",
]

MAX_RADIUS_ARCSEC = 3600.0
"""A match farther off than a degree is none."""

_PAIRS_AT_ONCE = 1_000_000
_POINTS_AT_ONCE = 65_536


class Positions:
    """The objects of a survey that have a position, ready to be searched.

    Parameters
    ----------
    ra, dec
        (N,) degrees, NaN where unknown.

    Attributes
    ----------
    rows
        (K,) the rows with a usable position.
    ra, dec
        (K,) theirs.
    """

    def __init__(self, ra: np.ndarray, dec: np.ndarray) -> None:
        from scipy.spatial import cKDTree

        ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
        self.n_objects = len(ra)
        self.rows = np.flatnonzero(usable(ra, dec))
        self.ra, self.dec = ra[self.rows], dec[self.rows]
        self.vectors = unit_vectors(self.ra, self.dec)
        # Unbalanced, it does not slow down where many objects share a place.
        self.tree = cKDTree(self.vectors, balanced_tree=False, compact_nodes=False)

    def __len__(self) -> int:
        return len(self.rows)


def usable(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """(N,) True for a place on the sky."""
    return np.isfinite(ra) & np.isfinite(dec) & (np.abs(ra) <= 360) & (np.abs(dec) <= 90)


def unit_vectors(ra_deg: np.ndarray, dec_deg: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def chord(arcsec: float) -> float:
    """The straight line between two points of the unit sphere that lie `arcsec` apart."""
    return float(2 * np.sin(np.radians(arcsec / 3600) / 2))


def arcsec_of_chords(chords: np.ndarray) -> np.ndarray:
    """The reverse of `chord`; exact for small angles, where a scalar product loses its digits."""
    return np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1))) * 3600


def checked_radius(radius_arcsec: float) -> float:
    """Return the radius if it is above 0 and at most a degree, else raise `BadInput`."""
    if not 0 < radius_arcsec <= MAX_RADIUS_ARCSEC:
        raise BadInput(
            f"The radius must be above 0 and at most {MAX_RADIUS_ARCSEC:,.0f} arcsec, but is"
            f" {radius_arcsec!r}; change it."
        )
    return float(radius_arcsec)


def pairs_within(
    positions: Positions, ra: np.ndarray, dec: np.ndarray, radius_arcsec: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of an object and a point (`ra`, `dec`: (M,) degrees) within the radius.

    Yields (rows of the survey, indices of the points, separations in arcsec), about a million
    pairs at most at a time, the points in order. A point without a usable position has no pair.
    """
    if not len(positions):
        return
    reach = chord(radius_arcsec) * (1 + 1e-9) + 1e-15
    there = np.flatnonzero(usable(ra, dec))
    for start in range(0, len(there), _POINTS_AT_ONCE):
        points = there[start : start + _POINTS_AT_ONCE]
        vectors = unit_vectors(ra[points], dec[points])
        counts = positions.tree.query_ball_point(vectors, reach, return_length=True)
        matched = np.flatnonzero(counts)
        for part in _parts(matched, counts[matched]):
            lists = positions.tree.query_ball_point(vectors[part], reach, return_sorted=True)
            near = np.concatenate([np.asarray(one, dtype=np.intp) for one in lists])
            of = np.repeat(part, counts[part])
            apart = np.linalg.norm(positions.vectors[near] - vectors[of], axis=1)
            sep = arcsec_of_chords(apart)
            kept = sep <= radius_arcsec
            yield positions.rows[near[kept]], points[of[kept]], sep[kept]


def _parts(points: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """`points` in pieces of about `_PAIRS_AT_ONCE` pairs, one point at least."""
    if len(points):
        piece = (np.cumsum(counts) - 1) // _PAIRS_AT_ONCE
        yield from np.split(points, np.flatnonzero(np.diff(piece)) + 1)
