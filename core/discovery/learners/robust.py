"""Averaged, with less weight for answers that the others contradict confidently."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.discovery.answered import AnswersClassifier, folds_of, one_thread, out_of_fold
from core.discovery.learners.averaged import averaged
from core.discovery.learners.extra_trees import N_TREES
from core.discovery.registry import register_learner

N_FOLDS = 5
REPEATS = 2
LEAST_WEIGHT = 0.1

FEWEST = 5
"""Members a class needs before one of them may be doubted: the first finds of a rare class always
look like a mistake."""


class Robust(AnswersClassifier):
    """Averaged, each answer weighing as much as the others confirm it (importance reweighting by
    held-out predictions, after Liu & Tao 2016).

    P(class) of each answer is predicted in five folds, twice. Its weight is P(its own class) /
    P(the likeliest other), between 0.1 and 1; answers of a class below five weigh 1. On Gaussians
    with a tenth of the answers turned round, weights ranked better than removal of the doubted
    answers, and most of the answers below a half were wrong ones.

    What stands in for others while these are few is weighed as an answer: a target among them,
    called something else without being looked at, loses weight as a wrong answer does.

    `weights_` (L,) are those weights, in the settled order of the answers.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        self.weights_ = answer_weights(X, answers, self.seed)
        self.model_ = averaged(self.seed)
        self.model_.fit(X, answers, sample_weight=self.weights_)

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict_proba(X)


def answer_weights(X: np.ndarray, answers: np.ndarray, seed: int) -> np.ndarray:
    """(L,) in [0.1, 1]: how far each answer is to be believed; see `Robust`.

    X (L, D); answers (L,) the numbers 0 to C - 1. The answers of least weight are also those
    worth a second look by a person.
    """
    rng = np.random.default_rng(seed)
    # Half of the trees: what is held out is predicted by a mean of two repeats.
    base = one_thread(averaged(seed)).set_params(extra_trees__n_estimators=N_TREES // 2)
    repeats = [
        out_of_fold(base, X, answers, folds_of(answers, N_FOLDS, rng)) for _ in range(REPEATS)
    ]
    return weights_from(np.mean(repeats, axis=0), answers)


def weights_from(held_out: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(L,) weights from the held-out P(class) (L, C); rows of NaN weigh 1."""
    each = np.arange(len(answers))
    own = held_out[each, answers]
    others = held_out.copy()
    others[each, answers] = 0
    rival = others.max(axis=1)
    odds = np.divide(own, rival, out=np.ones(len(answers)), where=rival > own)
    weights = np.clip(odds, LEAST_WEIGHT, 1)
    weights[np.bincount(answers)[answers] < FEWEST] = 1
    return weights


@register_learner("robust", description="averaged, doubting answers the others contradict")
def robust(seed: int) -> Any:
    """See `Robust`."""
    return Robust(seed)
