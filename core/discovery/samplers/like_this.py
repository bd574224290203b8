"""Like this: the rows nearest to given ones, or to the finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

LIKE_THIS = "like_this"

_CHUNK = 65_536
_GIVEN = 256


@register_sampler(LIKE_THIS, needs=Need.TARGET, description="those most like a find first")
def like_this(pool: Pool, n: int) -> Draw:
    """Score = minus the distance to the nearest find."""
    return similar_first(pool, pool.labelled[pool.is_find].tolist(), n)


def similar_first(pool: Pool, rows: Sequence[int], n: int) -> Draw:
    """The `n` drawable rows nearest to any of `rows`, which need not be answered.

    Score = minus the Euclidean distance in the whitened embedding to the nearest of them.
    """
    scores = -nearest_distance(pool.embedding, np.asarray(rows, dtype=np.int64))
    return top_draw(pool, scores, n)


def nearest_distance(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(N,) float32: distance of each row of (N, D) `values` to the nearest of `rows`, one or more;
    exactly 0 for these."""
    squared = np.full(len(values), np.inf, dtype=np.float32)
    for first in range(0, len(rows), _GIVEN):
        given = values[rows[first : first + _GIVEN]]
        norms = np.einsum("ij,ij->i", given, given)
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            own = np.einsum("ij,ij->i", part, part)
            apart = (own[:, None] + norms - 2 * (part @ given.T)).min(axis=1)
            np.minimum(squared[start : start + _CHUNK], apart, out=squared[start : start + _CHUNK])
    squared[rows] = 0
    return np.sqrt(np.maximum(squared, 0))
