"""Ranking metrics against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from core.errors import BadInput
from core.metrics import (
    average_precision,
    average_precision_interval,
    discovery_area,
    finds_curve,
    recall_by_bin,
)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_scikit_learn_ties_included(levels, seed):
    rng = np.random.default_rng(seed)
    y = rng.random(200) < 0.1
    score = rng.integers(0, levels, 200) + 0.5 * y
    assert average_precision(y, score) == pytest.approx(average_precision_score(y, score))


def test_average_precision_by_hand():
    assert average_precision([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([0, 0, 1], [1, 1, 1]) == pytest.approx(1 / 3)
    assert average_precision([1], [0]) == 1


def test_interval_is_the_stratified_bootstrap_of_scikit_learns_value():
    rng = np.random.default_rng(0)
    y = np.arange(120) < 15
    score = rng.normal(size=120).round(1) + y
    interval = average_precision_interval(y, score, seed=1, n_boot=400, level=0.9)
    assert interval.value == pytest.approx(average_precision_score(y, score))
    slow = []
    for _ in range(400):
        rows = np.concatenate([rng.integers(0, 15, 15), rng.integers(15, 120, 105)])
        slow.append(average_precision_score(y[rows], score[rows]))
    low, high = np.quantile(slow, [0.05, 0.95])
    assert interval.low == pytest.approx(low, abs=0.05)
    assert interval.high == pytest.approx(high, abs=0.05)
    assert interval == average_precision_interval(y, score, seed=1, n_boot=400, level=0.9)


def test_interval_of_targets_only_is_a_point():
    interval = average_precision_interval([1, 1], [1, 2], n_boot=10)
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("y", "score"),
    [([1, 0], [1]), ([1, 0], [1, np.nan]), ([0, 0], [1, 2]), ([2, 0], [1, 2]), ([], [])],
)
def test_bad_rankings_are_refused(y, score):
    with pytest.raises(BadInput):
        average_precision(np.array(y), np.array(score))


def test_bad_bootstrap_settings_are_refused():
    for settings in ({"n_boot": 0}, {"level": 1.0}):
        with pytest.raises(BadInput, match="bootstrap"):
            average_precision_interval([1, 0], [1, 0], **settings)


def test_finds_and_their_area():
    curve = finds_curve([True, False, True, False])
    assert curve.tolist() == [1, 1, 2, 2]
    assert discovery_area(curve, 2) == pytest.approx(6 / 7)  # ideal: 1, 2, 2, 2
    assert discovery_area([1, 2, 3], 3) == 1
    assert discovery_area([0, 0], 5) == 0
    with pytest.raises(BadInput):
        discovery_area([], 1)
    with pytest.raises(BadInput):
        discovery_area([0], 0)


def test_recall_by_bin_counts_and_wilsons_interval():
    target = np.array([1, 1, 1, 1, 0, 1, 1], bool)
    found = np.array([1, 0, 1, 1, 1, 1, 1], bool)
    quantity = np.array([0.0, 0.5, 1.0, 2.0, 0.2, np.nan, 5.0])
    low, high, empty = recall_by_bin(target, found, quantity, [0, 1, 2, 3])[:3]
    assert (low.n_targets, low.n_found, low.recall) == (2, 1, 0.5)
    assert (high.n_targets, high.n_found, high.recall) == (1, 1, 1.0)
    assert (empty.n_targets, empty.n_found) == (1, 1)
    # Wilson 95 % of 1 of 2, from his formula.
    assert (low.recall_low, low.recall_high) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    last = recall_by_bin(target, found, quantity, [0, 2])[0]
    assert last.n_targets == 4  # the upper edge of the last bin belongs to it
    nothing = recall_by_bin(target, found, quantity, [10, 11])[0]
    assert nothing.n_targets == 0
    assert np.isnan([nothing.recall, nothing.recall_low, nothing.recall_high]).all()


def test_bad_bins_are_refused():
    ones = np.ones(3, bool)
    for edges in ([1], [1, 1], [2, 1]):
        with pytest.raises(BadInput, match="ascending"):
            recall_by_bin(ones, ones, np.ones(3), edges)
    with pytest.raises(BadInput, match="one length"):
        recall_by_bin(ones, ones, np.ones(2), [0, 1])
