"""Positive-unlabelled bagging: when only finds are trusted (Mordelet & Vert 2014)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.tree import ExtraTreeClassifier

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

_BAGS = 200
_LEAST = 32


@register_sampler(
    "positive_unlabelled",
    needs=Need.TARGET,
    description="first those that tell apart least from the finds, whatever else was answered"
    " (positive-unlabelled bagging)",
)
def positive_unlabelled(pool: Pool, n: int) -> Draw:
    """Score = the mean, over bags, of P(target) by a model of the finds against rows drawn at
    random from all others; of a row, only bags count that did not draw it.

    200 bags of as many other rows as there are finds, 32 at least; a model is one extremely
    randomised tree, both sides weighing the same. Answers other than the target are not used:
    their rows count among the others.

    Source: Mordelet & Vert 2014, algorithm 1 (arXiv 1010.0772).
    """
    found = pool.labelled[pool.is_find]
    if not len(found) or not len(pool.unlabelled):
        return top_draw(pool, np.zeros(len(pool.embedding)), n)
    return top_draw(pool, bagged_scores(pool.columns, found, pool.rng, _BAGS), n)


def bagged_scores(
    values: np.ndarray, found: np.ndarray, rng: np.random.Generator, n_bags: int
) -> np.ndarray:
    """(N,) float64 in 0 to 1: the mean score of each row over the bags without it; 0.5 where it
    was in all of them. values: (N, D) float32. found: (P,) rows of the finds, P >= 1; their own
    scores mean nothing."""
    others = np.setdiff1d(np.arange(len(values)), found)
    if not len(others):
        return np.full(len(values), 0.5)
    size = max(len(found), _LEAST)
    bags = others[rng.integers(len(others), size=(n_bags, size))]
    seeds = rng.integers(2**31, size=n_bags)

    def score(bag: np.ndarray, seed: int) -> np.ndarray:
        rows = np.concatenate([found, bag])
        is_find = np.arange(len(rows)) < len(found)
        tree = ExtraTreeClassifier(class_weight="balanced", random_state=int(seed))
        tree.fit(values[rows], is_find)
        return np.asarray(tree.predict_proba(values, check_input=False)[:, 1])

    total, count = np.zeros(len(values)), np.full(len(values), n_bags)
    with ThreadPoolExecutor(2) as threads:
        for bag, scores in zip(bags, threads.map(score, bags, seeds), strict=True):
            drawn = np.unique(bag)
            scores[drawn] = 0
            count[drawn] -= 1
            total += scores
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)
