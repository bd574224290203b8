"""Least confident: the rows whose best class is least sure (Lewis & Gale 1994)."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler("uncertainty", needs=Need.BOTH_CLASSES, description="the least certain first")
def uncertainty(pool: Pool, n: int) -> Draw:
    """Score = 1 - max_c P(c)."""
    return top_draw(pool, 1 - pool.probabilities.max(axis=1), n)
