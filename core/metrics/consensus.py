"""One class for each object out of the answers of several annotators.

Plurality counts heads. Dawid and Skene (1979, Applied Statistics 28, 20) also learns who is to be
believed on which class: each annotator k has a confusion matrix pi[k, j, l], the probability of
answering l of an object of class j, and answers are independent given the class.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from core.errors import BadInput
from core.metrics.answers import Answers, Labels, Truth, coded

TIE = 1e-9
"""Class probabilities nearer to each other than this are a tie."""

_TINY = 1e-300


@dataclass(frozen=True)
class DawidSkene:
    """A fitted model of classes and annotators.

    objects : (O,) in the order in which the answers first name them
    annotators : (A,) sorted
    class_names : (C,)
    probabilities : (O, C) of each class, rows add up to 1; one-hot for gold
    prevalence : (C,) share of each class
    confusion : (A, C, C) [annotator, true class, answer], rows add up to 1, prior included
    n_answers : (A,) int64
    accuracy : (A,) chance that the annotator is right about an object of this prevalence
    log_likelihood : (I,) of the answers, at each of the I steps
    log_posterior : (I,) the same with the prior's term: it never falls
    converged : False if the steps ran out first
    """

    objects: tuple[Hashable, ...]
    annotators: tuple[Hashable, ...]
    class_names: tuple[Hashable, ...]
    probabilities: np.ndarray
    prevalence: np.ndarray
    confusion: np.ndarray
    n_answers: np.ndarray
    accuracy: np.ndarray
    log_likelihood: np.ndarray
    log_posterior: np.ndarray
    converged: bool

    def consensus(self) -> dict[Hashable, Hashable | None]:
        """Object -> its most probable class; None where two are equally probable."""
        if not len(self.objects):
            return {}
        best = self.probabilities.max(axis=1, keepdims=True)
        tied = (self.probabilities > best - TIE).sum(axis=1) > 1
        return _named(self, self.probabilities.argmax(axis=1), ~tied)

    def entropy(self) -> np.ndarray:
        """(O,) how undecided each object is: 0 = certain, 1 = every class equally probable."""
        if len(self.class_names) < 2:
            return np.zeros(len(self.objects))
        terms = self.probabilities * np.log(np.maximum(self.probabilities, _TINY))
        return np.clip(-terms.sum(axis=1) / np.log(len(self.class_names)), 0, 1)

    def most_disputed(self) -> list[Hashable]:
        """The objects, the most undecided first: the order of an adjudication queue."""
        return [self.objects[row] for row in np.argsort(-self.entropy(), kind="stable")]


def plurality(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> dict[Hashable, Hashable | None]:
    """Object -> the class with more answers than any other, None where two have as many."""
    answers = coded(objects, annotators, classes, class_names)
    if not len(answers):
        return {}
    row, class_, votes = answers.votes()
    first = np.flatnonzero(np.diff(row, prepend=-1))
    most = np.maximum.reduceat(votes, first)
    leading = votes == most[row]
    winner = np.zeros(len(answers.objects), dtype=np.int64)
    winner[row[leading]] = class_[leading]
    return _named(answers, winner, np.bincount(row[leading]) == 1)


def dawid_skene(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
    gold: Truth | None = None,
    prior_answers: float = 8.0,
    prior_accuracy: float = 0.75,
    prior_objects: float = 1.0,
    max_steps: int = 500,
    tolerance: float = 1e-7,
    repeats: bool = False,
) -> DawidSkene:
    """Fit by expectation maximisation, starting from the shares of the votes. Deterministic.

    Parameters
    ----------
    objects, annotators, classes, class_names : see `core.metrics.answers.coded`
    gold : object -> class, held fixed; objects nobody answered and None are left out
    prior_answers, prior_accuracy : each row of a confusion matrix starts with `prior_answers`
        imagined answers, the share `prior_accuracy` of them right and the rest spread evenly over
        the other classes: the mode under a Dirichlet prior. Someone with few answers is so taken
        for an annotator of that accuracy. 0 is the maximum likelihood of the paper, which in
        simulations with few answers an annotator did worse than plurality
    prior_objects : imagined objects, spread evenly over the classes
    max_steps, tolerance : it stops when a step adds less than `tolerance` for each answer to
        `log_posterior`
    repeats : let an annotator answer an object more than once, as independent answers

    No answers give empty arrays and a NaN prevalence. With one annotator the consensus is what
    the prior makes of the answers.

    Raises
    ------
    BadInput
        What `coded` refuses; a gold class that is not one of the classes; a prior accuracy that
        is not above chance and below 1; another setting out of range.
    """
    gold = gold or {}
    answers = coded(objects, annotators, classes, class_names, also=gold, repeats=repeats)
    n_classes = len(answers.class_names)
    chance = 1 / max(n_classes, 2)
    if not chance < prior_accuracy < 1:
        raise BadInput(
            f"The prior accuracy lies between chance ({chance:.3g}) and 1, but is"
            f" {prior_accuracy}; change it."
        )
    amounts = np.array([prior_answers, prior_objects, tolerance])
    if max_steps < 1 or not (np.isfinite(amounts) & (amounts >= 0)).all():
        raise BadInput(
            "Dawid-Skene needs prior_answers, prior_objects and tolerance of at least 0 and"
            f" max_steps of at least 1, but got {prior_answers}, {prior_objects}, {tolerance} and"
            f" {max_steps}; change them."
        )
    fixed = answers.truth_codes(gold)
    if not len(answers):
        return _nothing(answers)
    rates = _Rates(answers, prior_answers, prior_accuracy)
    pseudo_objects = prior_objects / n_classes
    n_objects = len(answers.objects)
    is_gold = np.flatnonzero(fixed >= 0)

    row, class_, votes = answers.votes()
    probabilities = np.zeros((n_objects, n_classes))
    probabilities[row, class_] = votes / answers.per_object()[row]
    _clamp(probabilities, fixed)
    likelihoods: list[float] = []
    posteriors: list[float] = []
    converged = False
    while not converged and len(posteriors) < max_steps:
        weight = probabilities.sum(axis=0) + pseudo_objects
        prevalence = weight / weight.sum()
        confusion = rates.estimated(probabilities)
        log_prevalence = np.log(np.maximum(prevalence, _TINY))
        joint = rates.log_likelihood(confusion) + log_prevalence
        peak = joint.max(axis=1, keepdims=True)
        probabilities = np.exp(joint - peak)
        total = probabilities.sum(axis=1, keepdims=True)
        probabilities /= total
        _clamp(probabilities, fixed)
        evidence = peak[:, 0] + np.log(total[:, 0])
        evidence[is_gold] = joint[is_gold, fixed[is_gold]]
        likelihoods.append(float(evidence.sum()))
        prior = rates.log_prior(confusion) + pseudo_objects * log_prevalence.sum()
        posteriors.append(likelihoods[-1] + float(prior))
        if len(posteriors) > 1:
            converged = posteriors[-1] - posteriors[-2] <= tolerance * len(answers)
    return DawidSkene(
        answers.objects,
        answers.annotators,
        answers.class_names,
        probabilities,
        prevalence,
        confusion,
        np.bincount(answers.annotator_of),
        np.einsum("ajj,j->a", confusion, prevalence),
        np.array(likelihoods),
        np.array(posteriors),
        converged,
    )


class _Rates:
    """The annotators' confusion matrices and what they make of the answers."""

    def __init__(self, answers: Answers, prior_answers: float, prior_accuracy: float) -> None:
        n_classes = len(answers.class_names)
        self.shape = (len(answers.annotators), n_classes, n_classes)
        said = answers.annotator_of * n_classes + answers.class_of
        # chosen[(a, l), o]: times that annotator a answered l of object o.
        self.chosen = csr_array(
            (np.ones(len(answers)), (said, answers.object_of)),
            shape=(self.shape[0] * n_classes, len(answers.objects)),
        )
        self.chosen_by_object = self.chosen.T.tocsr()
        others = prior_answers * (1 - prior_accuracy) / max(n_classes - 1, 1)
        self.prior = np.full((n_classes, n_classes), others)
        np.fill_diagonal(self.prior, prior_answers * prior_accuracy)

    def estimated(self, probabilities: np.ndarray) -> np.ndarray:
        """(A, C, C) [annotator, true class, answer] given the (O, C) class probabilities."""
        n_annotators, n_classes, _ = self.shape
        counts = (self.chosen @ probabilities).reshape(n_annotators, n_classes, n_classes)
        counts = counts.transpose(0, 2, 1) + self.prior
        total = counts.sum(axis=2, keepdims=True)
        # A class that nobody has answered yet, and no prior: any answer is as likely.
        even = np.full(self.shape, 1 / n_classes)
        return np.divide(counts, total, out=even, where=total > 0)

    def log_likelihood(self, confusion: np.ndarray) -> np.ndarray:
        """(O, C) log probability of each object's answers were it of each class."""
        logs = np.log(np.maximum(confusion, _TINY)).transpose(0, 2, 1)
        return self.chosen_by_object @ logs.reshape(-1, self.shape[1])

    def log_prior(self, confusion: np.ndarray) -> float:
        return float((self.prior * np.log(np.maximum(confusion, _TINY))).sum())


