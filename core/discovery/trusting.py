"""How far each answer is believed, as the weight with which a learner is taught it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.utils.validation import has_fit_parameter

from core.discovery.pool import Pool
from core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Trusted:
    """What a learner is told of how far answers are believed.

    Attributes
    ----------
    weights
        (L,) beside the answered rows; None where all weigh the same or the learner cannot weigh.
    n_less
        How many answers are believed less than in full.
    learner
        The learner's name.
    """

    weights: np.ndarray | None = None
    n_less: int = 0
    learner: str = ""

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
        n_less = int((weights < 1).sum())
        can = n_less > 0 and takes_weights(estimator)
        return cls(weights if can else None, n_less, name)

    def in_words(self, samplers: Collection[str], pool: Pool) -> str:
        """What was done, to be said after another sentence; "" for nothing.

        samplers : those that were asked
        pool : what they were asked with, and nobody else until now
        """
        from core.discovery.samplers.portfolio import deaf_arms

        if not self.n_less:
            return ""
        err = f" {self.n_less:,} answer{' is' if self.n_less == 1 else 's are'} of people who err"
        if self.weights is None:
            return (
                f"{err} more often, but the learner {self.learner!r} cannot weigh answers; the"
                " default one can."
            )
        # Kept there by whichever sampler went by P(class).
        if "probabilities" not in vars(pool):
            return (
                f"{err} more often: less is made of them for P(class), but the order shown does"
                " not go by it."
            )
        are = "answer weighs" if self.n_less == 1 else "answers weigh"
        deaf = ", ".join(deaf_arms()) if "portfolio" in samplers else ""
        but = f", but not with {deaf}, which cannot weigh" if deaf else ""
        return f" {self.n_less:,} {are} less, for who gave them errs more often{but}."

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
