"""Most likely: the greedy search for the target."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "most_likely",
    needs=Need.TARGET,
    description="the most likely to be the target first",
)
def most_likely(pool: Pool, n: int) -> Draw:
    """Score = P(target)."""
    return top_draw(pool, pool.probabilities[:, pool.target], n)
