"""AADForest: an isolation forest whose leaves are weighed by the answers (Das et al. 2017)."""

from __future__ import annotations

import numpy as np

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler
from core.discovery.samplers.pine_forest import forest_scores, settings


@register_sampler(
    "aad_forest",
    needs=Need.NOTHING,
    description="the oddest first, by isolation trees whose leaves the answers weigh (AADForest)",
)
def aad_forest(pool: Pool, n: int) -> Draw:
    """Score = that of coniferest's AADForest (arXiv 1708.09441) with the package's settings: the
    weights of the leaves nearest to equal ones that lift targets over a limit and keep other
    answers below it. All weights are equal while nothing is answered.
    """
    from coniferest.aadforest import AADForest

    if not len(pool.unlabelled):
        return top_draw(pool, np.zeros(len(pool.columns)), n)
    return top_draw(pool, forest_scores(AADForest(**settings(pool)), pool), n)
