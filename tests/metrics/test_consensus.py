"""Consensus against the figures of Dawid and Skene's paper, by hand, and on known truth."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput
from core.metrics import confusion_against, dawid_skene, plurality


def _words(text: str) -> list[str]:
    return text.split()


# Dawid and Skene (1979), table 1: fitness for anaesthesia (1 to 4) of 45 patients. A patient a
# word: the first three figures are the first observer's, who judged thrice, then observers 2 to 5.
PATIENTS = _words("""
    1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223
    4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322
    2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111 1121121
    1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111
    1111111 1212111 2322222 1211111 2222222
""")
OBSERVERS = [1, 1, 1, 2, 3, 4, 5]
MAXIMUM_LIKELIHOOD: dict[str, Any] = {
    "prior_answers": 0,
    "prior_objects": 0,
    "max_steps": 5000,
    "tolerance": 1e-12,
}


def patients():
    """The 315 answers of the paper."""
    answers = [
        (patient, observer, int(figure))
        for patient, row in enumerate(PATIENTS, start=1)
        for observer, figure in zip(OBSERVERS, row, strict=True)
    ]
    return tuple(np.array(answers).T)


Answers = tuple[np.ndarray, np.ndarray, np.ndarray]


def simulated(
    seed: int,
    n_objects: int,
    n_annotators: int,
    per_object: int,
    prevalence: list[float],
    worst: float,
    best: float,
) -> tuple[np.ndarray, Answers, np.ndarray]:
    """Truth (O,) and answers of annotators whose accuracy on each class is their own."""
    rng = np.random.default_rng(seed)
    n_classes = len(prevalence)
    truth = rng.choice(n_classes, n_objects, p=prevalence)
    rates = np.empty((n_annotators, n_classes, n_classes))
    for annotator in range(n_annotators):
        for name in range(n_classes):
            right = rng.uniform(worst, best)
            wrong = rng.dirichlet(np.ones(n_classes - 1)) * (1 - right)
            rates[annotator, name] = np.insert(wrong, name, right)
    who = np.argsort(rng.random((n_objects, n_annotators)), axis=1)[:, :per_object]
    objects, annotators = np.repeat(np.arange(n_objects), per_object), who.ravel()
    cumulative = rates[annotators, truth[objects]].cumsum(axis=1)
    classes = (rng.random(len(objects))[:, None] > cumulative[:, :-1]).sum(axis=1)
    return truth, (objects, annotators, classes), rates


def share_right(consensus, truth):
    return np.mean([consensus[row] == name for row, name in enumerate(truth)])


def share_right_of_heads(answers, truth):
    """What plurality gets right on average if it breaks its ties at random."""
    objects, _, classes = answers
    votes = np.zeros((len(truth), truth.max() + 1))
    np.add.at(votes, (objects, classes), 1)
    leading = votes == votes.max(axis=1, keepdims=True)
    return np.mean(leading[np.arange(len(truth)), truth] / leading.sum(axis=1))


def test_dawid_skene_finds_the_figures_of_the_paper():
    fit = dawid_skene(*patients(), repeats=True, **MAXIMUM_LIKELIHOOD)
    np.testing.assert_allclose(fit.prevalence, [0.40, 0.42, 0.11, 0.07], atol=0.005)
    observer_1: list[list[float]] = [
        [0.89, 0.11, 0, 0],
        [0.07, 0.88, 0.05, 0],
        [0, 0.34, 0.66, 0],
        [0, 0, 0.56, 0.44],
    ]
    observer_3: list[list[float]] = [
        [1, 0, 0, 0],
        [0.11, 0.79, 0.11, 0],
        [0, 0.40, 0.20, 0.40],
        [0, 0, 0.67, 0.33],
    ]
    np.testing.assert_allclose(fit.confusion[0], observer_1, atol=0.0051)
    np.testing.assert_allclose(fit.confusion[2], observer_3, atol=0.0051)
    assert fit.converged
    assert fit.log_likelihood[-1] == pytest.approx(-192.8909, abs=1e-4)
    certain = fit.probabilities.max(axis=1) > 0.9995
    doubtful = {7: (1, 0.981), 30: (1, 0.9991), 35: (2, 0.948), 38: (3, 0.979)}
    assert set((np.flatnonzero(~certain) + 1).tolist()) == set(doubtful)
    for patient, (name, probability) in doubtful.items():
        assert fit.consensus()[patient] == name
        assert fit.probabilities[patient - 1, name - 1] == pytest.approx(probability, abs=5e-4)
    assert set(fit.most_disputed()[:4]) == set(doubtful)
    np.testing.assert_array_equal(fit.n_answers, [135, 45, 45, 45, 45])


def by_the_book(objects, annotators, classes, n_classes, prior_answers, prior_accuracy, steps):
    """The same model with loops and plain probabilities, as a second source."""
    objects, annotators, classes = (
        np.asarray(column) for column in (objects, annotators, classes)
    )
    n_objects, n_annotators = objects.max() + 1, annotators.max() + 1
    posterior = np.zeros((n_objects, n_classes))
    for row, name in zip(objects, classes, strict=True):
        posterior[row, name] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    off = prior_answers * (1 - prior_accuracy) / (n_classes - 1)
    for _ in range(steps):
        prevalence = (posterior.sum(axis=0) + 1 / n_classes) / (n_objects + 1)
        rates = np.full((n_annotators, n_classes, n_classes), off)
        rates[:, range(n_classes), range(n_classes)] = prior_answers * prior_accuracy
        for row, who, name in zip(objects, annotators, classes, strict=True):
            rates[who, :, name] += posterior[row]
        rates /= rates.sum(axis=2, keepdims=True)
        posterior = np.tile(prevalence, (n_objects, 1))
        for row, who, name in zip(objects, annotators, classes, strict=True):
            posterior[row] *= rates[who, :, name]
        evidence = posterior.sum(axis=1)
        posterior /= evidence[:, None]
    return posterior, rates, prevalence, np.log(evidence).sum()


@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_with_its_prior_agrees_with_the_formulae_in_loops(seed):
    _, answers, _ = simulated(seed, 60, 5, 3, [0.5, 0.3, 0.2], 0.5, 0.95)
    fit = dawid_skene(
        *answers,
        prior_answers=3,
        prior_accuracy=0.6,
        max_steps=12,
        tolerance=0,
        class_names=[0, 1, 2],
    )
    steps = len(fit.log_likelihood)
    posterior, rates, prevalence, likelihood = by_the_book(
        *answers, n_classes=3, prior_answers=3, prior_accuracy=0.6, steps=steps
    )
    np.testing.assert_allclose(fit.probabilities, posterior, atol=1e-10)
    np.testing.assert_allclose(fit.confusion, rates, atol=1e-10)
    np.testing.assert_allclose(fit.prevalence, prevalence, atol=1e-10)
    assert fit.log_likelihood[-1] == pytest.approx(likelihood)
    np.testing.assert_allclose(
        fit.accuracy, [sum(prevalence[j] * own[j, j] for j in range(3)) for own in rates]
    )


@pytest.mark.parametrize(
    "case",
    [
        (500, 8, 3, [0.5, 0.3, 0.2], 0.5, 0.95),
        (500, 60, 3, [0.5, 0.3, 0.2], 0.5, 0.95),  # 25 answers an annotator
        (1000, 6, 3, [0.95, 0.05], 0.6, 0.98),  # a rare class
        (200, 5, 5, [0.7, 0.2, 0.1], 0.4, 0.95),
    ],
)
def test_dawid_skene_beats_plurality_where_skills_differ(case):
    by_heads, by_skill = [], []
    for seed in range(5):
        truth, answers, _ = simulated(seed, *case)
        by_heads.append(share_right_of_heads(answers, truth))
        by_skill.append(share_right(dawid_skene(*answers).consensus(), truth))
    assert np.mean(by_skill) > np.mean(by_heads) + 0.01


def test_the_estimated_rates_approach_the_true_ones():
    _, answers, rates = simulated(3, 4000, 5, 5, [0.5, 0.3, 0.2], 0.6, 0.95)
    fit = dawid_skene(*answers)
    np.testing.assert_allclose(fit.confusion, rates, atol=0.06)


@pytest.mark.parametrize("prior_answers", [0, 8])
@pytest.mark.parametrize("gold", [{}, {0: 0, 1: 2, 2: 1}])
def test_no_step_makes_the_posterior_less_likely(prior_answers, gold):
    _, answers, _ = simulated(5, 200, 20, 3, [0.5, 0.3, 0.2], 0.4, 0.95)
    fit = dawid_skene(*answers, prior_answers=prior_answers, gold=gold, tolerance=0, max_steps=60)
    assert len(fit.log_posterior) > 5
    assert np.diff(fit.log_posterior).min() > -1e-8
    assert np.isfinite(fit.log_posterior).all()


def test_gold_stays_as_it_is_and_teaches_who_is_right():
    # Two against one everywhere; gold says that the one is right.
    objects = np.repeat(np.arange(40), 3)
    annotators = np.tile(["ann", "bob", "cem"], 40)
    good = np.arange(40) % 2
    classes = np.stack([good, 1 - good, 1 - good], axis=1).ravel()
    gold = {row: int(good[row]) for row in range(20)}
    with_gold = dawid_skene(objects, annotators, classes, gold=gold)
    assert with_gold.consensus() == {row: good[row] for row in range(40)}
    np.testing.assert_array_equal(with_gold.probabilities[:20], np.eye(2)[good[:20]])
    assert (with_gold.entropy()[:20] == 0).all()
    assert with_gold.accuracy[0] > 0.8 > 0.3 > with_gold.accuracy[1]
    without = dawid_skene(objects, annotators, classes)
    assert without.consensus() == {row: 1 - good[row] for row in range(40)}


def test_gold_may_name_what_nobody_answered():
    answers = (["o1", "o1"], ["ann", "bob"], ["a", "a"])
    fit = dawid_skene(*answers, gold={"o1": None, "elsewhere": "b"})
    assert fit.class_names == ("a", "b")
    assert fit.consensus() == {"o1": "a"}


def test_the_order_of_the_answers_changes_nothing():
    _, (objects, annotators, classes), _ = simulated(7, 150, 6, 3, [0.6, 0.4], 0.6, 0.95)
    first = dawid_skene(objects, annotators, classes)
    again = dawid_skene(objects, annotators, classes)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    order = np.random.default_rng(0).permutation(len(objects))
    other = dawid_skene(objects[order], annotators[order], classes[order])
    back = [other.objects.index(name) for name in first.objects]
    np.testing.assert_allclose(other.probabilities[back], first.probabilities, atol=1e-9)
    assert other.annotators == first.annotators


def test_a_stranger_with_one_answer_does_not_upset_the_others():
    objects = np.repeat(np.arange(30), 3)
    annotators = np.tile(["ann", "bob", "cem"], 30)
    classes = np.repeat(np.arange(30) % 2, 3)
    fit = dawid_skene(
        [*objects, 0], [*annotators, "stranger"], [*classes, 1], class_names=[0, 1, 2]
    )
    assert fit.consensus()[0] == 0
    assert np.isfinite(fit.confusion).all()
    np.testing.assert_allclose(fit.confusion.sum(axis=2), 1)
    stranger = fit.confusion[fit.annotators.index("stranger")]
    # One answer more than the eight imagined ones: 1 of class 0 said to be 1.
    np.testing.assert_allclose(stranger[0], [6 / 9, 2 / 9, 1 / 9], atol=1e-3)
    np.testing.assert_allclose(stranger[2], [1 / 8, 1 / 8, 6 / 8], atol=1e-3)


def test_a_perfect_tie_has_no_consensus_and_heads_the_queue():
    # Ann and Bob mirror each other, so that nothing speaks for either on o2.
    objects = ["o0", "o0", "o1", "o1", "o2", "o2", "o3", "o3"]
    classes = ["a", "a", "b", "b", "a", "b", "b", "a"]
    fit = dawid_skene(objects, ["ann", "bob"] * 4, classes)
    assert fit.consensus() == {"o0": "a", "o1": "b", "o2": None, "o3": None}
    assert fit.entropy()[2:] == pytest.approx([1, 1])
    assert fit.most_disputed()[:2] == ["o2", "o3"]
    assert plurality(objects, ["ann", "bob"] * 4, classes) == fit.consensus()


def test_degenerate_answers_have_defined_results():
    nothing = dawid_skene([], [], [], class_names=["a", "b"])
    assert (nothing.consensus(), nothing.most_disputed(), nothing.converged) == ({}, [], True)
    assert nothing.probabilities.shape == (0, 2)
    assert nothing.confusion.shape == (0, 2, 2)
    assert np.isnan(nothing.prevalence).all()
    assert dawid_skene([], [], []).entropy().shape == (0,)
    alone = dawid_skene(["o1", "o2", "o3"], ["ann"] * 3, ["a", "b", "a"])
    assert alone.consensus() == {"o1": "a", "o2": "b", "o3": "a"}
    one_class = dawid_skene(["o1", "o1"], ["ann", "bob"], ["a", "a"])
    assert one_class.consensus() == {"o1": "a"}
    assert one_class.entropy().tolist() == [0]
    assert one_class.accuracy.tolist() == [1, 1]
    unused = dawid_skene(
        ["o1", "o1"], ["ann", "bob"], ["a", "a"], class_names="abc", prior_answers=0
    )
    assert unused.consensus() == {"o1": "a"}
    np.testing.assert_allclose(unused.confusion.sum(axis=2), 1)


def test_it_says_when_the_steps_ran_out():
    _, answers, _ = simulated(1, 200, 10, 3, [0.5, 0.5], 0.5, 0.9)
    short = dawid_skene(*answers, max_steps=2)
    assert not short.converged
    assert len(short.log_posterior) == 2
    assert dawid_skene(*answers).converged


def test_confusion_against_the_consensus_counts_answers():
    _, answers, _ = simulated(2, 100, 4, 3, [0.5, 0.5], 0.6, 0.95)
    consensus = dawid_skene(*answers).consensus()
    table = confusion_against(*answers, truth=consensus)
    expected = Counter(
        (who, consensus[row], name) for row, who, name in zip(*answers, strict=True)
    )
    assert {cell: n for cell, n in np.ndenumerate(table.counts) if n} == expected


@pytest.mark.parametrize("seed", range(3))
def test_plurality_against_counting(seed):
    rng = np.random.default_rng(seed)
    objects, annotators = np.nonzero(rng.random((200, 6)) < 0.6)
    classes = rng.choice(["b", "a", "c"], len(objects))
    found = plurality(objects, annotators, classes)
    assert list(found) == list(dict.fromkeys(objects.tolist()))
    for row, winner in found.items():
        (name, most), *others = Counter(classes[objects == row].tolist()).most_common()
        assert winner == (None if others and others[0][1] == most else name)
    assert None in found.values()
    assert plurality([], [], []) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"prior_accuracy": 0.5},
        {"prior_accuracy": 1.0},
        {"prior_answers": -1},
        {"prior_answers": float("nan")},
        {"prior_objects": -1},
        {"max_steps": 0},
        {"tolerance": float("nan")},
        {"gold": {"o1": "z"}, "class_names": ["a", "b"]},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(BadInput):
        dawid_skene(["o1", "o1"], ["ann", "bob"], ["a", "b"], **settings)


def test_a_second_answer_to_an_object_is_refused_unless_wanted():
    answers = (["o1", "o1"], ["ann", "ann"], ["a", "a"])
    for consensus in (plurality, dawid_skene):
        with pytest.raises(BadInput, match="keep the latest"):
            consensus(*answers)
    assert dawid_skene(*answers, repeats=True).n_answers.tolist() == [2]
