"""Agreement against worked examples of the papers, krippendorff, scikit-learn and statsmodels."""

from __future__ import annotations

from itertools import combinations

import krippendorff
import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, confusion_matrix
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from core.errors import BadInput
from core.metrics import (
    accuracy_against,
    agreement_summary,
    cohen_kappa,
    confusion_against,
    fleiss_kappa,
    krippendorff_alpha,
    pair_agreement,
    percent_agreement,
)

NOTHING: tuple[list, list, list] = ([], [], [])
ALONE = (["o1", "o2"], ["ann", "ann"], ["a", "b"])
APART = (["o1", "o2"], ["ann", "bob"], ["a", "b"])
ONE_CLASS = (["o1", "o1", "o2", "o2"], ["ann", "bob"] * 2, ["a"] * 4)


def from_rows(rows: dict[str, str]) -> tuple[list[str], list[str], list[str]]:
    """An annotator's answers as a string, a character an object, '.' for none."""
    answers = [
        (f"o{column}", annotator, said)
        for annotator, row in rows.items()
        for column, said in enumerate(row)
        if said != "."
    ]
    objects, annotators, classes = zip(*answers, strict=True)
    return list(objects), list(annotators), list(classes)


def from_table(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(O, C) numbers of answers as answers."""
    counts = np.array(table)
    index = np.indices(counts.shape).reshape(2, -1)
    objects, classes = np.repeat(index, counts.ravel(), axis=1)
    annotators = np.concatenate([np.arange(n) for n in counts.sum(axis=1)])
    return objects, annotators, classes


def some_answers(
    seed: int,
    n_objects: int = 80,
    n_annotators: int = 6,
    n_classes: int = 4,
    share: float = 0.6,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Gappy answers that agree somewhat, in a random order; (O, A) table with -1 for none too."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_objects)
    wrong = rng.random((n_objects, n_annotators)) < 0.4
    table = np.where(wrong, rng.integers(0, n_classes, wrong.shape), truth[:, None])
    table[rng.random(wrong.shape) > share] = -1
    objects, annotators = np.nonzero(table >= 0)
    order = rng.permutation(len(objects))
    objects, annotators = objects[order], annotators[order]
    return (objects, annotators, table[objects, annotators]), table


def _words(text: str) -> list[str]:
    return text.split()


# Fleiss (1971), table 1: 30 patients, 6 psychiatrists each, 5 diagnoses.
FLEISS_1971 = _words("""
    444444 222555 233335 555555 222444 113333 333355 113334 114444 555555
    144444 124444 222333 144444 224445 333335 111455 111112 224444 133555
    555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
""")

# The widely reprinted table of 10 subjects, 14 raters, 5 categories; kappa 0.210.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_percent_agreement_by_hand():
    # o0: 1 of 3 pairs agrees; o1: the one pair does; o2 has a single answer.
    answers = from_rows({"ann": "aaa", "bob": "aa.", "cem": "b.."})
    assert percent_agreement(*answers) == pytest.approx((1 / 3 + 1) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_percent_agreement_against_counting_pairs(seed):
    answers, table = some_answers(seed)
    shares = []
    for row in table:
        pairs = list(combinations(row[row >= 0], 2))
        if pairs:
            shares.append(np.mean([one == other for one, other in pairs]))
    assert percent_agreement(*answers) == pytest.approx(np.mean(shares))


def test_fleiss_kappa_of_his_own_paper():
    rows = {f"psychiatrist {k}": "".join(row[k] for row in FLEISS_1971) for k in range(6)}
    found = fleiss_kappa(*from_rows(rows))
    assert (found.n_answers, found.n_objects) == (6, 30)
    assert found.kappa == pytest.approx(0.430, abs=5e-4)


def test_fleiss_kappa_of_the_table_of_fourteen_raters():
    found = fleiss_kappa(*from_table(FOURTEEN_RATERS))
    assert found.kappa == pytest.approx(0.210, abs=5e-4)
    assert found.kappa == pytest.approx(statsmodels_fleiss(FOURTEEN_RATERS))


@pytest.mark.parametrize("seed", range(3))
def test_fleiss_kappa_agrees_with_statsmodels_on_the_objects_it_is_defined_for(seed):
    answers, table = some_answers(seed, n_objects=200)
    counts = np.stack([(table == name).sum(axis=1) for name in range(4)], axis=1)
    per_object = counts.sum(axis=1)
    sizes = np.bincount(per_object)
    most = max(range(2, len(sizes)), key=lambda n: (sizes[n], n))
    found = fleiss_kappa(*answers)
    assert (found.n_answers, found.n_objects) == (most, sizes[most])
    assert found.kappa == pytest.approx(statsmodels_fleiss(counts[per_object == most]))
    chosen = fleiss_kappa(*answers, n_answers=2)
    assert chosen.kappa == pytest.approx(statsmodels_fleiss(counts[per_object == 2]))


def test_fleiss_kappa_takes_the_larger_of_two_numbers_as_common():
    found = fleiss_kappa(*from_rows({"ann": "abab", "bob": "abaa", "cem": "aa.."}))
    assert (found.n_answers, found.n_objects) == (3, 2)
    # 3 answers on 2 objects: (aaa), (bba). Observed (1 + 1/3) / 2, by chance (4/6)^2 + (2/6)^2.
    assert found.kappa == pytest.approx((2 / 3 - 5 / 9) / (1 - 5 / 9))


def test_krippendorff_alpha_of_his_own_examples():
    # Krippendorff (2011): A. binary, two observers; B. nominal, two observers; C. with gaps.
    meg_owen = from_rows({"Meg": "0100000010", "Owen": "1110010000"})
    assert krippendorff_alpha(*meg_owen) == pytest.approx(0.095, abs=5e-4)
    ben_gerry = from_rows({"Ben": "aabbdcccedda", "Gerry": "babbbccceddd"})
    assert krippendorff_alpha(*ben_gerry) == pytest.approx(0.692, abs=5e-4)
    four = from_rows(
        {"A": "123321412...", "B": "1233224125.3", "C": ".3332342251.", "D": "12332441251."}
    )
    assert krippendorff_alpha(*four) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_krippendorff_alpha_agrees_with_his_package(seed, share):
    answers, table = some_answers(seed, share=share)
    gappy = np.where(table < 0, np.nan, table).T
    expected = krippendorff.alpha(reliability_data=gappy, level_of_measurement="nominal")
    assert krippendorff_alpha(*answers) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_agree_with_scikit_learn(seed):
    answers, table = some_answers(seed, share=0.4)
    pairs = pair_agreement(*answers)
    assert pairs.annotators == tuple(range(6))
    np.testing.assert_array_equal(np.diag(pairs.n_common), (table >= 0).sum(axis=0))
    assert np.isnan(np.diag(pairs.kappa)).all()
    assert np.isnan(np.diag(pairs.agreement)).all()
    for first, second in combinations(range(6), 2):
        both = (table[:, [first, second]] >= 0).all(axis=1)
        one, other = table[both, first], table[both, second]
        expected = cohen_kappa_score(one, other)
        for a, b in ((first, second), (second, first)):
            assert pairs.n_common[a, b] == both.sum()
            assert pairs.agreement[a, b] == pytest.approx(np.mean(one == other))
            assert pairs.kappa[a, b] == pytest.approx(expected)
        assert cohen_kappa(*answers, first=first, second=second) == pytest.approx(expected)


def test_cohen_kappa_by_hand():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: (0.7 - 0.5) / (1 - 0.5).
    ann, bob = "y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15
    answers = from_rows({"ann": ann, "bob": bob})
    assert cohen_kappa(*answers, first="ann", second="bob") == pytest.approx(0.4)
    assert np.isnan(cohen_kappa(*answers, first="ann", second="nobody"))
    assert np.isnan(cohen_kappa(*answers, first="ann", second="ann"))


@pytest.mark.parametrize("answers", [NOTHING, ALONE, APART], ids=["none", "alone", "apart"])
def test_without_a_shared_object_agreement_is_unknown(answers):
    summary = agreement_summary(*answers)
    assert (summary.n_answers, summary.n_shared) == (len(answers[0]), 0)
    assert np.isnan([summary.percent, summary.fleiss.kappa, summary.alpha]).all()
    assert (summary.fleiss.n_answers, summary.fleiss.n_objects) == (0, 0)
    pairs = pair_agreement(*answers)
    assert pairs.kappa.shape == (len(pairs.annotators),) * 2
    assert np.isnan(pairs.kappa).all()
    assert np.isnan(pairs.agreement).all()


def test_with_a_single_class_chance_explains_everything():
    summary = agreement_summary(*ONE_CLASS, class_names=["a", "b"])
    assert summary.percent == 1
    assert np.isnan([summary.fleiss.kappa, summary.alpha]).all()
    assert (summary.fleiss.n_answers, summary.fleiss.n_objects) == (2, 2)
    pairs = pair_agreement(*ONE_CLASS)
    assert pairs.agreement[0, 1] == 1
    assert np.isnan(pairs.kappa).all()


def test_classes_nobody_chose_change_no_coefficient():
    answers, _ = some_answers(0)
    few, many = agreement_summary(*answers), agreement_summary(*answers, class_names=range(40))
    assert few == many
    np.testing.assert_allclose(
        pair_agreement(*answers).kappa, pair_agreement(*answers, class_names=range(40)).kappa
    )


def test_the_summary_holds_the_single_numbers():
    answers, _ = some_answers(1)
    summary = agreement_summary(*answers)
    assert summary.percent == percent_agreement(*answers)
    assert summary.fleiss == fleiss_kappa(*answers)
    assert summary.alpha == krippendorff_alpha(*answers)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_and_accuracy_against_a_truth(seed):
    (objects, annotators, classes), _ = some_answers(seed)
    truth = {name: int(name) % 4 for name in range(40)}
    table = confusion_against(objects, annotators, classes, truth)
    found = accuracy_against(objects, annotators, classes, truth, level=0.9)
    assert table.class_names == (0, 1, 2, 3)
    for place, name in enumerate(table.annotators):
        rows = (annotators == name) & (objects < 40)
        true = objects[rows] % 4
        expected = confusion_matrix(true, classes[rows], labels=range(4))
        np.testing.assert_array_equal(table.counts[place], expected)
        n, right = int(rows.sum()), int((true == classes[rows]).sum())
        interval = binomtest(right, n).proportion_ci(0.9, method="wilson")
        assert (found[name].n, found[name].n_right) == (n, right)
        assert found[name].accuracy == pytest.approx(right / n)
        assert (found[name].low, found[name].high) == pytest.approx((interval.low, interval.high))


def test_an_annotator_without_gold_has_no_accuracy():
    truth = {"o1": "a", "o2": None, "unanswered": "a"}
    found = accuracy_against(*APART, truth)
    assert (found["ann"].n, found["ann"].accuracy) == (1, 1)
    assert (found["bob"].n, found["bob"].n_right) == (0, 0)
    assert np.isnan([found["bob"].accuracy, found["bob"].low, found["bob"].high]).all()
    assert accuracy_against(*NOTHING, truth) == {}


def test_a_class_only_the_truth_knows_is_a_class():
    table = confusion_against(*APART, {"o1": "c"})
    assert table.class_names == ("a", "b", "c")
    assert table.counts[0, 2, 0] == 1
    assert table.counts.sum() == 1


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((["o1"], ["ann", "bob"], ["a"]), "1, 2 and 1 rows"),
        ((["o1", "o1"], ["ann", "ann"], ["a", "b"]), "'ann' has more to 'o1'"),
        ((["o1", "o2"], ["ann", None], ["a", "b"]), "row 1 is empty"),
        (([["o1"]], [["ann"]], [["a"]]), "shape"),
        ((["o1"], ["ann"], ["z"]), "'z'"),
    ],
)
def test_bad_answers_are_refused(answers, sentence):
    for metric in (agreement_summary, pair_agreement, percent_agreement):
        with pytest.raises(BadInput, match=sentence):
            metric(*answers, class_names=["a", "b"])


def test_bad_settings_are_refused():
    with pytest.raises(BadInput, match="differ"):
        percent_agreement(*APART, class_names=["a", "b", "a"])
    with pytest.raises(BadInput, match="n_answers is 1"):
        fleiss_kappa(*APART, n_answers=1)
    with pytest.raises(BadInput, match="level"):
        accuracy_against(*APART, {}, level=1.0)
    with pytest.raises(BadInput, match="'z'"):
        confusion_against(*APART, {"o1": "z"}, class_names=["a", "b"])


def test_strings_and_numbers_may_be_mixed():
    pairs = pair_agreement([1, "1", 1, "1"], ["b", "b", 2, 2], ["x", 0, "x", "x"])
    assert pairs.annotators == (2, "b")
    assert pairs.n_common[0, 1] == 2
    assert pairs.agreement[0, 1] == 0.5
