"""How well a learner tells the answers apart, by answers that it was not taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from core.discovery.answered import NEVER_OUT, aimed, folds_of, one_thread
from core.discovery.pool import any_of
from core.discovery.prepare import standardise, whiten
from core.discovery.registry import LEARNERS, Entry, LearnerFactory
from core.discovery.schedule import DEFAULT_LEARNER
from core.discovery.threads import one_blas_thread
from core.discovery.wide import wide_sample
from core.errors import NotReady
from core.metrics import average_precision
from core.vocabulary import DEFAULT

N_FOLDS = 4
MAX_SIZES = 5
LEAST = 10
"""Answers of the first point of the learning curve, and more."""
SCALE_ROWS = 20_000
SLOW_LEARNERS = frozenset({"calibrated", "chosen", "robust"})
"""These hold out answers in each fit themselves. With 2,000 answers `validate` takes 9 to 18 s of
a core with them, three or less with the others."""


@dataclass(frozen=True, eq=False)
class Validation:
    """What models say of answers that they were not taught.

    Attributes
    ----------
    learner
        Its name.
    answers
        (L,) number of the class of each answer, in the order given.
    targets
        Numbers of the wanted classes.
    probabilities
        (L, C) P(class) of each answer by a model taught the other folds; NaN for the only answer
        of a class, which is never held out.
    sizes, precisions
        (S,) the learning curve: average precision of the targets over all answers, by models that
        were taught the first `sizes` of them outside the fold; NaN where these lack targets or
        have one class only.
    """

    learner: str
    answers: np.ndarray
    targets: tuple[int, ...]
    probabilities: np.ndarray
    sizes: np.ndarray
    precisions: np.ndarray

    @property
    def is_held_out(self) -> np.ndarray:
        """(L,) bool: the answers that some model was not taught."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def is_find(self) -> np.ndarray:
        """(L,) bool: the answers with a target."""
        return np.isin(self.answers, self.targets)

    @property
    def chances(self) -> np.ndarray:
        """(L,) P(any target), NaN where never held out."""
        return any_of(self.probabilities, self.targets)

    @property
    def predicted(self) -> np.ndarray:
        """(L,) number of the likeliest class, -1 where never held out."""
        filled = np.nan_to_num(self.probabilities)
        return np.where(self.is_held_out, filled.argmax(axis=1), -1)

    @property
    def given(self) -> np.ndarray:
        """(L,) P of the class that was answered, NaN where never held out."""
        return self.probabilities[np.arange(len(self.answers)), self.answers]

    def confusion(self) -> np.ndarray:
        """(C, C) int: answers of class i that the model takes for class j."""
        n_classes = self.probabilities.shape[1]
        table = np.zeros((n_classes, n_classes), dtype=np.int64)
        out = self.is_held_out
        np.add.at(table, (self.answers[out], self.predicted[out]), 1)
        return table

    def surprising(self) -> np.ndarray:
        """The places of the answers that the model contradicts, the least likely first."""
        against = np.flatnonzero(self.is_held_out & (self.predicted != self.answers))
        return against[np.argsort(self.given[against], kind="stable")]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a learner sees of some rows.

    Attributes
    ----------
    values
        (L, D) float32 of these rows.
    survey
        (N, K) float32 of the rows by which they were scaled, for learners that weigh the answers
        against the survey.
    n_leading
        How many of the D columns lead (see `Wide`); None where the learner sees whitened ones.
    """

    values: np.ndarray
    survey: np.ndarray
    n_leading: int | None = None


def answered_values(
    embedding: np.ndarray, mask: np.ndarray, rows: np.ndarray, seed: int, learner: str = DEFAULT
) -> Seen:
    """What the learner of that name sees of `rows` (L,).

    The scale is the survey's, read off `SCALE_ROWS` rows drawn with `seed` where it has more: a
    page does not go over a million rows for a few hundred answers.
    """
    n = len(embedding)
    drawn = np.arange(n)
    if n > SCALE_ROWS:
        drawn = np.random.default_rng([seed, n]).choice(n, SCALE_ROWS, replace=False)
    taken = np.union1d(drawn, rows)
    own, unseen = standardise(np.asarray(embedding[taken]), np.asarray(mask)[taken])
    scaled = whiten(own, unseen)
    places = np.searchsorted(taken, rows)
    if not _entry(learner).wide:
        return Seen(scaled[places], scaled)
    n_leading, wide = wide_sample(own, scaled, np.isin(taken, drawn), seed)
    return Seen(wide[places], scaled, n_leading)


def _entry(learner: str) -> Entry[LearnerFactory]:
    return LEARNERS.find(DEFAULT_LEARNER if learner == DEFAULT else learner)


def require_both(is_target: np.ndarray) -> None:
    """Raise NotReady for fewer than two answers of the target or of the other classes.

    is_target : (L,) bool, by answer
    """
    n_found = int(is_target.sum())
    if min(n_found, len(is_target) - n_found) < 2:
        raise NotReady(
            "Checking the model against the answers takes two or more finds and two or more"
            f" others, but there are {n_found} and {len(is_target) - n_found}; answer more"
            " objects."
        )


def validate(
    learner: str,
    values: np.ndarray,
    answers: np.ndarray,
    n_classes: int,
    target: int | Sequence[int],
    seed: int,
    survey: np.ndarray | None = None,
    n_leading: int | None = None,
) -> Validation:
    """Hold out a quarter of the answers at a time and have the learner say what they are.

    Parameters
    ----------
    learner : name of a registered learner, or "default"
    values : (L, D) float32, what the learner sees, in the order of answering
    answers : (L,) int, 0 to n_classes - 1
    target : number of the wanted class, or of each of several
    survey : (N, D) of the survey, for learners that weigh the answers against it
    n_leading : for learners that see wide rows, how many columns lead; see `Seen`

    Raises
    ------
    NotReady
        Fewer than two answers of the target or of the other classes.
    """
    targets = (target,) if isinstance(target, int) else tuple(target)
    is_find = np.isin(answers, targets)
    require_both(is_find)
    entry = _entry(learner)
    estimator = one_thread(aimed(entry.call, seed, targets, survey))
    if entry.wide:
        estimator.set_params(n_leading=n_leading)
    folds = folds_of(answers, N_FOLDS, np.random.default_rng([seed, 0xF0]))
    sizes = _sizes(len(answers))
    precisions = np.full(len(sizes), np.nan)
    out = folds != NEVER_OUT
    probabilities = np.full((len(answers), n_classes), np.nan)
    for place, size in enumerate(sizes.tolist()):
        probabilities = np.full((len(answers), n_classes), np.nan)
        for fold in np.unique(folds[out]):
            held = folds == fold
            taught = (np.arange(len(answers)) < size) & ~held
            known = np.unique(answers[taught])
            if len(known) < 2 or not np.isin(known, targets).any():
                break
            with one_blas_thread():
                model = clone(estimator).fit(values[taught], answers[taught])
                told = model.predict_proba(values[held])
            probabilities[held] = 0.0
            probabilities[np.ix_(held, model.classes_)] = told
        else:
            chances = any_of(probabilities[out], targets)
            precisions[place] = average_precision(is_find[out], chances)
    return Validation(entry.name, answers, targets, probabilities, sizes, precisions)


def _sizes(n: int) -> np.ndarray:
    """All answers, half of them, a quarter ... down to `LEAST`; ascending."""
    sizes = [n]
    while len(sizes) < MAX_SIZES and sizes[-1] // 2 >= LEAST:
        sizes.append(sizes[-1] // 2)
    return np.array(sizes[::-1])
