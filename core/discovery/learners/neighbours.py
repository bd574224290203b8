"""Nearest neighbours weighed by their distance, with a prior where none is near."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.discovery.answered import AnswersClassifier
from core.discovery.registry import register_learner

N_NEIGHBOURS = 15

PRIOR = 0.1
"""Answers that the prior counts for: a tenth, as in efficient nonmyopic active search (Jiang et
al. 2017), where the prior is all there is far from every answer."""

_CHUNK = 65_536


class Neighbours(AnswersClassifier):
    """P(class) = (prior x share of the class + sum of the weights of its neighbours) / (prior +
    sum of all weights), over the 15 nearest answers.

    A weight is exp(-d^2 / 2 h^2), h being the median distance of an answer to its nearest other
    one. Shares are those of the answers.
    """

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        self.answers_ = np.eye(len(self.classes_), dtype=np.float32)[answers]
        self.taught_ = np.ascontiguousarray(X)
        self.shares_ = self.answers_.mean(axis=0)
        nearest = self._search(X, 2)[1][:, 1]
        nearest = nearest[nearest > 1e-6]
        self.bandwidth_ = float(np.sqrt(np.median(nearest))) if len(nearest) else 1.0

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        found = np.empty((len(X), len(self.classes_)), dtype=np.float32)
        for start in range(0, len(X), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows, squared = self._search(X[part], min(N_NEIGHBOURS, len(self.taught_)))
            weights = np.exp(squared * np.float32(-0.5 / self.bandwidth_**2))
            votes = np.einsum("nk,nkc->nc", weights, self.answers_[rows])
            votes += np.float32(PRIOR) * self.shares_
            found[part] = votes / votes.sum(axis=1, keepdims=True)
        return found

    def _search(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(N, k) answers and (N, k) squared distances, nearest first."""
        import faiss

        squared, rows = faiss.knn(np.ascontiguousarray(X), self.taught_, k)
        return rows, np.maximum(squared, 0)


@register_learner("neighbours", description="nearest answered neighbours, weighed by distance")
def neighbours(seed: int) -> Any:  # noqa: ARG001 (nothing is left to chance)
    """See `Neighbours`."""
    return Neighbours()
