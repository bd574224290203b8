"""The samplers that leave something to chance: what they state is what happens, by counting."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from core.discovery import SAMPLERS
from core.discovery import strata as strata_file
from core.discovery.samplers import badge as badge_file
from core.discovery.strata import (
    inclusion_probabilities,
    place_probabilities,
    strata,
    stratified_draw,
)
from tests.discovery.pools import FixedLearner, make_pool


def within(count, n_trials, probability):
    """Five standard deviations of a binomial count."""
    spread = math.sqrt(n_trials * probability * (1 - probability))
    return abs(count - n_trials * probability) <= 5 * spread + 1e-9


# BADGE


def gradient_embedding(pool, row):
    """(P - onehot) (x) (x, 1), written out."""
    chances = [float(p) for p in pool.probabilities[row]]
    likeliest = chances.index(max(chances))
    x = [*map(float, pool.embedding[row]), 1.0]
    return np.array([(p - (k == likeliest)) * v for k, p in enumerate(chances) for v in x])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_badge_states_the_chances_of_k_means_plus_plus(n_classes):
    pool = make_pool(n_classes=n_classes, unlabelled=range(4, 40))
    draw = SAMPLERS["badge"].call(pool, 10)
    gradients = {row: gradient_embedding(pool, row) for row in range(4, 40)}
    for row, gradient in gradients.items():
        assert draw.scores[row] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert np.isnan(draw.scores[:4]).all()
    rows = draw.rows.tolist()
    assert rows[0] == max(gradients, key=lambda row: np.linalg.norm(gradients[row]))
    assert draw.probabilities[0] == 1
    for place in range(1, 10):
        weight = {
            row: min(((gradient - gradients[before]) ** 2).sum() for before in rows[:place])
            for row, gradient in gradients.items()
        }
        expected = weight[rows[place]] / sum(weight.values())
        assert draw.probabilities[place] == pytest.approx(expected, rel=1e-3)


def test_badge_draws_as_often_as_it_says():
    pool = make_pool(n=14)
    counts: Counter[int] = Counter()
    stated: dict[int, float] = {}
    n_trials = 3000
    for _ in range(n_trials):
        draw = SAMPLERS["badge"].call(pool, 2)
        counts[int(draw.rows[1])] += 1
        stated[int(draw.rows[1])] = float(draw.probabilities[1])
    assert sum(stated.values()) == pytest.approx(1, abs=0.01)
    assert all(within(counts[row], n_trials, chance) for row, chance in stated.items())


def test_badge_draws_among_the_least_certain(monkeypatch):
    monkeypatch.setattr(badge_file, "CANDIDATES", 12)
    pool = make_pool(n=200)
    least_sure = np.argsort(pool.probabilities.max(axis=1))[:12].tolist()
    for _ in range(20):
        assert set(SAMPLERS["badge"].call(pool, 3).rows.tolist()) <= set(least_sure)
    assert len(SAMPLERS["badge"].call(pool, 150).rows) == 150


def test_badge_of_a_learner_that_is_sure_of_all_draws_evenly():
    pool = make_pool(n_classes=2)
    sure = np.tile(np.array([1, 0], np.float32), (40, 1))
    object.__setattr__(pool, "learner", FixedLearner(sure))
    draw = SAMPLERS["badge"].call(pool, 40)
    assert sorted(draw.rows.tolist()) == list(range(40))
    assert draw.probabilities == pytest.approx([1, *(1 / left for left in range(39, 0, -1))])


# Stratified draws


def test_strata_grow_fourfold_down_the_ranking():
    scores = np.random.default_rng(0).permutation(3000).astype(float)
    stratum = strata(scores)
    assert np.bincount(stratum).tolist() == [32, 128, 512, 2328]
    assert set(stratum[scores >= 2968]) == {0}
    assert set(stratum[scores < 2328]) == {3}
    assert np.bincount(strata(np.zeros(63))).tolist() == [63]
    assert np.bincount(strata(np.zeros(64))).tolist() == [32, 32]
    assert len(strata(np.empty(0))) == 0


def test_each_stratum_is_expected_to_give_as_many():
    stratum = np.repeat([0, 1, 2], [4, 10, 100])
    chance = inclusion_probabilities(stratum, 6)
    assert np.unique(chance).tolist() == pytest.approx([0.02, 0.2, 0.5])
    # The first stratum gives its four, the others share what is left.
    chance = inclusion_probabilities(stratum, 20)
    assert np.unique(chance).tolist() == pytest.approx([0.08, 0.8, 1])
    assert inclusion_probabilities(stratum, 500).tolist() == [1.0] * 114
    assert inclusion_probabilities(stratum, 1).sum() == pytest.approx(1)


@pytest.mark.parametrize(("size", "n"), [(70, 1), (70, 7), (200, 50), (40, 60)])
def test_stratified_draws_as_often_as_it_says(size, n):
    scores = np.random.default_rng(1).normal(size=size)
    chance = inclusion_probabilities(strata(scores), n)
    expected = np.bincount(strata(scores), chance)
    counts, first, n_trials = np.zeros(size), np.zeros(size), 3000
    k = max(1, min(n, size) // 2)
    rng = np.random.default_rng(0)
    for _ in range(n_trials):
        places, probabilities = stratified_draw(scores, n, rng)
        assert len(set(places.tolist())) == len(places) == min(n, size)
        assert (probabilities == chance[places]).all()
        given = np.bincount(strata(scores)[places], minlength=len(expected))
        assert (abs(given - expected) < 1 + 1e-9).all()
        counts[places] += 1
        first[places[:k]] += 1
    share = k / min(n, size)
    for row in range(size):
        assert within(counts[row], n_trials, chance[row])
        assert within(first[row], n_trials, chance[row] * share)


def test_stratified_draws_count_targets_without_bias():
    """Horvitz and Thompson's sum of 1 / pi over the targets drawn, over many seeds."""
    rng = np.random.default_rng(4)
    scores = rng.normal(size=800)
    is_target = rng.random(800) < 1 / (1 + np.exp(-3 * (scores - 2)))
    estimates = []
    for _ in range(2000):
        places, probabilities = stratified_draw(scores, 30, rng)
        estimates.append((is_target[places] / probabilities).sum())
    error = np.std(estimates) / math.sqrt(len(estimates))
    assert abs(np.mean(estimates) - is_target.sum()) < 5 * error
    assert error < 0.02 * is_target.sum()
    # An even sample of as many rows scatters more.
    even = [is_target[rng.permutation(800)[:30]].sum() * 800 / 30 for _ in range(2000)]
    assert np.std(estimates) < 0.8 * np.std(even)


