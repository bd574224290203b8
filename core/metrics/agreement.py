"""How far annotators agree with each other, and with a truth.

Every function takes answers as three equally long columns (objects, annotators, classes), an
answer a row, and raises `BadInput` as `core.metrics.answers.coded` does. What cannot be known
(nobody shares an object, one annotator, no answers) is NaN. So are the coefficients corrected for
chance when every answer is of one class: agreement by chance is then certain.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from core.errors import BadInput
from core.metrics.answers import Answers, Labels, Truth, coded
from core.metrics.ranking import _wilson

NAN = float("nan")


@dataclass(frozen=True)
class FleissKappa:
    """Fleiss' kappa of the `n_objects` objects that have exactly `n_answers` answers."""

    kappa: float
    n_answers: int
    n_objects: int


@dataclass(frozen=True)
class AgreementSummary:
    """The agreement of all annotators in one look; `n_shared` objects have two answers or more."""

    n_answers: int
    n_objects: int
    n_shared: int
    percent: float
    fleiss: FleissKappa
    alpha: float


@dataclass(frozen=True)
class PairAgreement:
    """Every annotator against every other, on the objects both answered.

    annotators : (A,)
    n_common : (A, A) int64, objects both answered; on the diagonal those of the annotator alone
    agreement : (A, A) share of them given one class by both; NaN where there is none
    kappa : (A, A) Cohen's (1960) kappa; NaN where there is none or both always say one class
    The diagonals of `agreement` and `kappa` are NaN: that is no pair.
    """

    annotators: tuple[Hashable, ...]
    n_common: np.ndarray
    agreement: np.ndarray
    kappa: np.ndarray


@dataclass(frozen=True)
class Confusions:
    """counts[a, j, k]: objects of class j that annotator a said are of class k; (A, C, C) int64.

    `annotators` (A,) and `class_names` (C,) name the axes.
    """

    annotators: tuple[Hashable, ...]
    class_names: tuple[Hashable, ...]
    counts: np.ndarray


@dataclass(frozen=True)
class Accuracy:
    """Share of an annotator's `n` answers that are right, with the ends of Wilson's interval.

    All three are NaN where n is 0.
    """

    n: int
    n_right: int
    accuracy: float
    low: float
    high: float


