"""Anomaly by part: the oddest rows of each part of the embedding in turn, no answers needed."""

from __future__ import annotations

import numpy as np

from core.discovery.pool import Draw, Pool, drawable_scores
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "anomaly_by_part",
    needs=Need.NOTHING,
    description="the oddest of each part of the embedding in turn (isolation forest)",
)
def anomaly_by_part(pool: Pool, n: int) -> Draw:
    """Score = 1 / (1 + the best place of a row in the orders of the parts), by the isolation
    forest on the columns of each part (of the whole, where the embedding has no parts); of rows
    with equal best places that of the earlier part comes first.

    In a fusion a part of many columns outvotes one of few; here each has its turn.
    """
    names = [f"isolation_forest/{part}" for part in pool.parts] or ["isolation_forest"]
    own = pool.unlabelled
    best = np.full(len(own), np.inf)
    for number, name in enumerate(names):
        order = np.argsort(-pool.detected(name)[own], kind="stable")
        place = np.empty(len(own))
        place[order] = np.arange(len(own)) + number / len(names)
        np.minimum(best, place, out=best)
    scores = np.zeros(len(pool.embedding))
    scores[own] = 1 / (1 + best)
    first = np.argsort(best, kind="stable")[:n]
    return Draw(drawable_scores(pool, scores), own[first].astype(np.int64), np.ones(len(first)))
