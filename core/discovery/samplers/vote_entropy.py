"""Vote entropy: the rows on which a committee is most divided (Dagan & Engelson 1995)."""

from __future__ import annotations

import numpy as np

from core.discovery.committee import entropy_of, fit_committee, stacked
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

TIE_BREAK = 1e-4
"""Below what could overrule the votes: the ways in which ten can be divided have entropies .0029
or more apart."""


@register_sampler(
    "vote_entropy",
    needs=Need.BOTH_CLASSES,
    description="first those on which a committee of learners is most divided",
)
def vote_entropy(pool: Pool, n: int) -> Draw:
    """Score = entropy in nats of the members' votes + 1e-4 x entropy of their mean P(class).

    The members learnt from bootstraps of the answers (`fit_committee`). Few members can divide
    in few ways, so the second term orders the many rows of equal votes. Probabilities are 1,
    given the committee.
    """
    members = stacked(fit_committee(pool))
    n_members, n_classes = members.offsets.shape
    scores = np.empty(len(pool.embedding), dtype=np.float32)
    for part, chances in members.probabilities(pool.embedding):
        votes = _argmax(chances)
        shares = np.stack([(votes == k).sum(axis=1) for k in range(n_classes)], axis=1)
        scores[part] = entropy_of(shares / n_members)
        scores[part] += TIE_BREAK * entropy_of(chances.mean(axis=1))
    return top_draw(pool, scores, n)


def _argmax(chances: np.ndarray) -> np.ndarray:
    """argmax over the last axis, the first of equals; fast where that axis is short."""
    best = chances[..., 0].copy()
    which = np.zeros(best.shape, dtype=np.int8 if chances.shape[-1] < 128 else np.int32)
    for k in range(1, chances.shape[-1]):
        better = chances[..., k] > best
        which[better] = k
        np.maximum(best, chances[..., k], out=best)
    return which
