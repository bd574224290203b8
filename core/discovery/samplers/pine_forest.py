"""PineForest: the isolation trees that agree with the answers (coniferest, SNAD)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

if TYPE_CHECKING:
    from coniferest.coniferest import Coniferest

_SUBSAMPLES = 256


@register_sampler(
    "pine_forest",
    needs=Need.NOTHING,
    description="the oddest first, by the isolation trees that agree with the answers"
    " (PineForest)",
)
def pine_forest(pool: Pool, n: int) -> Draw:
    """Score = that of the 100 of 500 isolation trees that set targets apart with the fewest cuts
    and other answers with the most; of 100 trees as they come while nothing is answered.

    The settings are the package's. Its own sessions keep the trees chosen before among the 500;
    here the forest is grown anew, so that the answers alone decide what is shown.
    """
    from coniferest.pineforest import PineForest

    if not len(pool.unlabelled):
        return top_draw(pool, np.zeros(len(pool.columns)), n)
    return top_draw(pool, forest_scores(PineForest(**settings(pool)), pool), n)


def settings(pool: Pool) -> dict[str, int]:
    """What every forest of the package is told: a tree cannot see more rows than there are."""
    return {
        "n_subsamples": max(2, min(_SUBSAMPLES, len(pool.columns))),
        "n_jobs": 2,
        "random_seed": int(pool.rng.integers(2**31)),
    }


def forest_scores(forest: Coniferest, pool: Pool) -> np.ndarray:
    """(N,) scores of a forest taught the answers, higher = odder."""
    from coniferest.label import Label

    columns = pool.columns
    if len(columns) < 2:
        return np.zeros(len(columns))  # a single row is set apart by nothing
    labels = np.where(pool.is_find, int(Label.ANOMALY), int(Label.REGULAR))
    if len(labels):
        forest.fit_known(columns, columns[pool.labelled], labels)
    else:
        forest.fit(columns)
    return -np.asarray(forest.score_samples(columns))
