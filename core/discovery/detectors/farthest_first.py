"""Farthest first (Gonzalez 1985), the greedy k-centre cover of a survey."""

from __future__ import annotations

import numpy as np

from core.discovery.registry import register_detector

_CLIP = 2.0
"""Standard deviations. Unclipped, the order is that of the few wildest values; clipped, it
met rare classes inside the cloud in two thirds of the answers and outliers as soon."""

_CANDIDATES = 20_000
_CENTRES = 512
_CHUNK = 65_536


@register_detector(
    "farthest_first", description="different is what is far from all that came before it"
)
def farthest_first(values: np.ndarray, unseen: np.ndarray, seed: int) -> np.ndarray:
    """Score a row by its distance to the centres chosen before it.

    The first centre is the row nearest the mean; each next one is the row farthest from all
    centres so far, up to 512 of them. A centre's score is that distance when it was chosen, so
    the scores fall along the order and taking rows by score repeats it. Any other row has its
    distance to the nearest of all centres, no more than the last centre's. Rows that lack
    something (`unseen`) stay as far from the rest as the flag column says, unclipped, so that
    one of them comes early. Above 20,000 rows the centres are chosen among that many, drawn
    with `seed`.
    """
    n = len(values)
    candidates = np.arange(n)
    if n > _CANDIDATES:
        rng = np.random.default_rng(seed)
        candidates = np.sort(rng.choice(n, _CANDIDATES, replace=False))
    points = _clipped(values[candidates], unseen[candidates])
    norms = np.einsum("ij,ij->i", points, points)
    # The first centre gets more than any distance can be, so that it leads the order.
    first = int(norms.argmin())
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    centres: list[int] = [first]
    radii: list[float] = [4.0 * float(norms.max()) + 1.0]
    while len(centres) < min(_CENTRES, len(points)):
        last = centres[-1]
        distance = norms + norms[last] - 2 * (points @ points[last])
        np.minimum(nearest, np.maximum(distance, 0), out=nearest)
        nearest[last] = -1  # chosen
        following = int(nearest.argmax())
        if nearest[following] <= 1e-5 * radii[0]:
            break  # only copies of centres are left
        radii.append(float(nearest[following]))
        centres.append(following)

    chosen = points[centres]
    squared = np.empty(n, dtype=np.float32)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        block = _clipped(values[part], unseen[part])
        own = np.einsum("ij,ij->i", block, block)[:, None]
        squared[part] = (own + norms[centres] - 2 * (block @ chosen.T)).min(axis=1)
    # Strictly below the last centre, or a tie would break the order.
    squared = np.clip(squared, 0, 0.999 * radii[-1])
    squared[candidates[centres]] = radii
    return np.sqrt(squared)


def _clipped(values: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    points = np.clip(values, -_CLIP, _CLIP)
    points[unseen, -1] = values[unseen, -1]
    return points
