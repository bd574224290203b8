"""A new map laid over an old one, so that what a person knows is found where it was.

Orthogonal Procrustes with a scale (Schoenemann 1966; Gower & Dijksterhuis 2004): of all turns,
mirrorings, sizes and shifts the one with the least sum of squared distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput

__all__ = ["FEWEST_COMMON", "Aligned", "aligned"]

FEWEST_COMMON = 3
"""Objects of both maps, below which there is nothing to turn a map by."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """A map that was laid over another.

    Attributes
    ----------
    places
        (N, 2) float32: the new map, NaN where it was.
    n_common
        Objects with a place on both.
    moved
        How far a common object lies from where it was, in the middle (median), as a share of the
        old map's longer side; of maps with axes once both have one middle and one longer side, as
        they are drawn.
    """

    places: np.ndarray
    n_common: int
    moved: float


def aligned(places: np.ndarray, onto: np.ndarray, *, mirror_only: bool = False) -> Aligned | None:
    """`places` turned, mirrored, sized and shifted onto `onto`; None for too few common objects.

    places, onto: (N, 2), row-aligned, NaN for an object without a place on that map. mirror_only:
    the axes keep their meaning and their size, so that each is turned over or left; such a map is
    not shifted either.

    Raises
    ------
    BadInput
        Maps of another shape.
    """
    if places.shape != onto.shape or places.ndim != 2 or places.shape[1] != 2:
        raise BadInput(
            f"Two maps of the same objects have one shape (N, 2), but came {places.shape} and"
            f" {onto.shape}; match their objects first."
        )
    common = np.isfinite(places).all(axis=1) & np.isfinite(onto).all(axis=1)
    n_common = int(common.sum())
    if n_common < FEWEST_COMMON:
        return None
    new, old = places[common].astype(np.float64), onto[common].astype(np.float64)
    new_middle, old_middle = new.mean(axis=0), old.mean(axis=0)
    cross = (new - new_middle).T @ (old - old_middle)
    side = float((old.max(axis=0) - old.min(axis=0)).max())
    size = float(np.square(new - new_middle).sum())
    if not side > 0 or not size > 0:
        return None
    if mirror_only:
        signs = np.where(np.diag(cross) < 0, -1.0, 1.0)
        drawn, width = (new - new_middle) * signs, float(np.ptp(new, axis=0).max())
        moved = _moved(drawn / width, (old - old_middle) / side, 1.0)
        return Aligned((places * signs).astype(np.float32), n_common, moved)
    left, strengths, right = np.linalg.svd(cross)
    scale = float(strengths.sum()) / size
    if not scale > 0:
        return None
    laid = (places - new_middle) @ (left @ right) * scale + old_middle
    return Aligned(laid.astype(np.float32), n_common, _moved(laid[common], old, side))


def _moved(new: np.ndarray, old: np.ndarray, side: float) -> float:
    return float(np.median(np.linalg.norm(new - old, axis=1))) / side
