"""Consensus divergence: the rows where one of a committee contradicts the rest."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from core.discovery.committee import fit_committee, stacked
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler


@register_sampler(
    "consensus_kl",
    needs=Need.BOTH_CLASSES,
    description="first those where one learner of a committee contradicts the others most",
)
def consensus_kl(pool: Pool, n: int) -> Draw:
    """Score = max over members m of sum_c P_m(c) ln(P_m(c) / mean P(c)), in nats.

    The Kullback-Leibler divergence of a member from the consensus (McCallum & Nigam 1998), the
    largest one as in modAL; the mean of all is what `bald` measures. The members learnt from
    bootstraps of the answers (`fit_committee`). Probabilities are 1, given the committee.
    """
    members = stacked(fit_committee(pool))
    scores = np.empty(len(pool.embedding), dtype=np.float32)
    for part, chances in members.probabilities(pool.embedding):
        consensus = chances.mean(axis=1)
        divergence = np.zeros(chances.shape[:2], dtype=np.float32)
        for k in range(chances.shape[2]):
            own = chances[..., k]
            divergence += xlogy(own, own) - own * _log(consensus[:, k])[:, None]
        scores[part] = divergence.max(axis=1)
    return top_draw(pool, scores, n)


def _log(consensus: np.ndarray) -> np.ndarray:
    """ln, and 0 where the mean is 0: so is every member's probability there."""
    return np.log(np.where(consensus > 0, consensus, 1))
