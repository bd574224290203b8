"""The whole loop with an oracle for the annotator: exact finds, and better than chance."""

from __future__ import annotations

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import Engine, Oracle, Truth, read_truth, run_loop, simulate
from core.discovery.simulate import known_targets
from core.errors import BadInput, NotFound
from core.vocabulary import CONTROL_SAMPLER


def blobs(seed=0, n=1500, n_rare=25):
    """Eleven common Gaussian blobs and a rare one among them; (values, truth)."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2.0, (12, 16))
    which = rng.integers(0, 11, n)
    which[rng.choice(n, n_rare, replace=False)] = 11
    values = (centres[which] + rng.normal(size=(n, 16))).astype(np.float32)
    return values, {row: "rare" if k == 11 else "common" for row, k in enumerate(which)}


def engine(values, seed=0, **settings):
    config = LoopConfig(seed=seed, **{"learner": "logistic", **settings})
    return Engine(values, np.ones(len(values), bool), ("rare", "common"), "rare", config)


def test_seeded_run_has_exact_finds():
    """Two far corners: whoever follows the answers finds the rare one without a miss."""
    values, truth = corners()
    done = simulate(engine(values, control_share=0), truth, budget=18, batch=2)
    assert done.labels == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert done.finds == [2, 4, 6, 8, 10, 10, 10, 10, 10]
    assert done.n_targets == 10
    assert done.n_objects == 60
    assert done.chance[-1] == pytest.approx(3.0)
    assert len({one.row for one in done.order}) == 18
    assert sum(one.answer == "rare" for one in done.order) == 10
    assert done.states[0].startswith("No answers yet")
    assert done.states[1].startswith("Only 'rare' seen yet, with 3 unanswered objects")
    assert done.states[-1].startswith("Trained on 16 answers, 10 of them 'rare': showing")


def test_default_finds_three_times_what_random_does():
    default = random = 0
    for seed in range(3):
        values, truth = blobs(seed)
        default += simulate(engine(values, seed), truth, 100, 10).finds[-1]
        random += simulate(engine(values, seed, sampler="random"), truth, 100, 10).finds[-1]
    assert random > 0
    assert default >= 3 * random


def test_a_run_repeats_and_keeps_its_share_of_controls():
    values, truth = blobs(n=300)
    one = simulate(engine(values, control_share=0.1), truth, 60, 7)
    two = simulate(engine(values, control_share=0.1), truth, 60, 7)
    assert one == two
    controls = [k for k, a in enumerate(one.order) if a.sampler == CONTROL_SAMPLER]
    assert controls == [9, 19, 29, 39, 49, 59]
    assert one.labels[-2:] == [56, 60]  # the last batch is cut to the budget


def test_budget_beyond_the_survey_ends_with_the_survey():
    values, truth = blobs(n=60, n_rare=5)
    seen = []
    done = simulate(engine(values), truth, 1000, 25, progress=lambda f, s: seen.append((f, s)))
    assert done.labels == [25, 50, 60]
    assert done.finds[-1] == 5
    assert seen[-1] == (1.0, "5 of 5 targets found with 60 answers")


def test_objects_without_truth_are_set_aside():
    values, truth = blobs(n=80, n_rare=6)
    part = {row: label for row, label in truth.items() if row % 2}
    done = simulate(engine(values), part, 1000, 10)
    assert {one.row for one in done.order} == set(part)
    assert done.n_objects == len(part) == 40


def test_more_than_nine_classes_of_truth_are_fine():
    values, _ = blobs(n=200)
    truth = {row: f"class {row % 12:02}" for row in range(200)}
    one = Engine(values, np.ones(200, bool), sorted(set(truth.values())), "class 03")
    assert simulate(one, truth, 40, 20).labels == [20, 40]


def test_any_annotator_can_drive_the_loop():
    values, _ = blobs(n=50)
    asked = []

    def annotator(row):
        asked.append(row)
        return "common"

    batches = list(run_loop(engine(values), annotator, budget=12, batch=5, excluded=[0, 1]))
    assert [len(answered) for _, answered in batches] == [5, 5, 2]
    assert len(set(asked)) == 12
    assert not {0, 1} & set(asked)


def test_bad_simulations_are_refused():
    values, truth = blobs(n=50, n_rare=3)
    for budget, batch in ((0, 5), (5, 0)):
        with pytest.raises(BadInput, match="at least 1 answer"):
            simulate(engine(values), truth, budget, batch)
    with pytest.raises(BadInput, match="holds only common"):
        simulate(engine(values), dict.fromkeys(range(50), "common"), 5, 5)
    with pytest.raises(BadInput, match="nothing"):
        simulate(engine(values), {}, 5, 5)
    with pytest.raises(BadInput, match="'lens'"):
        simulate(engine(values), {**truth, 4: "lens"}, 5, 5)
    with pytest.raises(BadInput, match="rows beyond"):
        simulate(engine(values), {**truth, 50: "rare"}, 5, 5)
    with pytest.raises(NotFound, match="row 7"):
        Oracle({1: "rare"})(7)


def test_area_first_find_and_ideal_are_those_of_the_answers_one_by_one():
    values, truth = corners()
    done = simulate(engine(values, control_share=0), truth, budget=18, batch=2)
    curve, found = [], 0
    for step in done.order:
        found += truth[step.row] == "rare"
        curve.append(found)
    ideal = [min(k, 10) for k in range(1, 19)]
    assert done.area == pytest.approx(sum(curve) / sum(ideal))
    assert done.ideal == [2, 4, 6, 8, 10, 10, 10, 10, 10]
    assert done.first_find == curve.index(1) + 1
    assert [done.finds_at(n) for n in (1, 5, 18, 19)] == [curve[0], curve[4], curve[17], None]
    nothing = simulate(engine(values, control_share=0), truth, budget=1, batch=1)
    assert (nothing.first_find is None) == (nothing.finds == [0])


def corners():
    """Fifty rows on a line and ten targets far off."""
    values = np.zeros((60, 2), np.float32)
    values[:, 0] = np.linspace(0, 1, 60)
    values[50:, 1] = 5
    return values, {row: "rare" if row >= 50 else "common" for row in range(60)}


def test_a_warm_start_is_never_shown_and_finds_at_once():
    values, truth = corners()
    known = known_targets(truth, "rare", 2, seed=1)
    assert known == known_targets(dict(reversed(truth.items())), "rare", 2, seed=1)
    assert known == sorted(set(known))
    assert all(truth[row] == "rare" for row in known)
    done = simulate(engine(values, control_share=0), truth, 10, 4, known=known)
    assert done.n_targets == 8
    assert done.n_objects == 58
    assert done.finds == [4, 8, 8]
    assert done.area == 1
    assert not set(known) & {step.row for step in done.order}
    assert done.states[0].startswith("Only 'rare' seen yet, with 3 unanswered objects")


def test_a_warm_start_that_leaves_nothing_is_refused():
    values, truth = corners()
    with pytest.raises(BadInput, match="no 'rare' is left"):
        simulate(engine(values), truth, 5, 5, known=range(50, 60))
    with pytest.raises(BadInput, match="row 99 has none"):
        simulate(engine(values), truth, 5, 5, known=[99])
    with pytest.raises(BadInput, match="holds 10 of the target 'rare', so that 0 to 9"):
        known_targets(truth, "rare", 10, seed=0)


# The annotator


def test_an_annotator_errs_as_often_as_told_and_always_on_the_same_objects():
    labels = ["rare"] * 2000 + ["common"] * 2500 + ["odd"] * 1500
    truth = dict(enumerate(labels))
    errs = Oracle(truth, "rare", 0.2, seed=5)
    said = [errs(row) for row in range(6000)]
    wrong = np.array([a != b for a, b in zip(said, labels, strict=True)])
    for part in (wrong[:2000], wrong[2000:]):
        # Five standard deviations of a binomial count.
        assert abs(part.sum() - 0.2 * len(part)) < 5 * (0.16 * len(part)) ** 0.5
    assert {said[row] for row in np.flatnonzero(wrong) if row < 2000} == {"common"}
    assert {said[row] for row in np.flatnonzero(wrong) if row >= 2000} == {"rare"}
    assert [errs(row) for row in reversed(range(6000))] == said[::-1]
    later = {row: labels[row] for row in range(1000, 6000)}
    again = Oracle(later, "rare", 0.2, seed=5)
    assert [again(row) for row in later] == said[1000:]
    other, perfect = Oracle(truth, "rare", 0.2, seed=6), Oracle(truth)
    assert [other(row) for row in range(6000)] != said
    assert [perfect(row) for row in range(6000)] == labels


def test_an_annotator_who_cannot_err_so_is_refused():
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(BadInput, match="at least 0 and below 1"):
            Oracle({1: "rare"}, "rare", rate)
    with pytest.raises(BadInput, match="another class to mistake it for"):
        Oracle({1: "rare"}, "rare", 0.1)
    with pytest.raises(BadInput, match="needs a target"):
        Oracle({1: "rare"}, None, 0.1)


def test_a_find_counts_by_its_truth_whatever_was_answered():
    values, truth = blobs(n=300)
    done = simulate(engine(values), truth, 60, 10, error_rate=0.3, seed=2)
    assert done.n_wrong == sum(step.answer != truth[step.row] for step in done.order)
    assert 5 < done.n_wrong < 35
    assert done.finds[-1] == sum(truth[step.row] == "rare" for step in done.order)
    assert done == simulate(engine(values), truth, 60, 10, error_rate=0.3, seed=2)
    assert done != simulate(engine(values), truth, 60, 10, error_rate=0.3, seed=3)


# Truth files

IDS = ["a", "b", "c", "d"]


def write(tmp_path, text):
    path = tmp_path / "truth.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_truth_is_read_by_object_id_and_counts_what_does_not_fit(tmp_path):
    text = "\ufefflabel,object_id,x\nrare,c,1\ncommon, zz,\ncommon,a,2\n rare ,c,3\n,b,4\n"
    truth = read_truth(write(tmp_path, text), np.array(IDS, dtype=object))
    assert truth == Truth({2: "rare", 0: "common"}, n_unknown=1, n_without=2)
    assert dict(truth) == {2: "rare", 0: "common"}
    assert truth.classes == ("common", "rare")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,label\na,rare\n", "header of .* is id, label"),
        ("", "is empty"),
        ("object_id,label\nx,rare\n", "None of the 1 labelled objects"),
        ("object_id,label\na,\n", "None of the 0 labelled objects"),
        ("object_id,label\na,rare\na,common\n", "'a' both 'rare' and 'common'"),
        (b"object_id,label\n\xff\xfe,rare\n", "CSV text in UTF-8"),
        ("object_id,label\na\n", "None of the 0"),
    ],
)
def test_bad_truth_files_are_refused(tmp_path, text, words):
    with pytest.raises(BadInput, match=words):
        read_truth(write(tmp_path, text), IDS)


def test_missing_truth_file(tmp_path):
    with pytest.raises(NotFound, match="no truth file"):
        read_truth(tmp_path / "absent.csv", IDS)
    with pytest.raises(NotFound, match="no truth file"):
        read_truth(tmp_path, IDS)
