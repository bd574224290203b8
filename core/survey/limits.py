"""Pixel limits a band over a whole survey, from a bounded, repeatable sample of its objects."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SAMPLE_OBJECTS = 2048
"""Objects measured; the 99.9th percentile of the peaks then has two objects above it."""

_ROOM_BYTES = 160 * 1024 * 1024

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""

SPIKE = 20.0
"""A pixel counts for no more than this many times what the third brightest of its neighbours has
above the sky: a cosmic ray, a hot pixel or a hot column has less, the core of a star that is
sampled by a pixel (FWHM) and more has enough."""

GAP = 100.0
"""A few objects this much brighter than all others are artefacts or saturated stars, which would
leave the others no room in a stretch."""

_ABSURD_GAP = 1e6
"""No detector sees so much in one survey without anything in between: fill values, 1e38."""

_CANDIDATES = 64

_MASK_64 = (1 << 64) - 1


@dataclass(frozen=True)
class BandLimits:
    """Sky level, upper limit and sky noise, one number a band (see `Manifest`)."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    sigma: tuple[float, ...]


class LimitsSample:
    """Collects sky level, peak and noise of up to `SAMPLE_OBJECTS` objects, whatever the number.

    Which objects are measured depends on their row alone (the rows with the smallest mixed
    number), so that batch sizes do not show in the result and no generator has to be seeded.
    """

    def __init__(self, size: int = SAMPLE_OBJECTS) -> None:
        self._size = size
        self._kept: list[tuple[int, int, np.ndarray]] = []
        self._measures_late = False

    def offer(self, row: int, image: np.ndarray) -> None:
        """Take in the image (band, y, x) of `row` if the row is among the sample."""
        priority = -_mixed(row)  # the heap keeps the smallest numbers by dropping its lowest
        if not self._kept:
            # Most of those that are taken in are dropped again for a later one: where there is
            # room for the pictures, they are measured when the sample is complete.
            self._measures_late = image.nbytes * self._size <= _ROOM_BYTES
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, (priority, row, self._taken(image)))
        elif priority > self._kept[0][0]:
            heapq.heapreplace(self._kept, (priority, row, self._taken(image)))

    def _taken(self, image: np.ndarray) -> np.ndarray:
        return image.copy() if self._measures_late else _measured(image)

    def limits(self, n_bands: int, dtype: str) -> BandLimits:
        """The limits of the objects offered so far.

        A band whose sky does not vary is given the noise of rounding to whole numbers (uint8)
        or the smallest noise that keeps divisions finite, so that `sigma` is always > 0.
        """
        kept = [taken for _priority, _row, taken in sorted(self._kept, key=lambda k: k[1])]
        rows = [_measured(taken) for taken in kept] if self._measures_late else kept
        table = np.stack(rows) if rows else np.empty((0, 3, n_bands))
        low, high, sigma = [], [], []
        for band in range(n_bands):
            values = table[:, :, band]
            values = values[np.isfinite(values).all(axis=1)]
            if len(values) == 0:
                values = np.array([[0.0, 1.0, 0.0]])
            sky = float(np.median(values[:, 0]))
            noise = float(np.median(values[:, 2]))
            peak = float(np.percentile(_plausible(values[:, 1], sky, noise), 99.9))
            if dtype == "uint8":
                sky, peak, noise = 0.0, 255.0, max(noise, 12**-0.5)
            else:
                smallest = max(1e-6 * abs(peak - sky), 1e-6 * abs(sky), 1e-30)
                noise = max(noise, smallest)
                peak = max(peak, sky + noise)
            low.append(sky)
            high.append(peak)
            sigma.append(noise)
        return BandLimits(tuple(low), tuple(high), tuple(sigma))


def _plausible(peaks: np.ndarray, sky: float, noise: float) -> np.ndarray:
    """The peaks of the objects without those that are artefacts, by the gap below them."""
    peaks = np.sort(peaks)
    count, least = len(peaks), max(noise, 1e-30)
    above = np.maximum(peaks - sky, least)
    number = np.arange(1, count)
    gap = above[1:] / above[:-1]
    gap[above[:-1] <= least] = 1.0  # a noiseless survey may have nothing beside its few objects
    few, more = number >= count - count // 50, number >= count - max(1, count // 4)
    wide = np.flatnonzero((few & (gap > GAP)) | (more & (gap > _ABSURD_GAP)))
    return peaks[: wide[0] + 1] if len(wide) else peaks


