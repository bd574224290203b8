"""Calibrated, chosen, robust: what they promise about the learners inside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from core.config import LoopConfig
from core.discovery import LEARNERS, Engine
from core.discovery.answered import aimed, settled_order
from core.discovery.learners import robust as robust_module
from core.discovery.learners.calibrated import Calibrated, fit_curve, on_curve
from core.discovery.learners.chosen import Chosen, choose
from core.discovery.learners.robust import weights_from
from core.metrics import average_precision


def overlapping(n, seed, rate=0.08, d=6, shift=1.2):
    """(X, y): a rare class that overlaps the common one."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(int)
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[:, :3] += shift * y[:, None]
    return X, y


# Calibrated


def test_calibration_leaves_the_ranking_as_it_was_and_improves_the_probabilities():
    X, y = overlapping(250, 0)
    new, truth = overlapping(3000, 1)
    model = LEARNERS["calibrated"].call(0).fit(X, y)
    settled = settled_order(X, y)
    plain = LEARNERS["averaged"].call(0).fit(X[settled], y[settled])
    before, after = (one.predict_proba(new)[:, 1] for one in (plain, model))
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    assert average_precision(truth, after) == pytest.approx(average_precision(truth, before))
    assert log_loss(truth, after) < 0.8 * log_loss(truth, before)
    assert before.mean() > 2 * truth.mean()  # the price of balancing
    assert after.mean() == pytest.approx(truth.mean(), abs=0.03)


def test_calibration_aims_at_its_target_and_shares_the_rest_as_before():
    X, y = overlapping(200, 2)
    y[(X[:, 4] > 0.5) & (y == 0)] = 2
    model = Calibrated(0, target=2).fit(X, y)
    before, after = model.model_.predict_proba(X), model.predict_proba(X)
    assert model.targets_.tolist() == [2]
    assert np.allclose(after.sum(axis=1), 1)
    ratio = before[:, 0] / (before[:, 0] + before[:, 1])
    assert np.allclose(after[:, 0] / (after[:, 0] + after[:, 1]), ratio, atol=1e-6)


def test_unanswered_rows_of_the_survey_hold_the_bulk_down():
    """Answers as a greedy search leaves them: all from the targets' end."""
    survey, truth = overlapping(2000, 5, rate=0.03, shift=2.0)
    greedy = np.argsort(-survey[:, :3].sum(axis=1))[:60]
    X, y = survey[greedy], truth[greedy]
    rest = np.setdiff1d(np.arange(2000), greedy)
    alone = aimed(LEARNERS["calibrated"].call, 0, 1).fit(X, y)
    beside = aimed(LEARNERS["calibrated"].call, 0, 1, survey).fit(X, y)
    one, two = (model.predict_proba(survey[rest])[:, 1] for model in (alone, beside))
    assert beside.survey.shape == (2000, 6)
    assert len(beside._unanswered(np.sort(X, axis=0))) == 2000
    assert len(beside._unanswered(X)) == 1940
    assert two.sum() < 0.6 * one.sum()
    assert log_loss(truth[rest], two) < 0.8 * log_loss(truth[rest], one)
    assert (np.diff(two[np.argsort(one, kind="stable")]) >= 0).all()


def test_the_curve_is_the_prior_without_answers_and_the_truth_with_many():
    assert fit_curve(np.empty(0), np.empty(0, bool)).tolist() == [0, 1, 1]
    assert fit_curve(np.full(4, np.nan), np.array([1, 0, 0, 1], bool)).tolist() == [0, 1, 1]
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, 40_000)
    truth = expit(-0.7 + 0.5 * np.log(p) - 1.6 * np.log(1 - p))
    curve = fit_curve(p, rng.random(40_000) < truth)
    assert curve == pytest.approx([-0.7, 0.5, 1.6], abs=0.08)
    assert on_curve(curve, p) == pytest.approx(truth, abs=0.02)


def test_the_curve_takes_back_a_balancing_of_the_classes():
    """Two targets among forty, told apart by nothing: .5 each after balancing."""
    is_target = np.arange(40) < 2
    curve = fit_curve(np.full(40, 0.5), is_target)
    assert on_curve(curve, np.array([0.5]))[0] < 0.2
    assert logit(on_curve(curve, np.array([0.0, 1.0]))).tolist() == sorted(
        logit(on_curve(curve, np.array([0.0, 1.0])))
    )


