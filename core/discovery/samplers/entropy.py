"""Entropy: the rows whose class probabilities are most spread (Shannon 1948)."""

from __future__ import annotations

from scipy.special import entr

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "entropy",
    needs=Need.BOTH_CLASSES,
    description="first those whose class probabilities are most spread",
)
def entropy(pool: Pool, n: int) -> Draw:
    """Score = -sum_c P(c) ln P(c), in nats; a class of probability 0 adds 0."""
    return top_draw(pool, entr(pool.probabilities).sum(axis=1), n)
