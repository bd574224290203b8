"""k-centre: the rows farthest from all that was answered (Sener & Savarese 2018)."""

from __future__ import annotations

import numpy as np

from core.discovery.clustering import nearest_centre
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

CANDIDATES = 8_192
"""Rows looked at in each step of a round."""


@register_sampler(
    "k_centre",
    needs=Need.NOTHING,
    description="first those farthest from everything answered so far",
)
def k_centre(pool: Pool, n: int) -> Draw:
    """Score = distance to the nearest row answered or drawn before.

    The greedy core-set: each row drawn is the farthest from all rows answered and all drawn
    before it, in the whitened embedding. Before the first answer it begins with the row nearest
    the mean, whose score is the distance to the row farthest from it. Scores fall along the
    draw, and no other row has more than the last.

    Each round seeks among the 8,192 farthest rows. That loses nothing: distances only shrink, so
    that no other row can be the farthest while one of these is as far as the others were at the
    start of the round; then a new round begins. Nothing is left to chance.
    """
    own, values = pool.unlabelled, pool.embedding
    n = min(n, len(own))
    if n == 0:
        return top_draw(pool, np.zeros(len(values), dtype=np.float32), 0)
    chosen: list[int] = []  # places in `own`
    radii: list[float] = []  # squared
    if len(pool.labelled):
        squared = nearest_centre(values, values[pool.labelled])[1][own]
    else:
        mean = values[own].mean(axis=0, dtype=np.float64).astype(np.float32)
        first = int(nearest_centre(values, mean[None])[1][own].argmin())
        squared = nearest_centre(values, values[own[first], None])[1][own]
        chosen, radii = [first], [float(squared.max())]
        squared[first] = -1  # taken
    while len(chosen) < n:
        candidates, floor = np.arange(len(own)), 0.0
        if len(own) > CANDIDATES:
            order = np.argpartition(squared, len(own) - CANDIDATES)
            candidates = np.sort(order[-CANDIDATES:])
            floor = float(squared[order[:-CANDIDATES]].max())
        places, far = _farthest(
            values[own[candidates]], squared[candidates], n - len(chosen), floor
        )
        drawn = candidates[places]
        np.minimum(squared, nearest_centre(values, values[own[drawn]])[1][own], out=squared)
        chosen += drawn.tolist()
        radii += far
        squared[chosen] = -1
    squared[chosen] = radii
    scores = np.full(len(values), np.nan, dtype=np.float32)
    scores[own] = np.sqrt(np.maximum(squared, 0))
    return Draw(scores, own[chosen].astype(np.int64), np.ones(n))


def _farthest(
    points: np.ndarray, squared: np.ndarray, n: int, floor: float
) -> tuple[list[int], list[float]]:
    """Up to `n` of `points`, farthest first, and their squared distances when they were taken.

    squared : (P,) squared distances to what was taken before, -1 for points that are taken
    floor : stop where the farthest lies nearer than this; the first is taken all the same
    """
    nearest = squared.copy()
    norms = np.einsum("ij,ij->i", points, points)
    places: list[int] = []
    radii: list[float] = []
    while len(places) < n:
        best = int(nearest.argmax())
        if places and nearest[best] < floor:
            break
        places.append(best)
        radii.append(float(nearest[best]))
        distance = norms + norms[best] - 2 * (points @ points[best])
        taken = nearest < 0
        np.minimum(nearest, np.maximum(distance, 0), out=nearest)
        nearest[taken] = -1
        nearest[best] = -1
    return places, radii