def test_stratified_follows_the_target_once_trained_and_the_detector_before():
    oddness = np.random.default_rng(9).random(80).astype(np.float32)
    for learner in ("fixed", None):
        pool = make_pool(
            n=80, unlabelled=range(5, 80), learner=learner, scores={"isolation_forest": oddness}
        )
        expected = pool.probabilities[5:, 1] if learner else oddness[5:]
        draw = SAMPLERS["stratified"].call(pool, 10)
        assert draw.scores[5:].tolist() == expected.tolist()
        assert np.isnan(draw.scores[:5]).all()
        stratum = strata(expected)
        chance = inclusion_probabilities(stratum, 10)
        first = chance[draw.rows[0] - 5] / 10
        assert draw.probabilities[0] == pytest.approx(first)
        told = place_probabilities(draw.rows - 5, stratum, chance)
        assert draw.probabilities.tolist() == told.tolist()


@pytest.mark.parametrize("n", [3, 5])
def test_stratified_states_how_often_a_row_gets_its_place(n, monkeypatch):
    """The first two places of many draws from strata of 2, 4 and 8 rows, counted."""
    monkeypatch.setattr(strata_file, "TOP_STRATUM", 2)
    monkeypatch.setattr(strata_file, "RATIO", 2)
    scores = -np.arange(14.0)
    stratum = strata(scores)
    assert np.bincount(stratum).tolist() == [2, 4, 8]
    chance = inclusion_probabilities(stratum, n)
    rng = np.random.default_rng(n)
    n_trials = 6000
    pairs: Counter[tuple[int, int]] = Counter()  # by stratum: rows of one are alike
    told: dict[tuple[int, int], tuple[float, float]] = {}
    for _ in range(n_trials):
        places = stratified_draw(scores, n, rng)[0][:2]
        key = (int(stratum[places[0]]), int(stratum[places[1]]))
        pairs[key] += 1
        if key not in told:
            one, two = place_probabilities(places, stratum, chance).tolist()
            told[key] = one, two
    size = np.array([2, 4, 8])
    for (a, b), (one, two) in told.items():
        first = sum(count for (own, _), count in pairs.items() if own == a)
        assert within(first, n_trials, one * size[a])
        assert within(pairs[a, b], first, two * (size[b] - (a == b)))


def test_places_of_a_stratified_draw_add_up_to_one_and_a_whole_draw_is_even():
    scores = np.random.default_rng(2).random(300)
    stratum = strata(scores)
    chance = inclusion_probabilities(stratum, 40)
    places = stratified_draw(scores, 40, np.random.default_rng(0))[0]
    for at in (0, 1, 7, 39):
        total = 0.0
        left = np.setdiff1d(np.arange(300), places[:at])
        for own in np.unique(stratum):
            rows = left[stratum[left] == own]
            if len(rows):
                begun = np.append(places[:at], rows[0])
                told = place_probabilities(begun, stratum, chance)
                total += told[at] * len(rows)
        assert total == pytest.approx(1)
    everything = stratified_draw(scores, 300, np.random.default_rng(0))[0]
    told = place_probabilities(everything, stratum, np.ones(300))
    assert told == pytest.approx(1 / np.arange(300, 0, -1))
