"""How far each answer is believed, as the weight with which a learner is taught it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.utils.validation import has_fit_parameter

from core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Trusted:
    """What a learner is told of how far answers are believed.

    Attributes
    ----------
    weights
        (L,) beside the answered rows; None where all weigh the same or the learner cannot weigh.
    words
        What was done, to be said after another sentence; "" for nothing.
    """

    weights: np.ndarray | None = None
    words: str = ""

    @classmethod
    def of(
        cls, trust: Mapping[int, float] | None, labelled: np.ndarray, name: str, estimator: Any
    ) -> Trusted:
        """Weights of the rows `labelled` for the learner of that name.

        trust : row -> above 0 and at most 1, 1 where it says nothing

        Raises
        ------
        BadInput
            A weight is out of range.
        """
        weights = np.array([(trust or {}).get(row, 1.0) for row in labelled.tolist()])
        wrong = weights[~((weights > 0) & (weights <= 1))]
        if len(wrong):
            raise BadInput(
                f"An answer is believed by more than 0 and at most 1, but {wrong[0]} came; correct"
                " what reckons it."
            )
        n = int((weights < 1).sum())
        if not n:
            return cls()
        if not takes_weights(estimator):
            return cls(
                words=f" {n:,} answers are of people who err more often, but the learner"
                f" {name!r} cannot weigh answers; the default one can."
            )
        are = "answer weighs" if n == 1 else "answers weigh"
        return cls(weights, f" {n:,} {are} less, for who gave them errs more often.")

    def told(self, n_more: int) -> dict[str, Any]:
        """What `fit` is told beside the answers and `n_more` rows that stand in for others."""
        if self.weights is None:
            return {}
        return {"sample_weight": np.concatenate([self.weights, np.ones(n_more)])}


def takes_weights(estimator: Any) -> bool:
    """Whether a learner can be told that some answers count less."""
    if isinstance(estimator, VotingClassifier):
        return all(takes_weights(one) for _, one in estimator.estimators)
    return bool(has_fit_parameter(estimator, "sample_weight"))