def _measured(image: np.ndarray) -> np.ndarray:
    """Sky level, peak and sky noise a band, (3, band) float64, NaN where nothing is finite.

    The sky is read off the outer frame (an eighth of the side): the object sits in the middle.
    """
    if image.dtype == np.uint8:
        return _measured_bytes(image)
    n_bands, side = image.shape[0], image.shape[-1]
    frame = np.ones(image.shape[1:], dtype=bool)
    width = max(1, side // 8)
    frame[width:-width, width:-width] = False
    result = np.full((3, n_bands), np.nan)
    for band, plane in enumerate(image):
        finite = plane[np.isfinite(plane)].astype(np.float64)
        if finite.size == 0:
            continue
        sky = plane[frame & np.isfinite(plane)].astype(np.float64)
        sky = sky if sky.size else finite
        level = np.median(sky)
        noise = _MAD_TO_SIGMA * np.median(np.abs(sky - level))
        if noise == 0:
            noise = sky.std()
        result[:, band] = level, _peak(plane, level), noise
    return result


def _peak(plane: np.ndarray, level: float) -> float:
    """The brightest pixel of a plane (y, x), spikes cut down; see `SPIKE`."""
    flat = np.where(np.isfinite(plane), plane, -np.inf).ravel()
    if min(plane.shape) < 2:
        return float(flat.max())
    padded = np.pad(plane.astype(np.float64), 1, constant_values=np.nan)
    padded = np.where(np.isfinite(padded), padded - level, -np.inf)
    around = np.array([padded.shape[1] * y + x for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x])

    def cut(places: np.ndarray) -> np.ndarray:
        y, x = np.divmod(places, plane.shape[1])
        inner = (y + 1) * padded.shape[1] + x + 1
        values = padded.ravel()
        third = np.partition(values[inner[:, None] + around], -3, axis=1)[:, -3]
        return np.minimum(values[inner], SPIKE * np.maximum(third, 0))

    count = min(_CANDIDATES, flat.size)
    first = np.argpartition(flat, -count)[-count:]
    best = cut(first).max()
    if best < flat[first].min() - level:  # what is not among the brightest may be more
        best = cut(np.arange(flat.size)).max()
    return float(level + best)


def _measured_bytes(image: np.ndarray) -> np.ndarray:
    """The same by counting: 8-bit pixels have 256 values."""
    n_bands = len(image)
    planes = image.reshape(n_bands, -1)
    offsets = 256 * np.arange(n_bands)[:, None]
    sky = planes[:, _frame(image.shape[-1])] + offsets
    counts = np.bincount(sky.ravel(), minlength=256 * n_bands).reshape(n_bands, 256)
    values = np.arange(256.0)
    level = _medians(np.broadcast_to(values, counts.shape), counts)
    away = np.abs(values - level[:, None])
    order = np.argsort(away, axis=1, kind="stable")
    noise = _MAD_TO_SIGMA * _medians(
        np.take_along_axis(away, order, 1), np.take_along_axis(counts, order, 1)
    )
    for band in np.flatnonzero(noise == 0):
        mean = np.average(values, weights=counts[band])
        noise[band] = np.sqrt(np.average((values - mean) ** 2, weights=counts[band]))
    return np.stack([level, planes.max(axis=1).astype(np.float64), noise])


@lru_cache(maxsize=8)
def _frame(side: int) -> np.ndarray:
    """Indices of the outer frame (an eighth of the side) among the pixels of a plane."""
    width = max(1, side // 8)
    frame = np.ones((side, side), dtype=bool)
    frame[width:-width, width:-width] = False
    return np.flatnonzero(frame)


def _medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The median of each row of `values`, sorted, that occur `counts` times."""
    ends = np.cumsum(counts, axis=1)
    total = ends[:, -1:]
    low = (ends < (total - 1) // 2 + 1).sum(axis=1, keepdims=True)
    high = (ends < total // 2 + 1).sum(axis=1, keepdims=True)
    both = np.take_along_axis(values, low, 1) + np.take_along_axis(values, high, 1)
    return np.asarray(both[:, 0] / 2)


def _mixed(row: int) -> int:
    """SplitMix64 of the row (Steele, Lea & Flood 2014): as good as random, always the same."""
    z = (row + 1) * 0x9E3779B97F4A7C15 & _MASK_64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK_64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK_64
    return z ^ (z >> 31)
