"""Random: every row with the same probability; the bare baseline."""

from __future__ import annotations

import numpy as np

from core.discovery.pool import Draw, Pool, drawable_scores
from core.discovery.registry import Need, register_sampler


@register_sampler("random", needs=Need.NOTHING, description="objects at random")
def random(pool: Pool, n: int) -> Draw:
    """Score = a uniform number in [0, 1); each of the U drawable rows is drawn with n / U."""
    scores = drawable_scores(pool, pool.rng.random(len(pool.embedding), dtype=np.float32))
    n = min(n, len(pool.unlabelled))
    order = np.argsort(-scores[pool.unlabelled], kind="stable")[:n]
    share = n / max(len(pool.unlabelled), 1)
    return Draw(scores, pool.unlabelled[order].astype(np.int64), np.full(n, share))
