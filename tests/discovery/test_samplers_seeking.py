"""The samplers that look for targets, each against brute force or a plain, slow reference."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from sklearn.tree import ExtraTreeClassifier

from core.discovery import SAMPLERS, Need, neighbour_graph
from core.discovery.kept import Kept
from core.discovery.neighbour_graph import reverse_neighbours
from core.discovery.samplers import astronomaly as astronomaly_module
from core.discovery.samplers import ens as ens_module
from core.discovery.samplers import positive_unlabelled as bagging
from core.discovery.schedule import COLD_START, schedule_of
from tests.discovery.seeking_pool import FixedLearner, seeking_pool

SEEKING = ("astronomaly", "protege", "protege_plain", "pine_forest", "aad_forest")
NEED_A_TARGET = ("ens", "positive_unlabelled")


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow_neighbours(values, k):
    """For each row, the set of its k nearest others."""
    gap = ((values[:, None].astype(float) - values[None]) ** 2).sum(axis=2)
    np.fill_diagonal(gap, np.inf)
    return [set(np.argsort(line, kind="stable")[:k].tolist()) for line in gap]


def brute_force(values, answers, rows, ahead, k, learnt=None):
    """row -> expected finds with `ahead` answers after it, less those without it.

    learnt: (N,) P(target) of a learner, where there is one.
    """
    neighbours = slow_neighbours(values, k)

    def chance(row, new):
        near = [answers[one] for one in neighbours[row] if one in answers]
        p, worth = (0.01 + sum(near)) / (1 + len(near)), 1 + len(near)
        if learnt is not None:
            p, worth = learnt[row], 20 + len(near)
        near = [y for one, y in new.items() if one in neighbours[row]]
        return (worth * p + sum(near)) / (worth + len(near))

    def highest(new, left):
        return sum(sorted((chance(row, new) for row in left), reverse=True)[:ahead])

    scores = {}
    for x in rows:
        p, rest = chance(x, {}), [row for row in rows if row != x]
        later = p * highest({x: True}, rest) + (1 - p) * highest({x: False}, rest)
        scores[x] = p + later - highest({}, rows)
    return scores


# Efficient nonmyopic search


@pytest.mark.parametrize("budget", [1, 2, 5, 12, 20, 999])
@pytest.mark.parametrize("is_trained", [False, True])
def test_nonmyopic_scores_are_those_of_brute_force(budget, is_trained, monkeypatch):
    monkeypatch.setattr(ens_module, "K", 4)
    monkeypatch.setattr(ens_module, "AHEAD", 1000)
    values = normal(24, 2, seed=int(is_trained))
    answers = {0: True, 5: False, 7: True, 11: False, 12: False}
    learnt = np.random.default_rng(3).random(24).astype(np.float32) if is_trained else None
    learner = FixedLearner(learnt) if is_trained else None
    pool = seeking_pool(
        values, answers, aside=[3, 4], budget=budget, learner=learner, as_they_are=True
    )
    rows = pool.unlabelled.tolist()
    ahead = min(budget - 1, len(rows) - 1)
    slow = brute_force(values, answers, rows, ahead, 4, learnt)
    draw = SAMPLERS["ens"].call(pool, len(rows))
    assert draw.scores[rows] == pytest.approx([slow[row] for row in rows], abs=2e-6)
    assert np.isnan(draw.scores[[0, 3, 4, 5]]).all()
    few = SAMPLERS["ens"].call(pool, 3)
    best = sorted(slow.values(), reverse=True)[:3]
    assert [slow[row] for row in few.rows.tolist()] == pytest.approx(best, abs=2e-6)


def test_no_more_answers_are_looked_ahead_than_are_worth_it():
    values, answers = normal(60, 2), {0: True, 1: False}
    learner = FixedLearner(np.random.default_rng(3).random(60))

    def scores(budget):
        pool = seeking_pool(values, answers, budget=budget, learner=learner)
        return SAMPLERS["ens"].call(pool, 58).scores[2:]

    assert scores(None).tolist() == scores(5).tolist() == scores(200).tolist()
    assert scores(4).tolist() != scores(5).tolist()
    assert scores(1) == pytest.approx(learner.chance[2:])


def test_a_row_left_out_by_its_bound_could_not_have_been_among_the_best(monkeypatch):
    values = normal(3000, 3)
    learner = FixedLearner(np.random.default_rng(1).random(3000) ** 4)
    pool = seeking_pool(values, {0: True, 1: False, 2: False}, learner=learner)
    looked_at = []
    exact = ens_module.Beliefs._exact

    def counting(self, rows, *others):
        looked_at.append(len(rows))
        return exact(self, rows, *others)

    monkeypatch.setattr(ens_module.Beliefs, "_exact", counting)
    few = SAMPLERS["ens"].call(pool, 10)
    assert sum(looked_at) < 1500
    everything = SAMPLERS["ens"].call(pool, 3000)
    assert few.rows.tolist() == everything.rows[:10].tolist()
    open_rows = pool.unlabelled
    assert (few.scores[open_rows] >= everything.scores[open_rows] - 1e-6).all()


def test_with_answers_to_spend_it_prefers_where_a_find_would_lead_on():
    crowd = np.column_stack([np.linspace(0, 0.1, 32), np.zeros(32)])
    values = np.vstack([crowd, [[50, 50]]])  # the last one is nobody's neighbour
    learner = FixedLearner(np.full(33, 0.3))

    def shown(budget):
        answers = {0: True, 1: False}
        pool = seeking_pool(values, answers, budget=budget, learner=learner, as_they_are=True)
        return SAMPLERS["ens"].call(pool, 31).scores[2:]

    assert shown(1) == pytest.approx(np.full(31, 0.3))
    assert shown(5)[:-1].min() > shown(5)[-1] == pytest.approx(0.3)


def test_reverse_neighbours_are_those_of_a_slow_search():
    values = normal(60, 3)
    graph = reverse_neighbours(values, 7)
    slow = slow_neighbours(values, 7)
    for row in range(60):
        have_it = [other for other in range(60) if row in slow[other]]
        assert graph.rows[graph.start[row] : graph.start[row + 1]].tolist() == have_it
    which, informed = graph.of(np.array([5, 9]))
    assert informed[which == 1].tolist() == [o for o in range(60) if 9 in slow[o]]
    assert graph.sums(np.arange(60.0))[5] == sum(o for o in range(60) if 5 in slow[o])


def test_neighbours_of_many_rows_are_found_through_cells(monkeypatch):
    monkeypatch.setattr(neighbour_graph, "_EXACT_ROWS", 100)
    values = normal(1500, 4)
    graph, slow = reverse_neighbours(values, 10), slow_neighbours(values, 10)
    found: list[set[int]] = [set() for _ in range(1500)]
    for row in range(1500):
        for other in graph.rows[graph.start[row] : graph.start[row + 1]].tolist():
            found[other].add(row)
    assert all(len(one) == 10 and row not in one for row, one in enumerate(found))
    assert np.mean([len(a & b) for a, b in zip(found, slow, strict=True)]) > 9


@pytest.mark.parametrize("n", [1, 2, 5, 200])
def test_copies_are_neighbours_of_one_another_but_never_of_themselves(n):
    graph = reverse_neighbours(np.zeros((n, 3), np.float32), 8)
    which, informed = graph.of(np.arange(n))
    assert len(informed) == n * min(8, n - 1)
    assert (which != informed).all()


def test_what_is_kept_goes_with_its_array():
    made = []

    def make(array):
        made.append(array.shape)
        return array.sum()

    kept = Kept(make)
    whole = normal(10, 3)
    assert kept(whole.view()) == kept(whole.view()) == whole.sum()
    assert kept(whole[:5]) == pytest.approx(whole[:5].sum())
    assert made == [(10, 3), (5, 3)]
    del whole
    gc.collect()
    assert len(kept) == 0


# Positive-unlabelled bagging


def test_bagging_agrees_with_a_slow_one():
    values, found = normal(40, 3), np.array([2, 30, 31])
    fast = bagging.bagged_scores(values, found, np.random.default_rng(5), 25)
    rng = np.random.default_rng(5)
    others = [row for row in range(40) if row not in (2, 30, 31)]
    bags, seeds = rng.integers(37, size=(25, 32)), rng.integers(2**31, size=25)
    heard: list[list[float]] = [[] for _ in range(40)]
    for bag, seed in zip(bags, seeds, strict=True):
        drawn = [others[place] for place in bag]
        tree = ExtraTreeClassifier(class_weight="balanced", random_state=int(seed))
        tree.fit(values[[2, 30, 31, *drawn]], [1, 1, 1] + [0] * 32)
        for row in set(range(40)) - set(drawn):
            heard[row].append(tree.predict_proba(values[row : row + 1])[0, 1])
    for row in range(40):
        assert fast[row] == pytest.approx(np.mean(heard[row]) if heard[row] else 0.5)


def test_bagging_trusts_finds_alone():
    values = normal(300, 4)
    values[:20] += 4
    finds = {0: True, 1: True, 2: True}
    one = SAMPLERS["positive_unlabelled"].call(seeking_pool(values, finds), 10)
    assert (one.rows < 20).all()
    others = finds | dict.fromkeys(range(5, 15), False)
    other = SAMPLERS["positive_unlabelled"].call(seeking_pool(values, others), 10)
    both = np.isfinite(one.scores) & np.isfinite(other.scores)
    assert (one.scores[both] == other.scores[both]).all()


@pytest.mark.parametrize("name", NEED_A_TARGET)
def test_one_find_is_all_they_need(name):
    assert SAMPLERS[name].needs is Need.TARGET
    assert schedule_of(name, trained=False) == COLD_START
    assert schedule_of(name, trained=False, found=True) == (name,)
    assert schedule_of(name, trained=True) == (name,)
    assert schedule_of("margin", trained=False, found=True) == COLD_START


# All of them, on what a survey may bring


def awkward(case):
    """values, answers, and how many rows are asked for."""
    values = normal(60, 4)
    some = {row: row < 2 for row in range(14)}
    if case == "targets only":
        return values, dict.fromkeys(range(12), True), 5
    if case == "others only":
        return values, dict.fromkeys(range(12), False), 5
    if case == "a class of one":
        return values, {row: row == 3 for row in range(12)}, 5
    if case == "one answer":
        return values, {3: True}, 5
    if case == "fewer rows than the batch":
        return values[:16], some, 50
    if case == "constant columns":
        values[:, 1:] = 7
        return values, some, 5
    if case == "nothing but copies":
        return np.ones((60, 4)), some, 5
    if case == "contradictory copies":
        values[:12] = values[0]
        return values, {row: row % 2 == 0 for row in range(14)}, 5
    if case == "more columns than rows":
        return normal(30, 80), some, 5
    if case == "two rows":
        return values[:2], {0: True}, 5
    return values[:15], {row: row < 2 for row in range(15)}, 5


@pytest.fixture
def few_trees(monkeypatch):
    """So that the awkward ones are no matter of minutes."""
    monkeypatch.setattr(bagging, "_BAGS", 8)
    monkeypatch.setattr(astronomaly_module, "_TREES", 8)


CASES = (
    "targets only",
    "others only",
    "a class of one",
    "one answer",
    "fewer rows than the batch",
    "constant columns",
    "nothing but copies",
    "contradictory copies",
    "more columns than rows",
    "two rows",
    "nothing left",
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SEEKING + NEED_A_TARGET)
def test_awkward_surveys_are_ranked_and_the_same_way_twice(name, case, few_trees):
    values, answers, n = awkward(case)
    if SAMPLERS[name].needs is Need.TARGET and not any(answers.values()):
        pytest.skip("is not asked without a target")
    pool = seeking_pool(values, answers)
    draw = SAMPLERS[name].call(pool, n)
    assert np.isfinite(draw.scores[pool.unlabelled]).all()
    assert len(draw.rows) == min(n, len(pool.unlabelled))
    assert set(draw.rows.tolist()) <= set(pool.unlabelled.tolist())
    again = SAMPLERS[name].call(seeking_pool(values, answers), n)
    assert again.rows.tolist() == draw.rows.tolist()
    assert np.array_equal(again.scores, draw.scores, equal_nan=True)


@pytest.mark.parametrize("name", SEEKING + NEED_A_TARGET)
def test_a_clump_of_targets_is_found_from_a_few_of_them(name):
    values = normal(400, 5)
    values[:30] = 3.5 + 0.5 * values[:30]
    answers = dict.fromkeys(range(4), True) | dict.fromkeys(range(100, 110), False)
    draw = SAMPLERS[name].call(seeking_pool(values, answers), 10)
    assert (draw.rows < 30).sum() >= 8