def test_the_engine_tells_its_learner_the_target_and_the_survey(monkeypatch):
    told = []

    def learn(self, X, answers):
        told.append((self.target, self.survey.shape))
        plain(self, X, answers)

    plain = Calibrated._learn
    monkeypatch.setattr(Calibrated, "_learn", learn)
    values, truth = overlapping(300, 6, rate=0.3)
    config = LoopConfig(learner="calibrated")
    engine = Engine(values, np.ones(300, bool), ("common", "rare"), "rare", config)
    engine.rerank({row: ("common", "rare")[truth[row]] for row in range(12)})
    assert told == [(1, (300, 6))]


# Chosen


def test_few_targets_are_compared_by_nothing_and_it_says_so():
    X, y = overlapping(60, 3)
    y[:] = 0
    y[:4] = 1
    model = LEARNERS["chosen"].call(0).fit(X, y)
    assert model.chosen_ == "averaged"
    assert model.precision_ == {}
    assert "there are 4 and 56" in model.reason_
    plain = LEARNERS["averaged"].call(0).fit(X, y).predict_proba(X)
    assert np.allclose(model.predict_proba(X), plain)


def test_a_learner_that_is_clearly_better_is_chosen():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 12)).astype(np.float32)
    y = (X[:, :6].sum(axis=1) > 2.8).astype(int)  # a plane: the regression's own case
    model = LEARNERS["chosen"].call(0).fit(X, y)
    assert model.chosen_ != "averaged"
    assert model.precision_[model.chosen_] > model.precision_["averaged"]
    assert model.reason_.startswith(f"{model.chosen_}, which ranks clearly better")
    new = rng.normal(size=(2000, 12)).astype(np.float32)
    truth = new[:, :6].sum(axis=1) > 2.8
    default = LEARNERS["averaged"].call(0).fit(X, y)
    gained = [average_precision(truth, one.predict_proba(new)[:, 1]) for one in (model, default)]
    assert gained[0] > gained[1]


def test_ties_and_small_gains_go_to_the_default():
    default = np.array([0.5, 0.6, 0.7, 0.8])
    assert choose({"averaged": default, "other": default})[0] == "averaged"
    # Mean gain .05; its variance is .03 (sd .17), its error .17 x sqrt(1/4 + 1/3) = .13.
    unsure = default + np.array([0.25, -0.05, 0.15, -0.15])
    name, words = choose({"averaged": default, "other": unsure})
    assert name == "averaged"
    assert "the gain of other is within its error" in words
    sure = default + np.array([0.05, 0.06, 0.04, 0.05])
    name, words = choose({"averaged": default, "other": sure})
    assert name == "other"
    assert "0.70 against 0.65 of averaged" in words


def test_the_target_is_ranked_for_whichever_class_it_is():
    X, y = overlapping(80, 4, rate=0.3)
    one = Chosen(0, target=1).fit(X, y)
    other = Chosen(0, target=0).fit(X, y)
    assert one.precision_["averaged"] != other.precision_["averaged"]
    assert other.precision_["averaged"] > 0.7  # the common class is the easy one


# Robust


def test_weights_by_hand():
    answers = np.array([0] * 6 + [1] * 6 + [2] * 4)
    held_out = np.tile([0.5, 0.3, 0.2], (16, 1))
    held_out[6] = [0.96, 0.02, 0.02]
    held_out[7] = [0.1, 0.8, 0.1]
    held_out[8] = np.nan
    weights = weights_from(held_out, answers)
    assert (weights[:6] == 1).all()  # the likeliest class is their own
    assert weights[6] == robust_module.LEAST_WEIGHT  # .02 / .96 would be less
    assert (weights[[7, 8]] == 1).all()
    assert weights[9:12] == pytest.approx(0.3 / 0.5)
    assert (weights[12:] == 1).all()  # four are too few to be doubted


def test_a_tenth_of_flipped_answers_is_found_and_harms_less():
    gains, caught = [], []
    for seed in range(4):
        X, y = overlapping(200, seed, rate=0.1, d=20, shift=2.0)
        new, truth = overlapping(2000, seed + 50, rate=0.05, d=20, shift=2.0)
        flipped = np.random.default_rng(seed).choice(200, 20, replace=False)
        y[flipped] = 1 - y[flipped]
        plain = LEARNERS["averaged"].call(0).fit(X, y).predict_proba(new)[:, 1]
        model = LEARNERS["robust"].call(0).fit(X, y)
        gained = average_precision(truth, model.predict_proba(new)[:, 1])
        gains.append(gained - average_precision(truth, plain))
        doubted = settled_order(X, y)[np.argsort(model.weights_, kind="stable")[:20]]
        caught.append(np.isin(doubted, flipped).mean())
    assert np.mean(gains) > 0.01
    assert np.mean(caught) > 0.5
