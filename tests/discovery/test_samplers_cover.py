"""The samplers that cover the survey, k-centre and TypiClust, and the clustering under them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.cluster import KMeans

from core.discovery import SAMPLERS
from core.discovery.clustering import k_means, nearest_centre, spread_out
from core.discovery.samplers import k_centre as k_centre_file
from tests.discovery.pools import make_pool


def squared_distance(a, b):
    return sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))


# Clustering


def test_nearest_centre_is_the_brute_force_one(monkeypatch):
    monkeypatch.setattr("core.discovery.clustering._CHUNK", 7)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)).astype(np.float32)
    centres = rng.normal(size=(6, 3)).astype(np.float32)
    which, squared = nearest_centre(values, centres)
    for row in range(40):
        slow = [squared_distance(values[row], centre) for centre in centres]
        assert which[row] == slow.index(min(slow))
        assert squared[row] == pytest.approx(min(slow), abs=1e-5)


def test_k_means_is_scikit_learns_from_the_same_seeds():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(300, 4)).astype(np.float32)
    norms = (points**2).sum(axis=1)
    same = np.random.default_rng(5)
    seeds, _ = spread_out(
        norms,
        lambda i: ((points - points[i]) ** 2).sum(axis=1),
        int(same.integers(300)),
        8,
        same,
    )
    reference = KMeans(8, init=points[seeds], n_init=1, max_iter=200, tol=0).fit(points)
    centres = k_means(points, 8, np.random.default_rng(5), max_steps=200)
    assert centres == pytest.approx(reference.cluster_centers_, abs=1e-4)


def test_spread_out_draws_as_often_as_it_says():
    points = np.array([[0.0], [1.0], [3.0], [3.0], [6.0]])
    distances = [((points - point) ** 2).sum(axis=1) for point in points]
    norms = (points**2).sum(axis=1)
    counts: Counter[tuple[int, ...]] = Counter()
    stated: dict[tuple[int, ...], float] = {}
    rng = np.random.default_rng(0)
    n_trials = 4000
    for _ in range(n_trials):
        drawn, probabilities = spread_out(norms, lambda i: distances[i], 0, 3, rng)
        key = tuple(drawn.tolist())
        counts[key] += 1
        stated[key] = float(np.prod(probabilities))
    # Second: weights 1, 9, 9, 36 of 55; third: the smaller distance to either, squared.
    assert stated[0, 4, 2] == pytest.approx(36 / 55 * 9 / 19)
    assert stated[0, 1, 4] == pytest.approx(1 / 55 * 25 / 33)
    assert sum(stated.values()) == pytest.approx(1)
    for key, probability in stated.items():
        tolerance = 5 * math.sqrt(n_trials * probability * (1 - probability))
        assert abs(counts[key] - n_trials * probability) < tolerance


def test_spread_out_draws_copies_evenly_once_nothing_else_is_left():
    points = np.array([[0.0], [2.0], [0.0], [0.0]])
    norms = (points**2).sum(axis=1)
    for seed in range(20):
        drawn, probabilities = spread_out(
            norms,
            lambda i: ((points - points[i]) ** 2).sum(axis=1),
            0,
            4,
            np.random.default_rng(seed),
        )
        assert sorted(drawn.tolist()) == [0, 1, 2, 3]
        assert drawn[1] == 1
        assert probabilities.tolist() == [1, 1, 0.5, 1]


# k-centre


def slow_k_centre(values, labelled, open_rows, n):
    """(rows, their distances when drawn, every open row's distance at the end)."""
    taken, rows, radii = list(labelled), [], []
    if not taken:
        mean = values[open_rows].mean(axis=0)
        first = min(open_rows, key=lambda row: squared_distance(values[row], mean))
        far = max(squared_distance(values[row], values[first]) for row in open_rows)
        taken, rows, radii = [first], [first], [math.sqrt(far)]

    def nearest(row):
        return math.sqrt(min(squared_distance(values[row], values[one]) for one in taken))

    while len(rows) < n:
        best = max((row for row in open_rows if row not in rows), key=nearest)
        rows.append(best)
        radii.append(nearest(best))
        taken.append(best)
    return rows, radii, {row: nearest(row) for row in open_rows if row not in rows}


@pytest.mark.parametrize("candidates", [k_centre_file.CANDIDATES, 5])
@pytest.mark.parametrize("n_answered", [0, 3])
def test_k_centre_agrees_with_the_slow_greedy_cover(candidates, n_answered, monkeypatch):
    monkeypatch.setattr(k_centre_file, "CANDIDATES", candidates)
    pool = make_pool(n=50, unlabelled=range(n_answered, 50), learner=None)
    draw = SAMPLERS["k_centre"].call(pool, 12)
    rows, radii, rest = slow_k_centre(
        pool.embedding, pool.labelled.tolist(), pool.unlabelled.tolist(), 12
    )
    assert draw.rows.tolist() == rows
    assert draw.scores[draw.rows] == pytest.approx(radii, abs=1e-5)
    assert all(draw.scores[row] == pytest.approx(far, abs=1e-5) for row, far in rest.items())
    assert np.isnan(draw.scores).sum() == n_answered
    assert draw.probabilities.tolist() == [1.0] * 12


# TypiClust


def slow_typiclust(pool, n):
    """Every drawable row in order, by brute force within the clusters of `k_means`."""
    values, answered, open_rows = pool.embedding, pool.labelled.tolist(), pool.unlabelled.tolist()
    k = min(len(answered) + n, len(answered) + len(open_rows))
    members = answered + open_rows
    centres = k_means(values[members], k, np.random.default_rng(0))
    cluster = {
        row: min(range(k), key=lambda c: squared_distance(values[row], centres[c]))
        for row in members
    }

    def key(c):
        n_answered = sum(cluster[row] == c for row in answered)
        size = sum(cluster[row] == c for row in members)
        return (size == n_answered, size <= 5, n_answered, -size, c)

    order = sorted(range(k), key=key)
    turns = {}
    for place, c in enumerate(order):
        own = [row for row in open_rows if cluster[row] == c]

        def loneliness(row, own=own):
            others = [row_ for row_ in own if row_ != row]
            near = sorted(squared_distance(values[row], values[other]) for other in others)
            near = near[: min(20, max(1, len(own) // 2))]
            return sum(map(math.sqrt, near)) / max(len(near), 1)

        for turn, row in enumerate(sorted(own, key=loneliness)):
            turns[row] = (turn, place)
    first = order[:n]
    return sorted(turns, key=lambda row: turns[row]), {
        row for row in open_rows if cluster[row] in first
    }


@pytest.mark.parametrize(("n", "n_answered"), [(4, 0), (4, 3), (8, 5)])
def test_typiclust_agrees_with_the_slow_order(n, n_answered):
    pool = make_pool(n=150, unlabelled=range(n_answered, 150), learner=None)
    draw = SAMPLERS["typiclust"].call(pool, n)
    order, typical = slow_typiclust(pool, n)
    assert draw.rows.tolist() == order[:n]
    ranked = sorted(pool.unlabelled.tolist(), key=lambda row: -draw.scores[row])
    assert [row for row in ranked if row in typical] == [row for row in order if row in typical]
    assert np.isnan(draw.scores[:n_answered]).all()


def test_typiclust_goes_to_the_largest_groups_without_an_answer():
    rng = np.random.default_rng(2)
    sizes = [40, 30, 20, 12, 8]
    group = np.repeat(np.arange(5), sizes)
    values = rng.normal(0, 0.1, (110, 3))
    values += 10 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])[group]
    # One of the first and one of the third group are answered.
    rows = np.setdiff1d(np.arange(110), [5, 75])
    draw = SAMPLERS["typiclust"].call(make_pool(values=values, unlabelled=rows), 3)
    assert group[draw.rows].tolist() == [1, 3, 4]


def test_typiclust_bounds_hold_on_a_large_survey(monkeypatch):
    """With every bound far exceeded the batch still covers the groups."""
    from core.discovery.samplers import typiclust

    for name, bound in {"_SAMPLE": 300, "_CENTRAL": 10, "_AROUND": 40, "MAX_CLUSTERS": 6}.items():
        monkeypatch.setattr(typiclust, name, bound)
    rng = np.random.default_rng(0)
    group = rng.integers(0, 6, 2000)
    values = 20 * np.eye(6)[group] + rng.normal(size=(2000, 6))
    draw = SAMPLERS["typiclust"].call(make_pool(values=values, learner=None), 12)
    assert sorted(group[draw.rows[:6]].tolist()) == sorted(group[draw.rows[6:]].tolist())
    assert len(set(group[draw.rows[:6]].tolist())) == 6
    away = np.linalg.norm(values - 20 * np.eye(6)[group], axis=1)
    assert away[draw.rows].max() < np.median(away)
