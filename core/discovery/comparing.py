"""Two embeddings of one survey held against each other by its labels: which one finds more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from core.discovery.answered import aimed, one_thread
from core.discovery.prepare import standardise, whiten
from core.discovery.registry import LEARNERS, LearnerFactory
from core.discovery.schedule import DEFAULT_LEARNER
from core.discovery.teaching import LEAST_PER_STAND_IN, STAND_INS
from core.discovery.threads import one_blas_thread
from core.discovery.wide import wide_sample
from core.errors import NotReady
from core.progress import Progress, silent
from core.vocabulary import DEFAULT

REPEATS = 3
"""Draws of stand-ins and seeds of the learner over which each find is averaged."""

LEVEL = 0.98
"""Of the intervals. A bootstrap over a dozen finds is too narrow, for the finds of a fold share a
network: of 60 pairs of embeddings that say nothing, six passed at 90 % where most folds agreed,
one passes as it is."""

DRAWS = 2_000

LEAST_GAIN = 0.2
"""In octaves: by less than an eighth sooner is not worth a new embedding, whatever the interval
says."""

FIRST = 0.05
"""Share of the field at the top of which finds are counted, for people."""

_SOONEST = 0.01
"""Added to how late a find comes among the field: within the first hundredth it does not matter
where. Five times as much among the answered others, of which there are fewer."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The labels of one fold, which neither learner nor network was taught.

    Attributes
    ----------
    is_held
        (L,) bool, among the labels.
    before, after
        (L + B, D) rows of the embedding in use and of the new one: the labelled objects, then B
        others at random that stand for the survey. D may differ.
    """

    is_held: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class Lateness:
    """How late held-out finds come among other objects, by either embedding.

    Attributes
    ----------
    before, after
        (F,) share of the other objects that score higher than each find, by the embedding in use
        and by the new one; the geometric mean over the draws, and never quite 0.
    folds
        (F,) the fold of each.
    low, high
        The `LEVEL` interval of the gain, by a bootstrap over the things that were found: views of
        one thing are drawn together.
    """

    before: np.ndarray
    after: np.ndarray
    folds: np.ndarray
    low: float
    high: float

    @property
    def gains(self) -> np.ndarray:
        """(F,) by how many octaves sooner each find comes: 1 = half as many come before it."""
        return np.asarray(np.log2(self.before / self.after))

    @property
    def gain(self) -> float:
        """The mean of the gains."""
        return float(self.gains.mean())

    @property
    def means(self) -> tuple[float, float]:
        """The geometric means of `before` and `after`."""
        return float(np.exp(np.log(self.before).mean())), float(np.exp(np.log(self.after).mean()))

    @property
    def n_folds(self) -> int:
        """Folds that hold a find."""
        return len(np.unique(self.folds))

    @property
    def n_better(self) -> int:
        """Folds in which the new embedding finds sooner: each has a network of its own."""
        return sum(bool(self.gains[self.folds == k].mean() > 0) for k in np.unique(self.folds))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two embeddings by the same labels.

    Attributes
    ----------
    field
        Finds among unanswered objects at random: how long the search takes.
    others
        Finds among the answered others of their fold: whether it is the finds that come sooner.
        The search chose what was answered; an embedding in which the answered are unlike the rest
        seems to find more among the field, whatever was answered.
    first_before, first_after
        (F,) share of the draws in which a find came among the first `FIRST` of the field.
    """

    field: Lateness
    others: Lateness
    first_before: np.ndarray
    first_after: np.ndarray

    @property
    def is_better(self) -> bool:
        """Whether the new one finds more, beyond noise: both intervals lie above 0, the gain among
        the field is worth it, and every fold agrees."""
        beyond_noise = self.field.low > 0 and self.others.low > 0
        agree = self.field.n_better == self.field.n_folds
        return beyond_noise and self.field.gain >= LEAST_GAIN and agree

    @property
    def is_worse(self) -> bool:
        """Whether it finds less, beyond noise."""
        return self.field.high < 0 or self.others.high < 0


