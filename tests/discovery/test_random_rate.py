"""The rate of targets from the control sample: no better for what the search has found."""

from __future__ import annotations

import numpy as np
import pytest

from core.discovery.control import control_order
from core.discovery.random_rate import random_rate
from core.metrics.discovery import exact_interval

N = 12
ORDER = np.array([5, 2, 9, 0, 7, 1, 3, 11, 4, 8, 6, 10])


def flags(*rows: int) -> np.ndarray:
    """(N,) of the fixed order: True for these rows."""
    return np.isin(ORDER, rows)


def test_the_beginning_of_the_order_up_to_the_last_control() -> None:
    # Row 9 was found by the search before its turn; row 0 was skipped; 7 waits, 1 is past it.
    answered, aside = flags(5, 2, 9, 1, 10), flags(0)
    rate = random_rate(answered, aside, flags(9, 10, 1), flags(5, 2))
    assert rate is not None
    assert (rate.n, rate.n_targets) == (2, 0)  # up to row 2, the last control
    rate = random_rate(answered | flags(7), aside, flags(9, 10, 7), flags(5, 2, 7))
    assert rate is not None
    assert (rate.n, rate.n_targets) == (4, 2)
    assert rate.rate == 0.5
    low, high = exact_interval(2, 4)
    assert (rate.low, rate.high) == (float(low), float(high))


def test_before_the_first_control_nothing_is_known() -> None:
    assert random_rate(flags(5, 2), flags(), flags(5), flags()) is None
    assert random_rate(flags(2), flags(), flags(), flags(2)) is None  # 5 still waits


def test_the_beginning_of_the_order_tells_as_much_as_all_of_it() -> None:
    answered, aside, target, control = flags(5, 2, 9, 1), flags(0), flags(9), flags(5, 9)
    whole = random_rate(answered, aside, target, control)
    assert whole is not None
    assert (whole.n, whole.n_targets) == (3, 1)
    assert random_rate(answered[:6], aside[:6], target[:6], control[:6]) == whole


def test_when_all_are_answered_the_rate_is_the_surveys() -> None:
    every = np.ones(N, dtype=bool)
    rate = random_rate(every & ~flags(4), flags(4), flags(1, 2, 3), flags())
    assert rate is not None
    assert (rate.n, rate.n_targets) == (11, 3)


def test_a_greedy_search_does_not_lower_the_rate() -> None:
    """Targets are found first and so vanish from the controls: counted alone, these would say
    that there are hardly any."""
    n, n_targets, rates, naive = 400, 40, [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        target = np.zeros(n, dtype=bool)
        target[rng.choice(n, n_targets, replace=False)] = True
        order = control_order(seed, n)
        answered, control = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        left = iter(np.flatnonzero(target).tolist())
        for turn in range(80):
            if turn % 4 == 3:
                row = next(row for row in order if not answered[row])
                control[row] = True
            else:
                row = next((row for row in left if not answered[row]), None)
                if row is None:
                    row = int(np.flatnonzero(~answered)[0])
            answered[row] = True
        rate = random_rate(answered[order], np.zeros(n, dtype=bool), target[order], control[order])
        assert rate is not None
        rates.append(rate.rate)
        naive.append(target[control].mean())
    assert np.mean(rates) == pytest.approx(n_targets / n, abs=0.02)
    assert np.mean(naive) < 0.06
