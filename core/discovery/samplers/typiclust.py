"""TypiClust: typical rows of the groups that have no answer yet (Hacohen et al. 2022)."""

from __future__ import annotations

import numpy as np

from core.discovery.clustering import k_means, nearest_centre
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

MAX_CLUSTERS = 500
"""As in the paper."""

SMALL = 5
"""Clusters of so few rows come after all others, for their most typical row says little; the
paper drops them."""

NEIGHBOURS = 20
"""Nearest rows of the same cluster whose mean distance says how typical a row is."""

_SAMPLE = 16_384
_CENTRAL = 128
_AROUND = 4_096


@register_sampler(
    "typiclust",
    needs=Need.NOTHING,
    description="the typical ones of the largest groups without an answer",
)
def typiclust(pool: Pool, n: int) -> Draw:
    """Score = minus the row's place in the order described here.

    K-means parts the labelled and drawable rows into as many clusters as there are answers and
    rows to draw, at most 500. Clusters are taken in the order of fewest answers, then most rows;
    each gives its most typical row, then, in further turns, the next one. Typical is what lies
    close to its 20 nearest neighbours among the drawable rows of its cluster (to half of the
    cluster where it is smaller).

    Bounds for large surveys: the centres are found on 16,384 rows drawn at random; in a cluster
    the typical are sought among the 128 rows nearest its centre, their neighbours among the
    4,096 nearest; the remaining rows, and clusters beyond the n-th, follow by distance to the
    centre. Probabilities are 1, given the centres: those begin by chance.
    """
    own, values = pool.unlabelled, pool.embedding
    n = min(n, len(own))
    if n == 0:
        return top_draw(pool, np.zeros(len(values), dtype=np.float32), 0)
    members = np.concatenate([pool.labelled, own])
    k = min(len(pool.labelled) + n, MAX_CLUSTERS, len(members))
    if len(members) > _SAMPLE:
        members = np.sort(pool.rng.choice(members, _SAMPLE, replace=False))
    cluster, squared = nearest_centre(values, k_means(values[members], k, pool.rng))
    answered = np.bincount(cluster[pool.labelled], minlength=k)
    drawable = np.bincount(cluster[own], minlength=k)
    size = answered + drawable
    place = np.empty(k, dtype=np.int64)
    place[np.lexsort((-size, answered, size <= SMALL, drawable == 0))] = np.arange(k)

    # Drawable rows by cluster, the ones nearest its centre first; `turn` counts within each.
    sorted_rows = own[np.lexsort((squared[own], cluster[own]))]
    ends = np.cumsum(drawable)
    starts = ends - drawable
    turn = np.arange(len(own)) - starts[cluster[sorted_rows]]
    for start, end in zip(starts[place < n].tolist(), ends[place < n].tolist(), strict=True):
        if end > start:
            central = _by_typicality(values[sorted_rows[start : min(end, start + _AROUND)]])
            turn[start + central] = np.arange(len(central))
    ranked = sorted_rows[np.lexsort((place[cluster[sorted_rows]], turn))]
    scores = np.full(len(values), np.nan, dtype=np.float32)
    scores[ranked] = -np.arange(len(ranked), dtype=np.float32)
    return Draw(scores, ranked[:n].astype(np.int64), np.ones(n))


def _by_typicality(points: np.ndarray) -> np.ndarray:
    """(P,) int: the places of the first `_CENTRAL` points, most typical first.

    points : (Q, D) float32, all that may be neighbours, the ones nearest the centre first
    """
    first = points[:_CENTRAL]
    norms = np.einsum("ij,ij->i", points, points)
    squared = norms[: len(first), None] + norms - 2 * (first @ points.T)
    np.fill_diagonal(squared, np.inf)
    k = min(NEIGHBOURS, max(1, len(points) // 2))
    near = np.partition(squared, k - 1, axis=1)[:, :k]
    return np.argsort(np.sqrt(np.maximum(near, 0)).mean(axis=1), kind="stable")
