"""The mean of four learners of different kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier

from core.discovery.answered import AnswersClassifier
from core.discovery.learners.extra_trees import N_TREES, extra_trees
from core.discovery.learners.kernel import kernel
from core.discovery.learners.logistic import logistic
from core.discovery.learners.neighbours import neighbours
from core.discovery.registry import register_learner


class Ensemble(AnswersClassifier):
    """Mean of P(class) by logistic regression, extra-trees, kernel machine and neighbours: a
    plane, boxes, a smooth surface and what is nearest."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        members = [
            ("logistic", logistic(self.seed)),
            ("extra_trees", extra_trees(self.seed).set_params(n_estimators=N_TREES // 2)),
            ("kernel", kernel(self.seed)),
            ("neighbours", neighbours(self.seed)),
        ]
        self.model_ = VotingClassifier(members, voting="soft").fit(X, answers)

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict_proba(X)


@register_learner("ensemble", description="mean of regression, trees, kernel and neighbours")
def ensemble(seed: int) -> Any:
    """See `Ensemble`."""
    return Ensemble(seed)
