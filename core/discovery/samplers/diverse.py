"""Diverse: rows that differ most from one another, no answers needed."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "diverse",
    needs=Need.DETECTOR,
    detector="farthest_first",
    description="those that differ most from one another (farthest first)",
)
def diverse(pool: Pool, n: int) -> Draw:
    """Score = the distance of a row to those before it in the farthest-first order."""
    return top_draw(pool, pool.detector_scores["farthest_first"], n)