def _clamp(probabilities: np.ndarray, fixed: np.ndarray) -> None:
    """Set the rows of gold, where `fixed` (O,) is a class and not -1, to that class."""
    is_gold = np.flatnonzero(fixed >= 0)
    probabilities[is_gold] = 0
    probabilities[is_gold, fixed[is_gold]] = 1


def _named(
    source: Answers | DawidSkene, winner: np.ndarray, decided: np.ndarray
) -> dict[Hashable, Hashable | None]:
    """Object -> name of its (O,) winner, None where `decided` is False."""
    names = np.array([*source.class_names, None], dtype=object)
    chosen = names[np.where(decided, winner, len(names) - 1)]
    return dict(zip(source.objects, chosen.tolist(), strict=True))


def _nothing(answers: Answers) -> DawidSkene:
    n_classes = len(answers.class_names)
    return DawidSkene(
        (),
        (),
        answers.class_names,
        probabilities=np.zeros((0, n_classes)),
        prevalence=np.full(n_classes, np.nan),
        confusion=np.zeros((0, n_classes, n_classes)),
        n_answers=np.zeros(0, dtype=np.int64),
        accuracy=np.zeros(0),
        log_likelihood=np.zeros(0),
        log_posterior=np.zeros(0),
        converged=True,
    )
