"""Gaussian process classification (Rasmussen & Williams 2006, chapter 3; Laplace)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from core.discovery.answered import AnswersClassifier, median_distance
from core.discovery.learners.kernel import landmark_rows
from core.discovery.registry import register_learner

MOST_ANSWERS = 300
"""Each step costs their third power; above that, as many drawn with the seed, classes evenly."""

_CHUNK = 8_192


class GaussianProcess(AnswersClassifier):
    """Matern 3/2 kernel, length and height fitted by the marginal likelihood, plus a fixed
    constant of variance 100; several classes one against the rest.

    The constant is the freedom to be rare everywhere: without it every row far from all answers
    would be as likely a target as not. Fitted, or beside a kernel wider than the answers, it
    says nothing.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        kept = landmark_rows(answers, MOST_ANSWERS, self.seed)
        length = median_distance(X[kept])
        near = Matern(length, (0.1 * length, 2 * length), nu=1.5)
        kernel = ConstantKernel(4.0, (0.1, 25.0)) * near + ConstantKernel(100.0, "fixed")
        self.model_ = GaussianProcessClassifier(kernel, random_state=self.seed)
        with warnings.catch_warnings():
            # A bound that is reached with few answers is where the prior holds, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model_.fit(X[kept], answers[kept])

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        found = np.empty((len(X), len(self.classes_)), dtype=np.float32)
        for start in range(0, len(X), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = self.model_.predict_proba(X[part])
        return found


@register_learner("gaussian_process", description="Gaussian process (Matern 3/2, Laplace)")
def gaussian_process(seed: int) -> Any:
    """See `GaussianProcess`."""
    return GaussianProcess(seed)
