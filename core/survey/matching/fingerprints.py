"""Fingerprints of pictures: equal for equal pixels, and close for nearly equal pictures.

Galaxies in the middle of their cutouts look much alike at low resolution, so that the usual
perceptual hashes (the signs of the lowest cosine terms) confuse them by the thousand. Here what
depends on the distance from the centre alone is taken out first; what is left is structure,
neighbours and noise, which two pictures share only if they come from the same exposure.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

__all__ = ["N_BITS", "Fingerprints", "alikeness", "close_pairs", "fingerprint"]

SIDE = 32
"""Pictures are compared at this many pixels a side."""

N_BITS = 64

_LOWEST = 2.5
"""Cosine terms below this radial frequency tell of the background's slope, not of the object."""

_MOST_COMPARISONS = 20_000_000_000


class Fingerprints:
    """What is kept of every picture of a survey: 25 bytes an object.

    Attributes
    ----------
    digests
        (N, 2) uint64, equal for equal pixels.
    hashes
        (N,) uint64; the number of bits in which two differ says how different they are.
    seen
        (N,) True where there is a picture with any contrast; the others have no fingerprint.
    """

    def __init__(self, n: int) -> None:
        self.digests = np.zeros((n, 2), np.uint64)
        self.hashes = np.zeros(n, np.uint64)
        self.seen = np.zeros(n, bool)

    def put(self, start: int, images: np.ndarray, present: np.ndarray) -> None:
        """Take in the pictures (object, band, y, x) of the rows from `start` on."""
        for place in np.flatnonzero(present).tolist():
            image = np.ascontiguousarray(images[place])
            finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image
            if finite.size == 0 or finite.min() == finite.max():
                continue
            self.seen[start + place] = True
            digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            self.digests[start + place] = np.frombuffer(digest, np.uint64)
        usable = np.flatnonzero(self.seen[start : start + len(images)])
        if len(usable):
            self.hashes[start + usable] = fingerprint(images[usable])


def fingerprint(images: np.ndarray) -> np.ndarray:
    """(B,) uint64 perceptual hashes of pictures (B, band, y, x)."""
    signs = _stretched(images) @ _terms() > 0
    return np.packbits(signs, axis=1, bitorder="little").view(np.uint64)[:, 0]


def alikeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike pictures are, pair by pair: the lesser of two correlations, (B,), up to 1.

    one, other : (B, band, y, x). Compared are the pictures as they are, at 32 pixels a side, and
    what is left of them without their round part.
    """
    found = [_correlation(a, b) for a, b in zip(_thumbnails(one), _thumbnails(other), strict=True)]
    return np.minimum(*found)


def close_pairs(hashes: np.ndarray, most_bits: int) -> tuple[np.ndarray, bool]:
    """Pairs of different hashes that differ in up to `most_bits` bits.

    hashes : (K,) distinct uint64. Returns ((P, 2) places, a < b; whether all pairs were looked
    at). Of `most_bits` + 1 bands of the bits one at least is the same in both (the pigeonhole
    principle), so that only hashes that share a band are compared: seconds for a million.
    """
    n_bands = most_bits + 1
    edges = np.linspace(0, N_BITS, n_bands + 1).astype(int)
    pairs = []
    left = _MOST_COMPARISONS
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        keys, values = band[order], hashes[order]
        active = np.arange(len(order))
        for step in range(1, len(order)):
            active = active[active + step < len(order)]
            active = active[keys[active] == keys[active + step]]
            left -= len(active)
            if not len(active) or left < 0:
                break
            bits = np.bitwise_count(values[active] ^ values[active + step])
            close = active[bits <= most_bits]
            if len(close):
                pairs.append(np.stack([order[close], order[close + step]], axis=1))
    if not pairs:
        return np.empty((0, 2), np.intp), left >= 0
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0), left >= 0


def _thumbnails(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, SIDE * SIDE) stretched pictures, and what is left of them without their round part."""
    stretched = _stretched(images)
    return stretched, stretched - stretched @ _round_part()


def _stretched(images: np.ndarray) -> np.ndarray:
    """(B, SIDE * SIDE): the sum of the bands, made small, in an inverse hyperbolic sine."""
    summed = _summed(images)
    rows = _shrinking(images.shape[2]), _shrinking(images.shape[3])
    small = rows[0] @ summed @ rows[1].T
    flat = small.reshape(len(small), -1)
    middle = np.median(flat, axis=1, keepdims=True)
    spread = np.median(np.abs(flat - middle), axis=1, keepdims=True)
    # A picture whose larger part is of one value has no noise to measure by.
    bare = spread <= 1e-6 * np.ptp(flat, axis=1, keepdims=True)
    spread = np.where(bare, flat.std(axis=1, keepdims=True), spread)
    return np.arcsinh((flat - middle) / np.where(spread > 0, 3 * spread, 1.0))


def _summed(images: np.ndarray) -> np.ndarray:
    """(B, y, x) float64; a missing pixel counts as the middle of its picture."""
    if images.dtype.kind != "f":
        return np.asarray(images.sum(axis=1, dtype=np.float64))
    images = images.astype(np.float64)
    bad = ~np.isfinite(images)
    if bad.any():
        for place in np.flatnonzero(bad.any(axis=(1, 2, 3))).tolist():
            for band, hidden in zip(images[place], bad[place], strict=True):
                band[hidden] = 0.0 if hidden.all() else np.median(band[~hidden])
    # Single precision ends at 3e38; a sum of such pixels still fits.
    return np.asarray(images.sum(axis=1))


@lru_cache(maxsize=32)
def _shrinking(side: int) -> np.ndarray:
    """(SIDE, side) weights that average a line of pixels over the area of the new ones."""
    edges = np.linspace(0, side, SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(side)[None, :]
    shared = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return np.asarray(shared / shared.sum(axis=1, keepdims=True))


@lru_cache(maxsize=1)
def _round_part() -> np.ndarray:
    """(SIDE², SIDE²): takes the mean over each ring around the centre."""
    at = np.arange(SIDE) - (SIDE - 1) / 2
    ring = np.hypot(at[:, None], at[None, :]).ravel().round().astype(int)
    same = (ring[:, None] == ring[None, :]).astype(np.float64)
    return np.asarray(same / same.sum(axis=1, keepdims=True))


@lru_cache(maxsize=1)
def _terms() -> np.ndarray:
    """(SIDE², N_BITS): the lowest two-dimensional cosine terms above `_LOWEST`, of a picture
    without its round part."""
    at = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    lines = np.cos(np.arange(SIDE)[:, None] * at[None, :])
    v, u = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(u, v).ravel()
    order = np.lexsort((u.ravel(), radius))
    chosen = order[radius[order] >= _LOWEST][:N_BITS]
    cosines = np.stack([np.outer(lines[k // SIDE], lines[k % SIDE]).ravel() for k in chosen])
    return np.asarray((cosines - cosines @ _round_part()).T)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(size > 0, (one * other).sum(axis=1) / np.where(size > 0, size, 1), 0.0)
