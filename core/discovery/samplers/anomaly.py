"""Anomaly: the oddest rows of the whole survey, no answers needed."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "anomaly",
    needs=Need.DETECTOR,
    detector="isolation_forest",
    description="the oddest first (isolation forest)",
)
def anomaly(pool: Pool, n: int) -> Draw:
    """Score = the isolation forest's."""
    return top_draw(pool, pool.detector_scores["isolation_forest"], n)
