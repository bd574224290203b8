"""The mean of the logistic regression and the extra-trees: steadier than either alone."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import VotingClassifier

from core.discovery.learners.extra_trees import N_TREES, extra_trees
from core.discovery.learners.logistic import logistic
from core.discovery.registry import register_learner


@register_learner("averaged", description="mean of logistic regression and extra-trees")
def averaged(seed: int) -> Any:
    """Mean of the two P(class). The trees bend, the regression orders what the trees tie.

    Half the trees do: with 24 and 32 the area of the finds curve was the same (.808).
    """
    trees = extra_trees(seed).set_params(n_estimators=N_TREES // 2)
    return VotingClassifier([("logistic", logistic(seed)), ("extra_trees", trees)], voting="soft")
