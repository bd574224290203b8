"""Random: every row with the same probability; the bare baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler("random", needs=Need.NOTHING, description="objects at random")
def random(pool: Pool, n: int) -> Draw:
    """Score = a uniform number in [0, 1), highest first: each of the U drawable rows comes first
    with 1 / U, each of those left second with 1 / (U - 1), and so on."""
    draw = top_draw(pool, pool.rng.random(len(pool.embedding), dtype=np.float32), n)
    left = len(pool.unlabelled) - np.arange(len(draw.rows))
    return replace(draw, probabilities=1 / left)
