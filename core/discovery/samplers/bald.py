"""BALD: the rows whose answer would tell most about the model (Houlsby et al. 2011)."""

from __future__ import annotations

import numpy as np

from core.discovery.committee import entropy_of
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.posterior import posterior_members
from core.discovery.registry import Need, register_sampler

N_DRAWS = 32
"""Models drawn from the posterior."""


@register_sampler(
    "bald",
    needs=Need.BOTH_CLASSES,
    description="first those whose answer would teach the model most",
)
def bald(pool: Pool, n: int) -> Draw:
    """Score = H[mean P(class)] - mean H[P(class)] over models of the posterior, in nats.

    The mutual information between a row's answer and the weights of a logistic regression,
    whatever learner ranks the survey, over 32 draws from its Laplace posterior
    (`posterior_members`). Probabilities are 1, given these.
    """
    members = posterior_members(pool.embedding[pool.labelled], pool.answers, N_DRAWS, pool.rng)
    scores = np.empty(len(pool.embedding), dtype=np.float32)
    for part, chances in members.probabilities(pool.embedding):
        scores[part] = entropy_of(chances.mean(axis=1)) - entropy_of(chances).mean(axis=1)
    return top_draw(pool, scores, n)
