"""The mean of the logistic regression and the extra-trees: steadier than either alone."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import VotingClassifier

from core.discovery.learners.extra_trees import extra_trees
from core.discovery.learners.logistic import logistic
from core.discovery.registry import register_learner


@register_learner("averaged", description="mean of logistic regression and extra-trees")
def averaged(seed: int) -> Any:
    """Mean of the two P(class). The trees bend, the regression orders what the trees tie."""
    return VotingClassifier(
        [("logistic", logistic(seed)), ("extra_trees", extra_trees(seed))], voting="soft"
    )
