"""What learners of this room share: one order of the answers, folds, out-of-fold predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_X_y

from core.discovery.detecting import sample_rows
from core.errors import BadInput

NEVER_OUT = -1
"""The fold of an answer that is taught in every fold: the only one of its class."""

SURVEY_ROWS = 2_000


class AnswersClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A scikit-learn classifier of a few hundred answers.

    A subclass has `_learn(X, answers)` and `_probabilities(X)`. Answers reach `_learn` in an
    order that does not depend on the one they came in, so that the same answers make the same
    model, and as the numbers 0 to C - 1 of their classes (`classes_`).
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        """Learn from X (L, D) finite numbers and y (L,) classes, two of them or more.

        Raises
        ------
        BadInput
            All answers are of one class.
        """
        X, y = check_X_y(X, y, dtype=np.float32)
        self.n_features_in_ = X.shape[1]
        self.classes_, answers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadInput(
                "A learner needs answers of two or more classes, but all"
                f" {len(answers)} are {self.classes_[0]}; answer more objects first."
            )
        order = settled_order(X, answers)
        self._learn(X[order], answers[order])
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """(N, C): P(class) of every row of X (N, D), in the order of `classes_`."""
        return self._probabilities(np.asarray(X, dtype=np.float32))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(N,): the likeliest class of every row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @abstractmethod
    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None: ...

    @abstractmethod
    def _probabilities(self, X: np.ndarray) -> np.ndarray: ...


def settled_order(X: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(L,) int: the answers by class, those of a class by their values, first column first."""
    return np.lexsort((*X.T[::-1], answers))


def folds_of(answers: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """(L,) int: the fold of each answer, each class spread evenly over the folds.

    The only member of a class is in no fold (`NEVER_OUT`), and of two or more members one at
    least stays whichever fold is held out: no class is ever unknown.
    """
    folds = np.full(len(answers), NEVER_OUT)
    start = 0
    for one in np.unique(answers):
        members = rng.permutation(np.flatnonzero(answers == one))
        if len(members) > 1:
            # Each class goes on where the last one stopped, or the first folds would be fuller.
            folds[members] = (start + np.arange(len(members))) % n_folds
            start += len(members)
    return folds


def out_of_fold(
    estimator: Any, X: np.ndarray, answers: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """(L, C): P(class) of each answer by a model that was not taught it; NaN where `NEVER_OUT`.

    answers : (L,) the numbers 0 to C - 1, each there.
    """
    found = np.full((len(answers), int(answers.max()) + 1), np.nan)
    for fold in np.unique(folds[folds != NEVER_OUT]):
        out = folds == fold
        model = clone(estimator).fit(X[~out], answers[~out])
        found[out] = model.predict_proba(X[out])
    return found


def one_thread(estimator: Any) -> Any:
    """`estimator`, told to start no threads: on a few hundred rows they cost more than they
    give."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "n_jobs"]
    return estimator.set_params(**dict.fromkeys(names, None))


def target_numbers(
    classes: np.ndarray, answers: np.ndarray, target: int | Sequence[int] | None
) -> np.ndarray:
    """(T,) int, ascending: where `target`, one class or several, stands among `classes`; the class
    with the fewest answers if None, or if nobody answered it."""
    known = np.flatnonzero(np.isin(classes, () if target is None else target))
    return known if len(known) else np.array([np.bincount(answers).argmin()])


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Log odds in float64, finite: 0 and 1 become -+ ln(10^12)."""
    return logit(np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12))


def from_log_odds(value: np.ndarray) -> np.ndarray:
    """The probability of log odds."""
    return expit(value)


def aimed(
    factory: Callable[[int], Any],
    seed: int,
    target: int | Sequence[int],
    survey: np.ndarray | None = None,
) -> Any:
    """`factory(seed)`, told what is the target and what the survey looks like, if it can use that.

    Learners that calibrate or choose for the target have a parameter `target`, the number of the
    class as it is taught, or a tuple of several; without it they take the class with the fewest
    answers. Those that
    weigh the answers against the survey have a parameter `survey`, at most 2,000 rows of it, drawn
    here with `seed`.

    survey : (N, D) the values that are scored later
    """
    estimator = factory(seed)
    can = estimator.get_params(deep=False)
    if "target" in can:
        several = () if isinstance(target, int | np.integer) else tuple(target)
        estimator.set_params(target=several if len(several) > 1 else int(np.ravel(target)[0]))
    if "survey" in can and survey is not None:
        estimator.set_params(survey=survey[sample_rows(len(survey), SURVEY_ROWS, seed)])
    return estimator


def median_distance(X: np.ndarray) -> float:
    """The median of the distances between rows that differ; 1 where none do."""
    squared = np.einsum("ij,ij->i", X, X, dtype=np.float64)
    between = squared[:, None] + squared - 2 * (X.astype(np.float64) @ X.T.astype(np.float64))
    between = between[np.triu_indices(len(X), 1)]
    between = between[between > 1e-9 * max(float(squared.max()), 1e-300)]
    return float(np.sqrt(np.median(between))) if len(between) else 1.0
