"""Which pixels belong to the object: the bright region nearest to the middle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.measure.morphology.quantities import Bools, Floats

THRESHOLD_SIGMA = 2.0
"""Of the light smoothed over 1 px, above its sky."""

LEAST_PIXELS = 5
"""A smaller region is noise."""

_MIDDLE = 0.15
"""Width of the weight that prefers the middle, as a share of the side."""

_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)
"""Pixels touch side by side, and never another object's picture."""


@dataclass(frozen=True)
class Regions:
    """The object's pixels among the others.

    Attributes
    ----------
    inside
        (B, y, x), True for pixels of the object.
    found
        (B,), False where nothing stands out of the sky.
    sources
        (B,) separate regions.
    neighbour
        (B,) light of the brightest other region over the object's; 0 without one.
    """

    inside: Bools
    found: Bools
    sources: NDArray[np.int64]
    neighbour: NDArray[np.float64]


def find_regions(smooth: Floats, noise: Floats) -> Regions:
    """Regions of smoothed pictures (B, y, x) brighter than `THRESHOLD_SIGMA` of noise (B,).

    The object is the region with most light weighted by nearness to the middle, so that it need
    not cover the middle itself, but a bright neighbour at the edge is not taken for it.
    """
    count = len(smooth)
    labels, n = ndimage.label(smooth > THRESHOLD_SIGMA * noise[:, None, None], _IN_PLANE)
    picture, pixel = np.nonzero(labels.reshape(count, -1))
    label = labels.reshape(count, -1)[picture, pixel]
    light = smooth.reshape(count, -1)[picture, pixel]
    nothing = np.zeros(count, np.int64)
    if n == 0:
        return Regions(
            np.zeros(smooth.shape, bool), nothing > 0, nothing, nothing.astype(np.float64)
        )
    near = _nearness(*smooth.shape[1:]).reshape(-1)[pixel]
    area = np.bincount(label, minlength=n + 1)
    total = np.bincount(label, light, minlength=n + 1)
    weighed = np.bincount(label, light * near, minlength=n + 1)
    owner = np.zeros(n + 1, np.int64)
    owner[label] = picture
    real = area >= LEAST_PIXELS
    real[0] = False
    kept = np.flatnonzero(real)
    best = np.zeros(count, np.int64)
    order = kept[np.lexsort((weighed[kept], owner[kept]))]
    best[owner[order]] = order  # the last of a picture has most
    found = best > 0
    others = kept[best[owner[kept]] != kept]
    brightest = np.zeros(count)
    np.maximum.at(brightest, owner[others], total[others])
    mine = np.where(found, total[best], 1.0)
    return Regions(
        labels == np.where(found, best, -1)[:, None, None],
        found,
        np.bincount(owner[kept], minlength=count),
        brightest / mine,
    )


@lru_cache(maxsize=8)
def _nearness(height: int, width: int) -> Floats:
    y = (np.arange(height) - (height - 1) / 2) / (_MIDDLE * height)
    x = (np.arange(width) - (width - 1) / 2) / (_MIDDLE * width)
    return np.exp(-0.5 * (y[:, None] ** 2 + x**2)).astype(np.float32)


@dataclass(frozen=True)
class Pixels:
    """Pixels of each object's region as rows of equal length, padded.

    Attributes
    ----------
    at
        (B, M) places in all the flattened pictures; the first pixel's in the padding.
    real
        (B, M), False in the padding.
    y, x
        (B, M) float32.
    """

    at: NDArray[np.int64]
    real: Bools
    y: Floats
    x: Floats

    @classmethod
    def of(cls, inside: Bools) -> Pixels:
        """From regions (B, y, x)."""
        count, _height, width = inside.shape
        picture, pixel = np.nonzero(inside.reshape(count, -1))
        n = np.bincount(picture, minlength=count)
        starts = np.cumsum(n) - n
        rank = np.arange(len(picture)) - starts[picture]
        at = np.zeros((count, max(1, int(n.max(initial=0)))), np.int64)
        real = np.zeros(at.shape, bool)
        at[picture, rank] = pixel
        real[picture, rank] = True
        y, x = np.divmod(at, width)
        at += np.arange(count)[:, None] * inside[0].size
        return cls(at, real, y.astype(np.float32), x.astype(np.float32))

    def by_size(self) -> Iterator[tuple[NDArray[np.int64], Pixels]]:
        """Objects of like size together, (K,) which and their pixels: one large object among
        small ones would have all of them padded to its size."""
        n = self.real.sum(axis=1)
        widest = self.at.shape[1]
        bounds = [-1, *(widest // share for share in (16, 8, 4, 2)), widest]
        for low, high in pairwise(bounds):
            rows = np.flatnonzero((n > low) & (n <= high))
            if len(rows):
                part = (rows, slice(0, max(1, int(n[rows].max()))))
                yield rows, Pixels(self.at[part], self.real[part], self.y[part], self.x[part])

    def values(self, picture: Floats) -> Floats:
        """(B, M) of a picture (B, y, x); 0 in the padding."""
        taken: Floats = picture.reshape(-1).take(self.at)
        taken *= self.real
        return taken
