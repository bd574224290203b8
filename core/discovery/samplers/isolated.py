"""Isolated: the rows whose neighbours are farthest, no answers needed."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "isolated",
    needs=Need.DETECTOR,
    detector="knn_distance",
    description="those farthest from their neighbours first",
)
def isolated(pool: Pool, n: int) -> Draw:
    """Score = mean distance to the nearest neighbours."""
    return top_draw(pool, pool.detector_scores["knn_distance"], n)
