"""Kernel machine: logistic regression in the space of a Gaussian kernel (Nystrom's features)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from core.discovery.answered import AnswersClassifier, median_distance
from core.discovery.registry import register_learner

LANDMARKS = 256
"""At most so many answers span the space; scoring a row costs as many exponentials."""

REGULARISATION_C = 10.0

_FLAT = 1e-6
"""Directions of the kernel with a smaller share of the first one are copies of others."""


class Kernel(AnswersClassifier):
    """Class-balanced logistic regression on the Nystrom features (Williams & Seeger 2001) of
    exp(-|x - z|^2 / 2 h^2), h being the median distance between answers.

    All answers are landmarks up to 256, then as many drawn with `seed`, half of them from the
    smallest classes as far as these go. A row far from all landmarks has the probability that
    the intercept alone gives.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        self.landmarks_ = X[landmark_rows(answers, LANDMARKS, self.seed)]
        self.bandwidth_ = median_distance(self.landmarks_)
        values, vectors = np.linalg.eigh(self._kernel(self.landmarks_).astype(np.float64))
        kept = values > _FLAT * values[-1]
        whitening = vectors[:, kept] / np.sqrt(values[kept])  # (M, K)
        features = self._kernel(X) @ whitening
        model = LogisticRegression(C=REGULARISATION_C, class_weight="balanced", max_iter=2000)
        model.fit(features, answers)
        # Taken together, so that a row costs its kernel and one product with each class.
        self.weights_ = (whitening @ model.coef_.T).astype(np.float32)  # (M, 1 or C)
        self.intercept_ = model.intercept_.astype(np.float32)

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        value = self._kernel(X) @ self.weights_ + self.intercept_
        if value.shape[1] == 1:
            second = expit(value[:, 0])
            return np.column_stack([1 - second, second])
        return softmax(value, axis=1)

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        """(N, M) float32."""
        z = self.landmarks_
        squared = X @ (-2 * z.T)
        squared += np.einsum("ij,ij->i", X, X)[:, None]
        squared += np.einsum("ij,ij->i", z, z)
        np.maximum(squared, 0, out=squared)
        squared *= np.float32(-0.5 / self.bandwidth_**2)
        return np.exp(squared, out=squared)


def landmark_rows(answers: np.ndarray, most: int, seed: int) -> np.ndarray:
    """(M,) ascending rows: all, or `most` drawn with `seed`, each class having an equal share as
    far as it goes."""
    if len(answers) <= most:
        return np.arange(len(answers))
    shuffled = np.random.default_rng(seed).permutation(len(answers))
    turn = np.empty(len(answers), dtype=np.int64)  # first of each class, second of each, ...
    for one in np.unique(answers):
        members = shuffled[answers[shuffled] == one]
        turn[members] = np.arange(len(members))
    return np.sort(shuffled[np.argsort(turn[shuffled], kind="stable")[:most]])


@register_learner("kernel", description="kernel machine (Gaussian kernel, Nystrom's features)")
def kernel(seed: int) -> Any:
    """See `Kernel`."""
    return Kernel(seed)
