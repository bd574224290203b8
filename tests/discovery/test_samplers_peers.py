"""The rules of other tools, each against a plain, slow reference of its formula."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, spearmanr
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestRegressor

from core.discovery import SAMPLERS, Need
from core.discovery.samplers import astronomaly as astronomaly_module
from core.discovery.samplers import protege as protege_module
from core.discovery.samplers.protege import improvement, log_improvement
from tests.discovery.seeking_pool import seeking_pool

ANSWERS = {row: row < 3 for row in range(12)}


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


# Astronomaly


def test_astronomaly_is_its_formula(monkeypatch):
    monkeypatch.setattr(astronomaly_module, "_TREES", 30)
    pool = seeking_pool(normal(80, 4), ANSWERS)
    draw = SAMPLERS["astronomaly"].call(pool, 6)
    columns = pool.columns.astype(float)
    forest = RandomForestRegressor(
        n_estimators=30, random_state=int(np.random.default_rng(0).integers(2**31))
    ).fit(pool.columns[:12], [5.0 if ANSWERS[row] else 0.0 for row in range(12)])
    predicted = forest.predict(pool.columns)
    distance = [
        min(math.dist(columns[row], columns[other]) for other in ANSWERS) for row in range(80)
    ]
    odd = pool.detector_scores["isolation_forest"].astype(float)
    slow = {}
    for row in range(12, 80):
        s = 5 * (odd[row] - min(odd)) / (max(odd) - min(odd))
        f = 0.1 + 0.85 * max(0.1, predicted[row]) / 5
        slow[row] = s * math.tanh(math.exp(distance[row] / np.mean(distance)) - 1 + math.atanh(f))
    for row, score in slow.items():
        assert draw.scores[row] == pytest.approx(score, rel=1e-4)
    assert draw.rows.tolist() == sorted(slow, key=lambda row: -slow[row])[:6]


def test_astronomaly_starts_in_the_detectors_order():
    pool = seeking_pool(normal(80, 4), {})
    by_detector = SAMPLERS["anomaly"].call(pool, 80).rows.tolist()
    assert SAMPLERS["astronomaly"].call(pool, 80).rows.tolist() == by_detector
    assert SAMPLERS["astronomaly"].needs is Need.DETECTOR


# Protege


def test_improvement_is_the_mean_of_what_a_draw_would_add():
    mean, deviation = np.array([1.0, 4.9, 6.0]), np.array([2.0, 0.3, 1.0])
    fast = improvement(mean, deviation, best=4.0, xi=0.5)
    for m, s, value in zip(mean, deviation, fast, strict=True):
        above = quad(lambda y, m=m, s=s: (y - 4.5) * norm.pdf(y, m, s), 4.5, 15)[0]
        assert value == pytest.approx(above, rel=1e-6)
    assert improvement(np.array([7.0, 1.0]), np.zeros(2), 4.0, 0.5).tolist() == [2.5, 0.0]


@pytest.mark.parametrize("z", [3, 0, -0.99, -1.01, -7, -40, -900, -9e3, -2e4, -1e7])
def test_its_logarithm_is_exact_far_beyond_floating_point(z):
    fast = log_improvement(np.array([2.0 * z]), np.array([2.0]), best=-1.0, xi=1.0)[0]
    with mpmath.workdps(60):
        big = mpmath.mpf(2 * z) / 2
        slow = mpmath.log(2 * (mpmath.npdf(big) + big * mpmath.ncdf(big)))
    assert fast == pytest.approx(float(slow), rel=1e-9)


def slow_process(theta, known, scores, new):
    """Mean and covariance of a Gaussian process of Matern 3/2 and white noise, by inversion."""
    length, noise = np.exp(theta)

    def matern(a, b):
        gap = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2)) * math.sqrt(3) / length
        return (1 + gap) * np.exp(-gap)

    inverse = np.linalg.inv(matern(known, known) + (noise + 1e-8) * np.eye(len(known)))
    cross = matern(new, known)
    covariance = matern(new, new) + noise * np.eye(len(new)) - cross @ inverse @ cross.T
    return cross @ inverse @ scores, covariance


def taught():
    values = normal(70, 4) * np.array([3, 2, 1, 0.2], np.float32)
    pool = seeking_pool(values, ANSWERS)
    components = protege_module._components(pool.columns).astype(float)
    theta = protege_module._taught(pool, components).kernel_.theta
    return pool, components, theta, np.array([5.0 if ANSWERS[row] else 1.0 for row in range(12)])


def test_plain_protege_ranks_by_the_improvement_of_a_plain_process():
    pool, components, theta, scores = taught()
    mean, covariance = slow_process(theta, components[:12], scores, components)
    slow = improvement(mean, np.sqrt(np.diagonal(covariance)), best=5.0, xi=3.0)[12:]
    draw = SAMPLERS["protege_plain"].call(pool, 5)
    assert draw.scores[12:] == pytest.approx(slow, rel=1e-3)
    assert draw.rows.tolist() == (12 + np.argsort(-slow, kind="stable")[:5]).tolist()


def test_protege_believes_its_own_mean_of_what_the_batch_holds_already():
    pool, components, theta, scores = taught()
    draw = SAMPLERS["protege"].call(pool, 8)
    known, said, best = components[:12], scores, 5.0
    for row in draw.rows.tolist():
        mean, covariance = slow_process(theta, known, said, components)
        slow = log_improvement(mean, np.sqrt(np.diagonal(covariance)), best, xi=0.5)
        if len(known) == 12:
            assert draw.scores[12:] == pytest.approx(slow[12:], abs=1e-3)
        left = [one for one in range(12, 70) if one not in draw.rows[: len(known) - 12]]
        assert slow[row] == pytest.approx(max(slow[left]), abs=1e-6)
        known, said = np.vstack([known, components[row]]), np.append(said, mean[row])
        best = max(best, mean[row])


def test_protege_learns_no_more_answers_than_it_can_and_predicts_in_pieces(monkeypatch):
    def some_learnt(n_finds):
        answers = {row: row >= 40 - n_finds for row in range(40)}
        pool = seeking_pool(normal(70, 4), answers)
        pool = replace(pool, turns=np.random.default_rng(1).permutation(40))
        return pool, protege_module._learnt(pool)

    assert some_learnt(5)[1].tolist() == list(range(40))
    monkeypatch.setattr(protege_module, "_MOST_ANSWERS", 12)
    for n_finds, kept_finds in ((5, 5), (30, 6), (36, 8)):
        pool, learnt = some_learnt(n_finds)
        assert len(learnt) == len(set(learnt.tolist())) == 12
        assert learnt.tolist() == sorted(learnt.tolist())
        assert (pool.answers[learnt] == 1).sum() == kept_finds
        others = learnt[pool.answers[learnt] == 0]
        assert pool.turns[others].min() > np.delete(pool.turns[: 40 - n_finds], others).max(
            initial=-1
        )
    pool, _ = some_learnt(5)
    values = protege_module._components(pool.columns)
    process = protege_module._taught(pool, values)
    assert len(process.X_train_) == 12
    whole = protege_module._predicted(process, values)
    rows_at_once = []

    class Spy:
        X_train_ = process.X_train_

        def predict(self, rows, return_std):
            rows_at_once.append(len(rows))
            return process.predict(rows, return_std=return_std)

    monkeypatch.setattr(protege_module, "_NUMBERS", 12 * 16)
    pieces = protege_module._predicted(Spy(), values)
    assert rows_at_once == [16, 16, 16, 16, 6]
    assert np.allclose(pieces, whole)


def test_protege_keeps_the_components_that_hold_85_percent():
    columns = normal(200, 12) * np.linspace(3, 0.5, 12).astype(np.float32)
    kept = protege_module._principal_components(columns)
    other = PCA(n_components=0.85).fit_transform(columns)
    assert kept.shape == other.shape
    assert np.abs(kept) == pytest.approx(np.abs(other), abs=1e-3)


@pytest.mark.parametrize("name", ["protege", "protege_plain"])
def test_the_first_ten_are_equally_spaced_along_the_first_component(name):
    values = normal(91, 3) * np.array([9, 1, 1], np.float32)
    pool = seeking_pool(values, {})
    order = np.argsort(protege_module._components(pool.columns)[:, 0], kind="stable")
    places = order[::10].tolist()
    assert sorted(SAMPLERS[name].call(pool, 10).rows.tolist()) == sorted(places)
    later = seeking_pool(values, dict.fromkeys(places[:4], False))
    assert sorted(SAMPLERS[name].call(later, 6).rows.tolist()) == sorted(places[4:])
    assert SAMPLERS[name].needs is Need.NOTHING


# The forests of coniferest


def test_pine_forest_keeps_the_trees_that_agree_with_the_answers():
    from coniferest.pineforest import PineForest

    pool = seeking_pool(normal(300, 4), ANSWERS)
    draw = SAMPLERS["pine_forest"].call(pool, 5)
    seed = int(np.random.default_rng(0).integers(2**31))
    grown = PineForest(n_trees=500, n_spare_trees=0, n_subsamples=256, random_seed=seed, n_jobs=1)
    grown.fit(pool.columns)
    depth = grown.evaluator.leaf_values(pool.columns)
    agreement = [
        sum(-path if ANSWERS[row] else path for row, path in enumerate(tree[:12]))
        for tree in depth.T
    ]
    kept = depth[:, np.argsort(agreement)[-100:]].mean(axis=1)
    slow = 2 ** -(kept / (2 * (math.log(256) + np.euler_gamma) - 2))
    assert draw.scores[12:] == pytest.approx(slow[12:], rel=1e-2)
    assert draw.rows[0] in 12 + np.argsort(-slow[12:])[:2]
    assert spearmanr(draw.scores[12:], slow[12:]).statistic > 0.9999


def test_aad_forest_puts_finds_above_other_answers():
    values = normal(300, 4)
    untaught = SAMPLERS["aad_forest"].call(seeking_pool(values, {}), 300).scores
    finds = np.argsort(untaught)[::60].tolist()  # most of them anything but odd
    boring = np.argsort(-untaught)[:5].tolist()
    answers = dict.fromkeys(finds, True) | dict.fromkeys(boring, False)
    pool = seeking_pool(np.vstack([values, values[[*finds, *boring]]]), answers)
    copies = SAMPLERS["aad_forest"].call(pool, 5).scores[300:]
    assert copies[: len(finds)].min() > copies[len(finds) :].max()


@pytest.mark.parametrize("name", ["pine_forest", "aad_forest"])
def test_forests_without_answers_follow_an_isolation_forest(name):
    pool = seeking_pool(normal(400, 5), {})
    other = IsolationForest(n_estimators=300, random_state=1).fit(pool.columns)
    odd = -other.score_samples(pool.columns)
    assert spearmanr(SAMPLERS[name].call(pool, 5).scores, odd).statistic > 0.9
    assert SAMPLERS[name].needs is Need.NOTHING
