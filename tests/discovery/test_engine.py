"""The engine: purity, its states, the control sample, and every bad input."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import (
    DETECTORS,
    SAMPLERS,
    Engine,
    control_order,
    sampler_names,
    top_draw,
)
from core.discovery.control import is_control_position, n_controls_before
from core.discovery.schedule import (
    COLD_START,
    LATE_START,
    PATIENCE,
    TARGET_FINDING,
    schedule_of,
)
from core.errors import BadInput, NotFound
from core.vocabulary import CONTROL_SAMPLER, ScoreKind

CLASSES = ("dual", "other", "artefact")
QUICK = LoopConfig(learner="logistic", queue_length=20, control_share=0)


def survey(n=120, d=6, seed=0):
    """Rows 0 to 9 are duals, 10 to 14 artefacts, each in a corner of its own."""
    values = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    values[:10, 0] += 6
    values[10:15, 1] -= 7
    return values, np.ones(n, bool)


@pytest.fixture(autouse=True)
def quick_detectors(monkeypatch, request):
    """Two hundred trees grown for each engine would be nearly all of the time; what detectors do
    is tested beside them."""
    if "odd_embeddings" in request.node.name:
        return

    def outer(power):
        return lambda values, unseen, seed: (np.abs(values) ** power).sum(axis=1)

    for power, name in enumerate(("isolation_forest", "knn_distance"), start=1):
        monkeypatch.setitem(DETECTORS._entries, name, replace(DETECTORS[name], call=outer(power)))


def engine(config=QUICK, **changes):
    values, mask = survey()
    return Engine(values, mask, CLASSES, "dual", replace(config, **changes))


LABELS = {3: "dual", 40: "other", 11: "artefact", 60: "other"}


@pytest.mark.parametrize("sampler", sampler_names())
@pytest.mark.parametrize("labels", [{}, LABELS])
def test_the_same_labels_give_the_same_ranking(sampler, labels):
    config = LoopConfig(sampler=sampler, learner="averaged", queue_length=30, seed=3)
    one, other = engine(config), engine(config)
    other.rerank({5: "dual", 70: "other"})  # what was asked before leaves no trace
    backwards = dict(reversed(labels.items()))
    a, b = one.rerank(labels), other.rerank(backwards)
    assert a.picks == b.picks
    assert (a.scores == b.scores).all()
    assert (a.state, a.sampler, a.learner) == (b.state, b.sampler, b.learner)


def test_class_probabilities_come_once_something_is_learnt():
    assert engine().rerank({}).class_probabilities is None
    assert engine().rerank({3: "dual", 4: "dual"}).class_probabilities is None
    ranking = engine().rerank({3: "dual"} | dict.fromkeys(range(40, 43), "other"))
    chances = ranking.class_probabilities
    assert chances is not None
    assert chances.shape == (120, 3)
    assert (chances[:, 0] == ranking.scores).all()
    assert chances.sum(axis=1) == pytest.approx(np.ones(120), abs=1e-5)
    assert (chances[:, 2] == 0).all()  # no artefact was seen yet
    with pytest.raises(ValueError, match="read-only"):
        chances[0, 0] = 1


def test_no_mixture_of_others_is_told_while_most_of_them_are_stand_ins():
    few = {3: "dual", 11: "artefact"}  # every ordinary row that stands in is called an artefact
    ranking = engine().rerank(few)
    assert "with 5 unanswered" in ranking.state
    assert ranking.class_probabilities is None
    assert ranking.score_kind is ScoreKind.TARGET_PROBABILITY
    values, mask = survey()
    two = Engine(values, mask, ("dual", "other"), "dual", QUICK)
    assert two.rerank({3: "dual", 40: "other"}).class_probabilities is not None


def test_the_seed_changes_what_is_left_to_chance():
    first = engine(sampler="random").rerank({}).picks
    second = engine(sampler="random", seed=1).rerank({}).picks
    assert [p.row for p in first] != [p.row for p in second]


def test_cold_start_deals_its_samplers_in_turn():
    ranking = engine().rerank({})
    assert [pick.sampler for pick in ranking.picks] == [
        COLD_START[rank % len(COLD_START)] for rank in range(20)
    ]
    assert [pick.rank for pick in ranking.picks] == list(range(20))
    assert len({pick.row for pick in ranking.picks}) == 20
    assert ranking.score_kind is ScoreKind.ANOMALY
    assert ranking.learner is None
    assert (ranking.scores == engine().detector_scores("isolation_forest")).all()
    assert ranking.state == (
        "No answers yet: showing the oddest first (isolation forest), those farthest from their"
        " neighbours first and those that differ most from one another (farthest first), in turn."
    )


def test_the_turn_goes_on_where_the_answers_ended():
    labels = {80: "other", 81: "other"}
    expected = [COLD_START[(2 + turn) % len(COLD_START)] for turn in range(20)]
    assert [pick.sampler for pick in engine().rerank(labels).picks] == expected


@pytest.mark.parametrize("sampler", ["default", "margin"])
def test_where_nothing_odd_was_a_target_every_other_place_goes_by_chance(sampler):
    labels = dict.fromkeys(range(40, 40 + PATIENCE), "other")
    shown = dict.fromkeys(labels, "anomaly")
    last = labels.popitem()
    before = engine(sampler=sampler).rerank(labels, asked_by=shown)
    assert "random" not in {pick.sampler for pick in before.picks}
    picks = engine(sampler=sampler).rerank(labels | dict([last]), asked_by=shown).picks
    turn = PATIENCE % len(LATE_START)
    expected = [LATE_START[(turn + rank) % len(LATE_START)] for rank in range(len(picks))]
    assert [pick.sampler for pick in picks] == expected
    assert expected.count("random") == len(picks) // 2
    n_open = len(engine()) - PATIENCE
    by_chance = [pick.probability for pick in picks if pick.sampler == "random"]
    assert by_chance[0] == pytest.approx(1 / n_open)
    # What another sampler showed before is passed over, and one draw more was made by then.
    draws = [n_open - 1 / chance for chance in by_chance]
    assert draws == pytest.approx([round(draw) for draw in draws])
    assert (np.diff(draws) > 0.5).all()
    assert draws[-1] < len(picks)
    found = engine(sampler=sampler).rerank(labels | {3: "dual"}, asked_by=shown).picks
    assert "random" not in {pick.sampler for pick in found}


def test_what_the_start_did_not_show_does_not_use_up_its_patience():
    labels = dict.fromkeys(range(30, 35 + PATIENCE), "other")
    rows = list(labels)
    # From a file nobody was shown anything; controls and gold objects show nothing odd.
    too_few = dict.fromkeys(rows[1:PATIENCE], "anomaly")
    for asked_by in (None, {}, dict.fromkeys(rows, "control"), too_few):
        picks = engine().rerank(labels, asked_by=asked_by).picks
        assert "random" not in {pick.sampler for pick in picks}
    asked_by = dict.fromkeys(rows[:PATIENCE], "isolated")
    picks = engine().rerank(labels, asked_by=asked_by).picks
    assert "random" in {pick.sampler for pick in picks}


def test_trained_it_shows_the_likeliest_targets():
    ranking = engine().rerank(LABELS)
    assert ranking.sampler == "+".join(TARGET_FINDING) == "most_likely"
    assert ranking.learner == "logistic"
    assert ranking.score_kind is ScoreKind.TARGET_PROBABILITY
    assert ranking.n_labels == 4
    assert not set(LABELS) & {pick.row for pick in ranking.picks}
    assert {pick.row for pick in ranking.picks[:7]} <= set(range(10))
    scores = [ranking.scores[pick.row] for pick in ranking.picks]
    assert scores == sorted(scores, reverse=True)
    assert [pick.score for pick in ranking.picks] == pytest.approx(scores)
    assert np.isfinite(ranking.scores).all()
    assert ranking.state == (
        f"Trained on 4 answers, 1 of them 'dual', with 3 {STAND_INS}: showing the most likely"
        " to be the target first."
    )
    with pytest.raises(ValueError, match="read-only"):
        ranking.scores[0] = 1


STAND_INS = "unanswered objects at random taken for others"
ONLY_TARGETS = f"Only 'dual' seen yet, with 6 {STAND_INS}"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "No answers yet"),
        ({40: "other", 11: "artefact"}, "No 'dual' seen yet"),
        ({3: "dual", 4: "dual"}, ONLY_TARGETS),
    ],
)
@pytest.mark.parametrize("sampler", ["margin", "entropy"])
def test_a_sampler_whose_needs_are_unmet_gives_way_and_says_so(labels, words, sampler):
    ranking = engine(sampler=sampler).rerank(labels)
    assert ranking.state.startswith(
        f"{words} ({sampler!r} waits for answers of the target and of another class): showing"
    )
    assert {pick.sampler for pick in ranking.picks} == set(COLD_START)
    assert ranking.sampler == "+".join(dict.fromkeys(COLD_START))
    met = engine(sampler=sampler).rerank(LABELS)
    assert {pick.sampler for pick in met.picks} == {sampler}
    assert "waits" not in met.state


@pytest.mark.parametrize("sampler", ["default", "most_likely"])
def test_known_targets_steer_before_anything_else_is_answered(sampler):
    ranking = engine(sampler=sampler).rerank({3: "dual", 4: "dual"})
    assert ranking.state == (f"{ONLY_TARGETS}: showing the most likely to be the target first.")
    assert {pick.row for pick in ranking.picks[:8]} == set(range(10)) - {3, 4}
    assert ranking.score_kind is ScoreKind.TARGET_PROBABILITY
    assert ranking.learner == "logistic"
    assert ranking.class_probabilities is None  # of the other classes nothing is known
    assert ranking.n_labels == 2
    again = engine(sampler=sampler).rerank({3: "dual", 4: "dual"})
    assert again.picks == ranking.picks
    waiting = engine(sampler="most_likely").rerank({40: "other"})
    assert "('most_likely' waits for an answer of the target)" in waiting.state


def test_a_survey_of_known_targets_alone_is_no_error():
    labels = dict.fromkeys(range(120), "dual")
    ranking = engine().rerank(labels)
    assert ranking.picks == []
    assert ranking.score_kind is ScoreKind.ANOMALY


PARTS = {"left": slice(0, 2), "right": slice(2, 6)}


def test_a_detector_may_look_at_one_part_of_the_embedding():
    values, mask = survey()
    whole = Engine(values, mask, CLASSES, "dual", QUICK, parts=PARTS)
    right = Engine(values[:, 2:], mask, CLASSES, "dual", QUICK)
    scores = whole.detector_scores("isolation_forest/right")
    assert (scores == right.detector_scores("isolation_forest")).all()
    assert (scores != whole.detector_scores("isolation_forest")).any()
    with pytest.raises(BadInput, match="parts of this embedding are left, right, but 'top'"):
        whole.detector_scores("isolation_forest/top")
    with pytest.raises(BadInput, match="are none, but"):
        engine().detector_scores("isolation_forest/left")
    for wrong in (slice(4, 9), slice(3, 3)):
        with pytest.raises(BadInput, match="columns of the embedding"):
            Engine(values, mask, CLASSES, "dual", QUICK, parts={"odd": wrong})


@pytest.mark.parametrize("name", sampler_names())
def test_every_schedule_names_registered_samplers_that_may_be_asked(name):
    for trained in (False, True):
        for part in schedule_of(name, trained=trained):
            assert SAMPLERS[part].detector is None or SAMPLERS[part].detector in DETECTORS
            assert trained or SAMPLERS[part].needs != SAMPLERS["margin"].needs


# The control sample


def test_control_positions_are_even_and_counted_from_the_first_answer():
    positions = [p for p in range(100) if is_control_position(p, 0.05)]
    assert positions == [19, 39, 59, 79, 99]
    assert [n_controls_before(p, 0.05) for p in (19, 20, 40)] == [0, 1, 2]
    assert sum(is_control_position(p, 0.29) for p in range(100)) == 29
    assert not any(is_control_position(p, 0) for p in range(100))


def test_controls_are_the_next_of_the_fixed_permutation():
    order = control_order(QUICK.seed, 120).tolist()
    assert sorted(order) == list(range(120))
    ranking = engine(control_share=0.25).rerank({})
    controls = [pick for pick in ranking.picks if pick.sampler == CONTROL_SAMPLER]
    assert [pick.rank for pick in controls] == [3, 7, 11, 15, 19]
    used = set()
    for pick in ranking.picks:
        if pick.sampler == CONTROL_SAMPLER:
            assert pick.row == next(row for row in order if row not in used)
            assert pick.probability == pytest.approx(1 / (120 - pick.rank))
        used.add(pick.row)
    assert "25 % at random as control" in ranking.state


def test_an_answered_control_is_not_shown_again():
    order = control_order(QUICK.seed, 120).tolist()
    labels = {order[0]: "other", order[1]: "other", 119 if order[2] != 119 else 118: "other"}
    picks = engine(control_share=0.25).rerank(labels).picks
    assert picks[0].sampler == CONTROL_SAMPLER  # the fourth of the task
    assert picks[0].row == next(row for row in order if row not in labels)


def test_the_first_control_is_every_row_equally_often():
    counts = Counter(int(control_order(seed, 8)[0]) for seed in range(2000))
    # Five standard deviations of a count of 2000 draws with p = 1/8.
    assert all(abs(counts[row] - 250) < 5 * (2000 * 7 / 64) ** 0.5 for row in range(8))


# Ends and bad input


def test_all_answered_leaves_an_empty_queue_and_a_sentence():
    labels = {row: "dual" if row < 10 else "other" for row in range(115)}
    ranking = engine().rerank(labels, excluded=range(115, 120))
    assert ranking.picks == []
    assert ranking.state == ("All 120 objects are answered or set aside; nothing is left to show.")
    assert np.isfinite(ranking.scores).all()


def test_the_queue_is_no_longer_than_what_is_left_and_skips_what_is_set_aside():
    labels = dict.fromkeys(range(100), "other")
    picks = engine(control_share=0.2).rerank(labels, excluded=[100, 101], n=500).picks
    assert {pick.row for pick in picks} == set(range(102, 120))
    assert engine().rerank({}, n=0).picks == []


class Whole(np.ndarray):
    """An array that nobody may walk through row by row."""

    def __iter__(self):
        raise AssertionError("a Python object was made of every row set aside")


def test_rows_set_aside_as_an_array_are_read_as_one():
    aside = np.arange(20, 120)
    whole = engine().rerank({}, excluded=aside.view(Whole))
    assert whole.picks == engine().rerank({}, excluded=aside.tolist()).picks
    assert {pick.row for pick in whole.picks} == set(range(20))


@pytest.mark.parametrize(
    ("labels", "excluded"), [({120: "dual"}, ()), ({}, [-1]), ({-5: "x"}, ())]
)
def test_rows_out_of_range_are_not_found(labels, excluded):
    with pytest.raises(NotFound, match="0 to 119"):
        engine().rerank(labels, excluded)


def test_unknown_class_length_sampler_learner_and_target_are_refused():
    with pytest.raises(BadInput, match="an answer says 'lens'"):
        engine().rerank({1: "lens"})
    with pytest.raises(BadInput, match="zero or more places"):
        engine().rerank({}, n=-1)
    with pytest.raises(BadInput, match=r"sampler must be one of .*'oracle'"):
        engine(sampler="oracle")
    with pytest.raises(BadInput, match=r"learner must be one of .*'svm'"):
        engine(learner="svm")
    for classes, target in ((("a", "b"), "c"), (("a",), "a"), (("a", "a", "b"), "a"), ((), "a")):
        with pytest.raises(BadInput, match="two or more different classes"):
            Engine(np.zeros((3, 2)), np.ones(3, bool), classes, target, QUICK)


@pytest.mark.parametrize("learner", ["logistic", "averaged"])
@pytest.mark.parametrize("case", ["constant", "nan", "unseen", "copies", "wide", "tiny"])
def test_odd_embeddings_are_ranked_all_the_same(case, learner):
    values, mask = survey()
    if case == "constant":
        values[:] = 1
    elif case == "nan":
        values[:, 2] = np.nan
        values[5:9, 1] = np.nan
    elif case == "unseen":
        mask[:] = False
        values[:] = np.nan
    elif case == "copies":
        values = np.repeat(values[:12], 10, axis=0)
    elif case == "wide":
        values = np.random.default_rng(0).normal(size=(120, 400))
    elif case == "tiny":
        values, mask = values[:2], mask[:2]
    one = Engine(values, mask, CLASSES, "dual", replace(QUICK, learner=learner))
    n = len(values)
    assert len(one.rerank({}, n=n).picks) == n
    trained = one.rerank({0: "dual", 1: "other"}, n=n)
    assert len(trained.picks) == n - 2
    assert np.isfinite(trained.scores).all()


def test_unseen_rows_stay_drawable_and_can_be_learnt():
    values, mask = survey()
    mask[100:] = False
    values[100:] = np.nan
    one = Engine(values, mask, ("blank", "other"), "blank", QUICK)
    picks = one.rerank({100: "blank", 40: "other", 3: "other"}).picks
    assert {pick.row for pick in picks[:19]} == set(range(101, 120))


def test_a_sampler_hears_who_asked_what_and_in_which_order(monkeypatch):
    heard = []

    def listening(pool, n):
        heard.append(pool)
        return top_draw(pool, np.zeros(len(pool.embedding), np.float32), n)

    monkeypatch.setitem(SAMPLERS._entries, "random", replace(SAMPLERS["random"], call=listening))
    labels = {60: "other", 3: "dual", 40: "other"}
    engine(sampler="random").rerank(labels, asked_by={3: "anomaly", 60: "control"}, budget=7)
    (pool,) = heard
    assert pool.labelled.tolist() == [3, 40, 60]
    assert pool.turns.tolist() == [1, 2, 0]
    assert pool.asked_by == ("anomaly", "", "control")
    assert pool.budget == 7
    assert pool.columns.shape == (120, 6)
    assert pool.columns is pool.columns
    assert not pool.columns.flags.writeable


def test_a_draw_may_name_the_samplers_behind_its_rows(monkeypatch):
    def two_heads(pool, n):
        draw = top_draw(pool, np.arange(len(pool.embedding), dtype=np.float32), n)
        return replace(
            draw, chosen_by=tuple(("odd", "even")[int(row % 2 == 0)] for row in draw.rows)
        )

    monkeypatch.setitem(SAMPLERS._entries, "random", replace(SAMPLERS["random"], call=two_heads))
    picks = engine(sampler="random").rerank({}, n=4).picks
    assert [(pick.row, pick.sampler) for pick in picks] == [
        *((119, "odd"), (118, "even"), (117, "odd"), (116, "even"))
    ]