def compare(
    folds: Sequence[HeldOut],
    answers: np.ndarray,
    targets: Collection[int],
    learner: str,
    seed: int,
    n_survey: int,
    groups: Sequence[str] | None = None,
    tell: Progress = silent,
) -> Comparison:
    """Have the learner rank each fold's labels among objects at random, by both embeddings.

    As in the search itself, objects at random stand in for others as long as few are answered.
    The rest of those that stand for the survey are the field; a target among them that nobody
    knows of counts against both alike.

    Parameters
    ----------
    folds
        Those without a find that is held out, or one that is taught, judge nothing.
    answers
        (L,) number of each label's class.
    targets
        The numbers that are finds.
    learner
        Name of a registered learner, or "default".
    n_survey
        Objects of the survey.
    groups
        (L,) what each label is a view of; None: each is a thing of its own.

    Raises
    ------
    NotReady
        No fold judges.
    """
    entry = LEARNERS.find(DEFAULT_LEARNER if learner == DEFAULT else learner)
    wanted = np.array(sorted(targets))
    is_find = np.isin(answers, wanted)
    found: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    things: list[np.ndarray] = []
    _, thing = np.unique(
        np.arange(len(answers)) if groups is None else groups, return_inverse=True
    )
    for number, fold in enumerate(folds):
        held = fold.is_held & is_find
        finds = int(held.sum())
        if not finds or not (is_find & ~fold.is_held).any():
            continue
        numbers.append(np.full(finds, number))
        things.append(thing[held])
        draws = []
        both = [_seen(one, entry.wide, len(answers), seed) for one in (fold.before, fold.after)]
        for repeat in range(REPEATS):
            field = _Field(fold, answers, is_find, n_survey, [seed, number, repeat])
            each = [field.places(entry.call, *one, wanted, seed + repeat) for one in both]
            draws.append(np.stack(each))
            tell((number + (repeat + 1) / REPEATS) / len(folds), "ranking what was held out")
        found.append(np.stack(draws))  # (draws, embeddings, 3, finds)
    if not found:
        raise NotReady(
            "Finds in two folds or more judge a network, but all lie in one; answer more objects."
        )
    whole, which = np.concatenate(found, axis=-1), np.concatenate(numbers)
    late = np.exp(np.log(whole[:, :, :2]).mean(axis=0))  # (embeddings, field and others, finds)
    first = whole[:, :, 2].mean(axis=0)
    drawn = np.concatenate(things)
    return Comparison(
        _lateness(late[0, 0], late[1, 0], which, drawn, seed),
        _lateness(late[0, 1], late[1, 1], which, drawn, seed),
        first[0],
        first[1],
    )


def _lateness(
    before: np.ndarray, after: np.ndarray, folds: np.ndarray, things: np.ndarray, seed: int
) -> Lateness:
    """things: (F,) number of what each find is a view of"""
    _, thing = np.unique(things, return_inverse=True)
    sums, sizes = np.bincount(thing, weights=np.log2(before / after)), np.bincount(thing)
    rng = np.random.default_rng([seed, 0xB0])
    drawn = rng.integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Lateness(before, after, folds, float(low), float(high))


def _seen(
    values: np.ndarray, wide: bool, n_labels: int, seed: int
) -> tuple[np.ndarray, int | None]:
    """(n, K) what a learner sees of an embedding's rows, labelled ones first, and how many of
    these columns lead; None where it sees whitened ones."""
    own, unseen = standardise(values, np.ones(len(values), dtype=bool))
    white = whiten(own, unseen)
    if not wide:
        return white, None
    n_leading, rows = wide_sample(own, white, np.arange(len(values)) >= n_labels, seed)
    return rows, n_leading


class _Field:
    """One fold with one draw of stand-ins: who is taught, and who is ranked."""

    def __init__(
        self,
        fold: HeldOut,
        answers: np.ndarray,
        is_find: np.ndarray,
        n_survey: int,
        key: list[int],
    ) -> None:
        n_labels, n_rows = len(answers), len(fold.before)
        rng = np.random.default_rng([*key, 0xD1])
        taught = np.flatnonzero(~fold.is_held)
        others = answers[taught][~is_find[taught]]
        n = min(STAND_INS, n_survey // LEAST_PER_STAND_IN) - len(others)
        n = min(max(n, 0 if len(others) else 1), (n_rows - n_labels) // 2)
        at_random = n_labels + rng.permutation(n_rows - n_labels)
        classes = rng.choice(others, n) if len(others) else np.full(n, answers.max() + 1)
        self.taught = np.concatenate([taught, at_random[:n]])
        self.answers = np.concatenate([answers[taught], classes])
        self.finds = np.flatnonzero(fold.is_held & is_find)
        self.others = np.flatnonzero(fold.is_held & ~is_find)
        self.field = at_random[n:]

    def places(
        self,
        factory: LearnerFactory,
        rows: np.ndarray,
        n_leading: int | None,
        targets: np.ndarray,
        seed: int,
    ) -> np.ndarray:
        """(3, finds): how late each held-out find comes among the field and among the others, and
        whether it is among the first of the field. rows, n_leading : see `_seen`"""
        estimator = one_thread(aimed(factory, seed, targets.tolist(), rows))
        if n_leading is not None:
            estimator.set_params(n_leading=n_leading)
        with one_blas_thread():
            model = clone(estimator).fit(rows[self.taught], self.answers)

            def scored(places: np.ndarray) -> np.ndarray:
                told = model.predict_proba(rows[places])
                return np.asarray(told[:, np.isin(model.classes_, targets)].sum(axis=1))

            own = scored(self.finds)
            in_field = _share_above(own, scored(self.field))
            in_others = np.full(len(own), 0.5)
            if len(self.others):
                in_others = _share_above(own, scored(self.others))
        return np.stack([in_field + _SOONEST, in_others + 5 * _SOONEST, in_field <= FIRST])


def _share_above(own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(F,) the share of the rest that scores higher than each; of equal ones the half."""
    ordered = np.sort(rest)
    upper = np.searchsorted(ordered, own, side="left")
    lower = np.searchsorted(ordered, own, side="right")
    return 1 - (upper + lower) / (2 * len(ordered))
