"""BADGE: uncertain rows that differ from one another (Ash et al. 2020)."""

from __future__ import annotations

import numpy as np

from core.discovery.clustering import spread_out
from core.discovery.pool import Draw, Pool, drawable_scores, top_draw
from core.discovery.registry import Need, register_sampler

CANDIDATES = 4_096
"""The least certain rows, among which the batch is drawn."""

_CHUNK = 65_536


@register_sampler(
    "badge",
    needs=Need.BOTH_CLASSES,
    description="uncertain ones that differ from one another",
)
def badge(pool: Pool, n: int) -> Draw:
    """Score = length of the row's gradient embedding g = (P - onehot(argmax P)) (x) (x, 1).

    g is the gradient that the likeliest class as an answer would give the last layer of a
    learner on the embedding x: long where P is spread. The first row drawn is the longest g;
    each next one is drawn with a probability in proportion to the squared distance of its g to
    the nearest drawn before (k-means++), among the 4,096 drawable rows of smallest max P (or 4 n,
    if more).

    Probabilities are those of each draw given the rows drawn before it, not over all that could
    have happened: they are adaptive and no inclusion probabilities.
    """
    chances, values = pool.probabilities, pool.embedding
    gradient = chances.copy()
    gradient[np.arange(len(gradient)), chances.argmax(axis=1)] -= 1
    squared = np.einsum("ij,ij->i", gradient, gradient)
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        squared[part] *= np.einsum("ij,ij->i", values[part], values[part]) + 1
    scores = drawable_scores(pool, np.sqrt(squared))
    n = min(n, len(pool.unlabelled))
    least_sure = top_draw(pool, 1 - chances.max(axis=1), max(CANDIDATES, 4 * n))
    candidates = np.sort(least_sure.rows)
    if n == 0:
        return Draw(scores, candidates[:0], np.empty(0))
    norms, own, x = squared[candidates], gradient[candidates], values[candidates]

    def squared_to(i: int) -> np.ndarray:
        # |a (x) x - b (x) y|^2 without the outer products
        both = (own @ own[i]) * (x @ x[i] + 1)
        return np.maximum(norms + norms[i] - 2 * both, 0)

    drawn, probabilities = spread_out(norms, squared_to, int(norms.argmax()), n, pool.rng)
    return Draw(scores, candidates[drawn], probabilities)
