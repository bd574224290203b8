"""Extra-trees and, a third as heavy, a logistic regression: steadier than either alone."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import VotingClassifier

from core.discovery.learners.extra_trees import extra_trees
from core.discovery.learners.logistic import logistic
from core.discovery.registry import register_learner

WEIGHTS = (1.0, 3.0)
"""Of the regression and the trees. As heavy as the trees, it outvotes them: its probabilities lie
near 0 and 1, theirs between."""

REGULARISATION_C = 0.01
"""Smaller than that of the regression alone: with a handful of finds among rows that stand in for
others it must not follow each of 64 columns."""


@register_learner(
    "averaged", description="extra-trees and, a third as heavy, a logistic regression"
)
def averaged(seed: int) -> Any:
    """The weighted mean of the two P(class). The trees bend, the regression orders what the trees
    tie. The area of the finds curve on nine development sets: docs/discovery.md."""
    members = [
        ("logistic", logistic(seed).set_params(C=REGULARISATION_C)),
        ("extra_trees", extra_trees(seed)),
    ]
    return VotingClassifier(members, voting="soft", weights=list(WEIGHTS))
