"""The linear probe against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.errors import BadInput
from core.metrics import linear_probe_ap, linear_probe_scores


def data(n=300, seed=0, shift=1.5):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.15
    values = rng.normal(size=(n, 6))
    values[:, 2] += shift * y
    return values, y


def test_agrees_with_scikit_learn():
    values, y = data()
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    expected = cross_val_score(probe, values, y, cv=folds, scoring="average_precision").mean()
    assert linear_probe_ap(values, y, seed=3) == pytest.approx(expected)


def test_noise_is_worth_chance_and_signal_more():
    noise, y = data(shift=0)
    signal, _ = data(shift=4)
    assert linear_probe_ap(noise, y) < 2.5 * y.mean()
    assert linear_probe_ap(signal, y) > 0.9


def test_views_of_one_thing_stay_in_one_fold():
    """Each thing has its own place and a random class: only a leak can predict it."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    values = rng.normal(size=(60, 80))[groups] + 0.01 * rng.normal(size=(240, 80))
    y = (rng.random(60) < 0.4)[groups]
    leaking = linear_probe_ap(values, y, folds=4)
    apart = linear_probe_ap(values, y, folds=4, groups=groups)
    assert leaking > 0.95
    assert apart < 0.75


def test_scores_are_held_out_probabilities():
    values, y = data()
    scores = linear_probe_scores(values, y)
    assert scores.shape == (300,)
    assert ((scores > 0) & (scores < 1)).all()


def test_bad_input_is_refused():
    values, y = data(40)
    with pytest.raises(BadInput, match="leave out the masked rows"):
        linear_probe_ap(np.where(values > 2, np.nan, values), y)
    with pytest.raises(BadInput, match="leave out the masked rows"):
        linear_probe_ap(values, y[:-1])
    with pytest.raises(BadInput, match="one class has 1"):
        linear_probe_ap(values, np.arange(40) == 3)
    with pytest.raises(BadInput, match="two or more folds"):
        linear_probe_ap(values, y, folds=1)
