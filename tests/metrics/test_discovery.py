"""Numbers of a search against slow references and closed forms."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import binom

from core.errors import BadInput
from core.metrics.discovery import calibration, exact_interval, precision_at_ranks


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (1, 20), (13, 40)])
def test_the_ends_of_the_interval_are_where_the_tails_hold_a_fortieth(hits: int, n: int) -> None:
    low, high = exact_interval(hits, n)
    if hits:
        assert binom.sf(hits - 1, n, low) == pytest.approx(0.025)
    else:
        assert low == 0
    if hits < n:
        assert binom.cdf(hits, n, high) == pytest.approx(0.025)
    else:
        assert high == 1


def test_the_interval_covers_at_least_as_often_as_it_says() -> None:
    n, hits = 12, np.arange(13)
    low, high = exact_interval(hits, np.full(13, n), 0.9)
    for share in (0.03, 0.2, 0.5):
        covered = (low <= share) & (share <= high)
        assert binom.pmf(hits, n, share)[covered].sum() >= 0.9


def test_of_nothing_anything_may_be_true() -> None:
    low, high = exact_interval(0, 0)
    assert (low, high) == (0, 1)


@pytest.mark.parametrize(("hits", "n", "level"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0)])
def test_an_impossible_share_is_refused(hits: int, n: int, level: float) -> None:
    with pytest.raises(BadInput, match="interval of a share"):
        exact_interval(hits, n, level)


def test_calibration_of_probabilities_that_hold() -> None:
    rng = np.random.default_rng(0)
    told = rng.random(4000)
    found = calibration(told, rng.random(4000) < told)
    assert len(found.told) == 10
    assert found.n.sum() == 4000
    assert np.abs(found.came - found.told).max() < 0.06
    assert (found.low <= found.told).mean() >= 0.8
    assert found.expected == pytest.approx(told.sum())
    assert found.brier == pytest.approx(1 / 6, abs=0.01)  # the mean of p (1 - p)


def test_calibration_by_hand() -> None:
    told = np.array([0.9, 0.1] * 20)
    found = calibration(told, [1, 1] * 20)
    assert found.told == pytest.approx([0.1, 0.9])
    assert found.came == pytest.approx([1, 1])
    assert found.n.tolist() == [20, 20]
    assert found.brier == pytest.approx((0.81 + 0.01) / 2)
    assert (found.expected, found.n_hits) == (pytest.approx(20), 40)
    assert found.high == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("told", "came"),
    [([], []), ([0.5], [1, 0]), ([1.2], [1]), ([float("nan")], [1]), ([0.5], [2])],
)
def test_calibration_refuses(told: list[float], came: list[int]) -> None:
    with pytest.raises(BadInput, match="Calibration"):
        calibration(told, came)


def test_precision_is_the_mean_over_all_orders_of_ties() -> None:
    y = [1, 0, 0, 1, 1, 0]
    score = [0.9, 0.9, 0.9, 0.5, 0.5, 0.1]
    orders = [
        (*first, *second, 5)
        for first in permutations((0, 1, 2))
        for second in permutations((3, 4))
    ]
    plain = [
        np.mean([sum(y[row] for row in order[:k]) / k for order in orders]) for k in range(1, 7)
    ]
    assert precision_at_ranks(y, score) == pytest.approx(plain)


def test_precision_without_ties() -> None:
    assert precision_at_ranks([0, 1, 1], [1, 3, 2]) == pytest.approx([1, 1, 2 / 3])


@pytest.mark.parametrize(("y", "score"), [([], []), ([1], [1, 2]), ([1], [np.inf]), ([3], [1])])
def test_precision_refuses(y: list[int], score: list[float]) -> None:
    with pytest.raises(BadInput, match="Precision"):
        precision_at_ranks(y, score)