def percent_agreement(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> float:
    """Mean share of agreeing pairs of answers, over the objects with two answers or more."""
    return _percent(coded(objects, annotators, classes, class_names))


def fleiss_kappa(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
    n_answers: int | None = None,
) -> FleissKappa:
    """Fleiss' (1971, Psychological Bulletin 76, 378) kappa.

    It is defined for one number of answers an object. Only the objects with exactly `n_answers`
    answers (2 or more) count: by default the number, among 2 and up, that most objects have, the
    larger of two as common. Krippendorff's alpha is the one that uses every object.
    """
    if n_answers is not None and n_answers < 2:
        raise BadInput(
            f"Fleiss' kappa needs two answers an object or more, but n_answers is {n_answers};"
            " raise it."
        )
    return _fleiss(coded(objects, annotators, classes, class_names), n_answers)


def krippendorff_alpha(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> float:
    """Krippendorff's (2011, "Computing Krippendorff's alpha-reliability") alpha, nominal.

    Objects with any number of answers from two up count; those with one answer do not.
    """
    return _alpha(coded(objects, annotators, classes, class_names))


def agreement_summary(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> AgreementSummary:
    """Percent agreement, Fleiss' kappa and Krippendorff's alpha, reading the answers once."""
    answers = coded(objects, annotators, classes, class_names)
    return AgreementSummary(
        n_answers=len(answers),
        n_objects=len(answers.objects),
        n_shared=int((answers.per_object() >= 2).sum()),
        percent=_percent(answers),
        fleiss=_fleiss(answers, None),
        alpha=_alpha(answers),
    )


def pair_agreement(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> PairAgreement:
    """Agreement and Cohen's kappa of all pairs of annotators.

    Memory grows with A * A * C: meant for up to a few thousand annotators.
    """
    answers = coded(objects, annotators, classes, class_names)
    n_annotators, n_classes = len(answers.annotators), len(answers.class_names)
    said = answers.annotator_of * n_classes + answers.class_of
    shape = (len(answers.objects), n_annotators * n_classes)
    if not len(answers):
        nothing = np.zeros((0, 0))
        return PairAgreement((), nothing.astype(np.int64), nothing, nothing)
    ones = np.ones(len(answers), dtype=np.int64)
    chosen = csr_array((ones, (answers.object_of, said)), shape=shape)
    # together[(a, j), (b, k)]: objects that a calls j and b calls k.
    together = (chosen.T @ chosen).tocoo()
    (first, first_class), (second, second_class) = (
        np.divmod(index, n_classes) for index in together.coords
    )
    pair = first.astype(np.int64) * n_annotators + second
    size = n_annotators * n_annotators
    n_common = np.bincount(pair, together.data, size)
    same = first_class == second_class
    n_same = np.bincount(pair[same], together.data[same], size)
    # says[a, b, j]: of the objects a and b share, those that a calls j.
    says = np.bincount(pair * n_classes + first_class, together.data, size * n_classes)
    says = says.reshape(n_annotators, n_annotators, n_classes)
    by_chance = np.einsum("abj,baj->ab", says, says).ravel()
    # In whole numbers, so that agreement certain by chance is found exactly.
    agreement = _ratio(n_same, n_common)
    kappa = _ratio(n_common * n_same - by_chance, n_common * n_common - by_chance)
    for table in (agreement, kappa):
        table[:: n_annotators + 1] = NAN
    square = (n_annotators, n_annotators)
    return PairAgreement(
        answers.annotators,
        n_common.astype(np.int64).reshape(square),
        agreement.reshape(square),
        kappa.reshape(square),
    )


def cohen_kappa(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    first: Hashable,
    second: Hashable,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> float:
    """Cohen's (1960) kappa of two annotators; NaN where they share no object."""
    answers = coded(objects, annotators, classes, class_names)
    if first == second or not {first, second} <= set(answers.annotators):
        return NAN
    wanted = [answers.annotators.index(name) for name in (first, second)]
    rows = np.isin(answers.annotator_of, wanted)
    pair = pair_agreement(
        answers.object_of[rows], answers.annotator_of[rows], answers.class_of[rows]
    )
    return float(pair.kappa[0, 1])


def confusion_against(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    truth: Truth,
    *,
    class_names: Sequence[Hashable] | None = None,
) -> Confusions:
    """What each annotator said of the objects whose class is known, as counts.

    `truth` gives object -> class: gold, adjudicated labels or a consensus. Objects that it lacks
    or that it gives None are left out.
    """
    answers = coded(objects, annotators, classes, class_names, also=truth)
    true = answers.truth_codes(truth)[answers.object_of]
    known = true >= 0
    shape = (len(answers.annotators), len(answers.class_names), len(answers.class_names))
    cell = (answers.annotator_of * shape[1] + true) * shape[2] + answers.class_of
    counts = np.bincount(cell[known], minlength=int(np.prod(shape))).reshape(shape)
    return Confusions(answers.annotators, answers.class_names, counts)


def accuracy_against(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    truth: Truth,
    *,
    class_names: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> dict[Hashable, Accuracy]:
    """Accuracy of every annotator on the objects whose class is known (`confusion_against`)."""
    if not 0 < level < 1:
        raise BadInput(
            f"The level of an interval lies between 0 and 1, but is {level}; change it."
        )
    table = confusion_against(objects, annotators, classes, truth, class_names=class_names)
    found = {}
    for name, counts in zip(table.annotators, table.counts, strict=True):
        n, n_right = int(counts.sum()), int(np.trace(counts))
        found[name] = Accuracy(n, n_right, n_right / n if n else NAN, *_wilson(n_right, n, level))
    return found


def _percent(answers: Answers) -> float:
    agreeing, n = _agreeing_pairs(answers)
    shared = n >= 2
    return (
        float((agreeing[shared] / (n[shared] * (n[shared] - 1))).mean()) if shared.any() else NAN
    )


def _fleiss(answers: Answers, n_answers: int | None) -> FleissKappa:
    agreeing, n = _agreeing_pairs(answers)
    if n_answers is None:
        how_many = np.bincount(n, minlength=3)[2:]
        n_answers = 2 + len(how_many) - 1 - int(np.argmax(how_many[::-1]))
        if not how_many.any():
            return FleissKappa(NAN, 0, 0)
    used = n == n_answers
    n_objects = int(used.sum())
    if not n_objects:
        return FleissKappa(NAN, n_answers, 0)
    observed = agreeing[used].sum() / (n_objects * n_answers * (n_answers - 1))
    totals = np.bincount(answers.class_of[used[answers.object_of]])
    if (totals > 0).sum() < 2:
        return FleissKappa(NAN, n_answers, n_objects)
    expected = ((totals / totals.sum()) ** 2).sum()
    return FleissKappa(float((observed - expected) / (1 - expected)), n_answers, n_objects)


def _alpha(answers: Answers) -> float:
    agreeing, n = _agreeing_pairs(answers)
    shared = n >= 2
    totals = np.bincount(answers.class_of[shared[answers.object_of]])
    if (totals > 0).sum() < 2:
        return NAN
    n_pairable = float(totals.sum())
    observed = n_pairable - (agreeing[shared] / (n[shared] - 1)).sum()
    expected = n_pairable**2 - (totals.astype(float) ** 2).sum()
    return float(1 - (n_pairable - 1) * observed / expected)


def _agreeing_pairs(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """(O,) ordered pairs of answers of one class, and (O,) answers, of each object."""
    row, _, votes = answers.votes()
    pairs = np.bincount(row, votes * (votes - 1), len(answers.objects))
    return pairs, answers.per_object()


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, NAN), where=whole != 0)
