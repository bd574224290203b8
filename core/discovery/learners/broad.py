"""Trees on all that is known of a row and, a third as heavy, a logistic regression on its lead."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from core.discovery.answered import settled_order
from core.discovery.learners.averaged import REGULARISATION_C, WEIGHTS
from core.discovery.learners.extra_trees import extra_trees
from core.discovery.learners.logistic import logistic
from core.discovery.registry import register_learner
from core.errors import BadInput


class Broad(ClassifierMixin, BaseEstimator):
    """The weighted mean of two P(class), as of `averaged`, each from columns of its own.

    Parameters
    ----------
    seed : of the trees
    n_leading : how many of the first columns the regression sees; None: all
    """

    def __init__(self, seed: int = 0, n_leading: int | None = None) -> None:
        self.seed = seed
        self.n_leading = n_leading

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Learn from X (L, D) finite numbers and y (L,) classes, two of them or more; each answer
        counts `sample_weight` (L,). The same answers in another order make the same model.

        Raises
        ------
        BadInput
            All answers are of one class.
        """
        self.classes_, answers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadInput(
                "A learner needs answers of two or more classes, but all"
                f" {len(answers)} are {self.classes_[0]}; answer more objects first."
            )
        order = settled_order(X, answers)
        X, y = X[order], np.asarray(y)[order]
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[order]
        self.logistic_ = logistic(self.seed).set_params(C=REGULARISATION_C)
        self.logistic_.fit(X[:, : self.n_leading], y, sample_weight=sample_weight)
        self.trees_ = extra_trees(self.seed).set_params(n_jobs=None)
        self.trees_.fit(X, y, sample_weight=sample_weight)
        return self

    @property
    def feature_importances_(self) -> np.ndarray:
        """(D,) what each column of X is to the trees, adding up to 1."""
        return np.asarray(self.trees_.feature_importances_)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """(N, C): P(class) of every row of X (N, D), in the order of `classes_`."""
        linear = self.logistic_.predict_proba(X[:, : self.n_leading])
        return (WEIGHTS[0] * linear + WEIGHTS[1] * self.trees_.predict_proba(X)) / sum(WEIGHTS)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(N,): the likeliest class of every row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@register_learner(
    "broad",
    description="extra-trees on all columns and, a third as heavy, a logistic regression on the"
    " leading components and how odd each object is",
    wide=True,
)
def broad(seed: int) -> Any:
    """The area of the finds curve beside that of `averaged`: docs/discovery.md."""
    return Broad(seed)
