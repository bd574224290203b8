"""k-means and its seeding, on the rows of an embedding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

_CHUNK = 8_192

_SAME = 1e-5
"""Squared distances below this share of the rows' squared norms are rounding."""


def spread_out(
    squared_norms: np.ndarray,
    squared_to: Callable[[int], np.ndarray],
    first: int,
    n: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Points far from one another by chance: the seeding of k-means++ (Arthur & Vassilvitskii
    2007).

    Each point after the first is drawn with a probability in proportion to its squared distance
    to the nearest point drawn before; once all others are copies of these, evenly.

    Parameters
    ----------
    squared_norms : (P,) of the points
    squared_to : gives the (P,) squared distances of all points to the i-th
    first : the point to begin with
    n : how many, at most P

    Returns
    -------
    points : (n,) int, in the order drawn
    probabilities : (n,) float, that of each draw given those before; 1 for the first
    """
    size = len(squared_norms)
    points = np.empty(n, dtype=np.int64)
    probabilities = np.ones(n)
    points[0] = first
    nearest = np.full(size, np.inf)
    is_left = np.ones(size, dtype=bool)
    for number in range(1, n):
        last = points[number - 1]
        is_left[last] = False
        distance = squared_to(int(last)).astype(np.float64)
        distance[distance <= _SAME * (squared_norms + squared_norms[last])] = 0
        np.minimum(nearest, distance, out=nearest)
        nearest[last] = 0
        weight = nearest if nearest.any() else is_left.astype(np.float64)
        running = np.cumsum(weight)
        # side="right": a point of weight 0 takes no room, so it is never hit.
        hit = int(np.searchsorted(running, rng.random() * running[-1], side="right"))
        points[number] = min(hit, int(np.flatnonzero(weight)[-1]))
        probabilities[number] = weight[points[number]] / running[-1]
    return points, probabilities


def nearest_centre(values: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) int, the nearest of `centres` to each row, and (N,) float32, its squared distance.

    values : (N, D) float32; centres : (K, D) float32, K at least 1
    """
    which = np.empty(len(values), dtype=np.int64)
    squared = np.empty(len(values), dtype=np.float32)
    half = np.einsum("ij,ij->i", centres, centres) / 2
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        block = values[part]
        # |x - c|^2 = |x|^2 + 2 (|c|^2 / 2 - x c)
        offset = half - block @ centres.T
        which[part] = offset.argmin(axis=1)
        least = np.take_along_axis(offset, which[part, None], axis=1)[:, 0]
        squared[part] = np.einsum("ij,ij->i", block, block) + 2 * least
    return which, np.maximum(squared, 0)


def k_means(
    points: np.ndarray, k: int, rng: np.random.Generator, max_steps: int = 20
) -> np.ndarray:
    """(k, D) float32 centres of `points` (Lloyd 1982), seeded as in k-means++.

    points : (P, D) float32, P at least k. A centre that loses all its points stays where it was.
    """
    norms = np.einsum("ij,ij->i", points, points)

    def squared_to(i: int) -> np.ndarray:
        return np.maximum(norms + norms[i] - 2 * (points @ points[i]), 0)

    seeds, _ = spread_out(norms, squared_to, int(rng.integers(len(points))), k, rng)
    centres = points[seeds].copy()
    last = np.full(len(points), -1)
    for _ in range(max_steps):
        which, _ = nearest_centre(points, centres)
        if (which == last).all():
            break
        last = which
        count = np.bincount(which, minlength=k)
        belongs = csr_array(
            (np.ones(len(points), np.float32), (which, np.arange(len(points)))),
            shape=(k, len(points)),
        )
        centres[count > 0] = (belongs @ points)[count > 0] / count[count > 0, None]
    return centres
