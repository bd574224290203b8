"""Margin: the rows whose two best classes are closest (Scheffer et al. 2001)."""

from __future__ import annotations

import numpy as np

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "margin",
    needs=Need.BOTH_CLASSES,
    description="first those whose two likeliest classes are closest",
)
def margin(pool: Pool, n: int) -> Draw:
    """Score = 1 - (P of the best class - P of the second best)."""
    last = pool.probabilities.shape[1] - 1
    two = np.partition(pool.probabilities, last - 1, axis=1)[:, last - 1 :]
    return top_draw(pool, 1 - (two[:, 1] - two[:, 0]), n)
