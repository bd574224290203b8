"""A new map laid over an old one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes

from core.errors import BadInput
from core.mapping import aligned


def cloud(n=50, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2)) * [3, 1]


def turned(places, degrees, *, mirror):
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return places @ turn * ([1, -1] if mirror else [1, 1]) * 4.2 + [30, -7]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("degrees", [0, 37, 180, 290])
def test_a_turned_mirrored_and_sized_map_is_brought_back(degrees, mirror):
    old = cloud()
    new = turned(old, degrees, mirror=mirror)
    new[:5] = np.nan  # gone from the new map; others are new on it
    known = old.copy()
    known[40:] = np.nan
    laid = aligned(new, known)
    assert laid is not None
    assert laid.n_common == 35
    assert np.isnan(laid.places[:5]).all()
    np.testing.assert_allclose(laid.places[5:], old[5:], atol=1e-4)
    assert laid.moved < 1e-6


def test_what_is_left_over_is_the_least_possible():
    old = cloud()
    new = turned(old, 70, mirror=True) + np.random.default_rng(1).normal(size=old.shape)
    laid = aligned(new, old)
    assert laid is not None
    _, _, least = procrustes(old, new)
    left = np.square(laid.places - old).sum() / np.square(old - old.mean(axis=0)).sum()
    assert left == pytest.approx(least, rel=1e-3)
    side = np.ptp(old[:, 0])
    middle = np.median(np.linalg.norm(laid.places - old, axis=1))
    assert laid.moved == pytest.approx(middle / side, rel=1e-3)


def test_axes_with_a_meaning_are_mirrored_at_most():
    old = cloud()
    laid = aligned(old * [-2, 2] + [1, 0], old, mirror_only=True)
    assert laid is not None
    np.testing.assert_allclose(laid.places, old * [2, 2] + [-1, 0], atol=1e-5)
    assert laid.moved < 1e-6  # as the two are drawn, nothing is elsewhere
    shifted = aligned(5 * old[::-1] + [8, 3], old, mirror_only=True)
    assert shifted is not None
    assert shifted.moved > 0.1


def test_without_three_common_objects_or_any_extent_there_is_nothing_to_turn_by():
    few = np.full((50, 2), np.nan)
    few[:2] = cloud()[:2]
    assert aligned(cloud(), few) is None
    assert aligned(cloud(), np.zeros((50, 2))) is None
    assert aligned(np.zeros((50, 2)), cloud()) is None
    with pytest.raises(BadInput, match="match their objects"):
        aligned(cloud(), cloud(49))
