"""The portfolio: what is credited, how places are dealt, with which probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from core.config import LoopConfig
from core.discovery import LEARNERS, SAMPLERS, Draw, Engine, simulate
from core.discovery.samplers import portfolio as module
from core.discovery.samplers.portfolio import (
    ARMS,
    COLD_ARMS,
    Arm,
    arm_probabilities,
    available_arms,
    best_probabilities,
    deal,
    portfolio,
)
from core.discovery.schedule import PATIENCE
from tests.discovery.pools import make_pool


def asked_pool(asked_by, finds):
    """A pool whose answers were asked for by these arms and were targets or not, in order."""
    n = len(finds)
    pool = make_pool(n + 20, n_classes=2, unlabelled=range(n, n + 20), answers=np.array(finds))
    return replace(pool, asked_by=tuple(asked_by))


def test_the_chance_to_be_the_best_arm_agrees_with_counting():
    a, b = np.array([4.0, 1.0, 2.0, 0.5]), np.array([6.0, 3.0, 9.0, 0.5])
    drawn = np.random.default_rng(0).beta(a, b, (200_000, 4)).argmax(axis=1)
    counted = np.bincount(drawn, minlength=4) / 200_000
    assert best_probabilities(a, b) == pytest.approx(counted, abs=0.006)
    assert best_probabilities(np.array([1.0]), np.array([1.0])) == pytest.approx([1])
    assert best_probabilities(np.full(3, 900.0), np.full(3, 1e-3)) == pytest.approx([1 / 3] * 3)


def test_arms_are_credited_by_what_they_found_lately():
    names = ["x", "y", "z"]
    even = arm_probabilities(asked_pool([], []), names)
    assert even == pytest.approx([1 / 3] * 3)
    finder = arm_probabilities(asked_pool(["x", "y", "z"] * 8, [1, 0, 0] * 8), names)
    assert finder[0] > 0.8
    assert finder.sum() == pytest.approx(1)
    assert finder.min() >= module.FLOOR / 3  # none is given up for good
    # The same finds long ago, with misses since, weigh less than y's of today.
    turned = ["x"] * 40 + ["y"] * 40
    late = arm_probabilities(asked_pool(turned, [1] * 20 + [0] * 20 + [0] * 20 + [1] * 20), names)
    assert late[1] > 2 * late[0]
    # Answers that others asked for credit nobody.
    others = arm_probabilities(asked_pool(["control", "", "anomaly"] * 5, [1] * 15), names)
    assert others == pytest.approx([1 / 3] * 3)


def test_older_answers_weigh_by_their_order_of_answering_not_by_row():
    pool = asked_pool(["x"] * 10 + ["y"] * 10, [1] * 10 + [1] * 10)
    turned = replace(pool, turns=np.arange(20)[::-1].copy())
    now, then = (arm_probabilities(one, ["x", "y"]) for one in (pool, turned))
    assert now[0] == pytest.approx(then[1])
    assert now[0] != pytest.approx(now[1], abs=1e-3)


def fixed_draw(rows, n=8, probabilities=None):
    rows = np.array(rows, dtype=np.int64)
    given = np.ones(len(rows)) if probabilities is None else np.array(probabilities)
    return Draw(np.zeros(n, np.float32), rows, given)


def test_the_stated_probability_is_how_often_a_row_gets_its_place():
    draws = [fixed_draw([0, 1, 2]), fixed_draw([1, 0, 3]), fixed_draw([0, 4])]
    chances = np.array([0.5, 0.3, 0.2])
    first: dict[int, int] = {}
    second: dict[int, int] = {}  # given that row 0 came first
    told: dict[tuple[int, int], float] = {}
    for seed in range(4000):
        rows, probabilities, chosen = deal(draws, chances, 2, np.random.default_rng(seed))
        assert rows[0] in draws[chosen[0]].rows
        first[int(rows[0])] = first.get(int(rows[0]), 0) + 1
        told[0, int(rows[0])] = probabilities[0]
        if rows[0] == 0:
            second[int(rows[1])] = second.get(int(rows[1]), 0) + 1
            told[1, int(rows[1])] = probabilities[1]
    assert told[0, 0] == pytest.approx(0.7)
    assert told[0, 1] == pytest.approx(0.3)
    assert told[1, 1] == pytest.approx(0.8)
    assert told[1, 4] == pytest.approx(0.2)
    for place, counts in ((0, first), (1, second)):
        total = sum(counts.values())
        for row, count in counts.items():
            p = told[place, row]
            assert abs(count - total * p) < 5 * (total * p * (1 - p)) ** 0.5


def test_dealing_shows_no_row_twice_and_ends_when_all_arms_do():
    draws = [fixed_draw([0, 1]), fixed_draw([1, 0, 5]), fixed_draw([])]
    rows, probabilities, _ = deal(draws, np.full(3, 1 / 3), 8, np.random.default_rng(0))
    assert sorted(rows.tolist()) == [0, 1, 5]
    assert ((probabilities > 0) & (probabilities <= 1)).all()
    rows, probabilities, chosen = deal(
        [fixed_draw([]), fixed_draw([2, 3], probabilities=[0.5, 0.25])],
        np.array([0.9, 0.1]),
        2,
        np.random.default_rng(0),
    )
    assert rows.tolist() == [2, 3]
    assert probabilities == pytest.approx([0.5, 0.25])  # an arm's own chance counts
    assert chosen == [1, 1]


def test_only_what_is_registered_is_an_arm(monkeypatch):
    for trained, arms in ((True, ARMS), (False, COLD_ARMS)):
        there = available_arms(trained=trained)
        assert there
        assert set(there) <= set(arms)
        assert all(arm.sampler in SAMPLERS for arm in there)
        assert all(arm.learner is None or arm.learner in LEARNERS for arm in there)
    monkeypatch.setattr(module, "ARMS", (Arm("ghost"), Arm("margin"), Arm("margin", "ghost")))
    assert available_arms(trained=True) == (Arm("margin"),)


def test_where_nothing_odd_was_a_target_objects_at_random_join_the_arms():
    shown = {}
    for n in (PATIENCE - 1, PATIENCE):
        pool = make_pool(
            n + 20,
            n_classes=2,
            unlabelled=range(n, n + 20),
            answers=np.zeros(n, int),
            learner=None,
            detectors=("isolation_forest", "knn_distance", "farthest_first"),
        )
        pool = replace(pool, asked_by=("anomaly",) * n)
        shown[n] = set(portfolio(pool, 20).chosen_by or ())
    assert shown[PATIENCE - 1] <= {"anomaly", "isolated", "diverse"}
    assert "random" in shown[PATIENCE]


ARMS_OF_TEST = (Arm("most_likely"), Arm("most_likely", "logistic"), Arm("margin"))


def test_each_row_is_told_with_the_arm_that_would_have_shown_it(monkeypatch):
    monkeypatch.setattr(module, "ARMS", ARMS_OF_TEST)
    pool = make_pool(60, n_classes=2, unlabelled=range(10, 60), learner="taught")
    draw = portfolio(pool, 12)
    assert len(draw.rows) == 12
    assert set(draw.chosen_by or ()) <= {"most_likely", "most_likely/logistic", "margin"}
    assert np.isnan(draw.scores[:10]).all()
    assert draw.scores[10:] == pytest.approx(pool.probabilities[10:, 1])
    again = portfolio(make_pool(60, n_classes=2, unlabelled=range(10, 60), learner="taught"), 12)
    assert again.rows.tolist() == draw.rows.tolist()
    assert again.chosen_by == draw.chosen_by
    few = portfolio(make_pool(12, n_classes=2, unlabelled=[10, 11], learner="taught"), 500)
    assert sorted(few.rows.tolist()) == [10, 11]


def test_of_several_targets_each_has_its_turn_in_the_name_of_an_arm(monkeypatch):
    monkeypatch.setattr(module, "ARMS", ARMS_OF_TEST)
    pool = make_pool(60, unlabelled=range(12, 60), learner="taught")
    pool = replace(pool, also_targets=(2,))
    names = portfolio(pool, 30).chosen_by or ()
    likeliest = {f"{arm.name} ({one})" for arm in ARMS_OF_TEST[:2] for one in "bc"}
    assert set(names) == likeliest | {"margin"}
    # Finds of either turn are the arm's.
    finder = replace(pool, asked_by=("most_likely/logistic (b)", "most_likely/logistic (c)") * 6)
    plain = replace(pool, asked_by=("most_likely/logistic",) * 12)
    arms = [arm.name for arm in ARMS_OF_TEST]
    credited = arm_probabilities(finder, arms)
    assert credited.tolist() == arm_probabilities(plain, arms).tolist()
    assert credited[1] != pytest.approx(1 / 3, abs=0.05)


def test_an_arm_goes_round_the_targets_by_its_own_turns(monkeypatch):
    monkeypatch.setattr(module, "ARMS", ARMS_OF_TEST[1:2])
    pool = replace(make_pool(60, unlabelled=range(12, 60), learner="taught"), also_targets=(2,))
    for n_own in range(4):
        others = ("most_likely", "most_likely (b)", "margin")
        asked_by = (("most_likely/logistic (b)",) * n_own + others * 4)[:12]
        names = portfolio(replace(pool, asked_by=asked_by), 2).chosen_by or ()
        turns = "bcb"[n_own % 2 :][:2]
        assert list(names) == [f"most_likely/logistic ({one})" for one in turns], n_own


def test_the_learner_of_an_arm_starts_no_threads(monkeypatch):
    made = []

    def many_threads(seed):
        made.append(ExtraTreesClassifier(3, random_state=seed, n_jobs=2))
        return made[-1]

    entry = replace(LEARNERS["logistic"], call=many_threads)
    monkeypatch.setitem(LEARNERS._entries, "logistic", entry)
    monkeypatch.setattr(module, "ARMS", (Arm("most_likely", "logistic"),))
    portfolio(make_pool(30, n_classes=2, unlabelled=range(10, 30), learner="taught"), 5)
    assert [one.n_jobs for one in made] == [None]


def two_corners():
    """Sixty rows on a line and ten targets far off."""
    values = np.zeros((70, 3), np.float32)
    values[:, 0] = np.linspace(0, 1, 70)
    values[60:, 1] = 5
    return values, {row: "t" if row >= 60 else "o" for row in range(70)}


def test_the_loop_finds_by_portfolio_and_repeats(monkeypatch):
    monkeypatch.setattr(module, "ARMS", ARMS_OF_TEST)
    values, truth = two_corners()
    config = LoopConfig(sampler="portfolio", learner="logistic", control_share=0.1, seed=1)
    runs = []
    for _ in range(2):
        engine = Engine(values, np.ones(70, bool), ("t", "o"), "t", config)
        runs.append(simulate(engine, truth, 30, 5))
    assert runs[0] == runs[1]
    assert runs[0].finds[-1] == 10
    shown_by = {step.sampler for step in runs[0].order}
    assert shown_by <= {arm.name for arm in (*ARMS_OF_TEST, *COLD_ARMS)} | {"control"}
    assert len(shown_by) > 3
    assert "portfolio" not in shown_by
    assert all(0 < step.pick.probability <= 1 for step in runs[0].order)
