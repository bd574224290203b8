"""Residuals bring out what is not smooth, and say so where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.modeling.models import Sersic2D
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter

from core.errors import BadInput
from core.measure import RESIDUAL_MODES, gaussian_smoothed, residual

PSF_PX = 1.3


def galaxy(side: int = 64, *, companion: float = 0.0, noise: float = 1.0) -> tuple:
    """A Sersic galaxy off the middle of a pixel, and a second nucleus of `companion` times its
    peak 6 px away: (picture, peak, (y, x) of the nucleus, (y, x) of the second)."""
    rows, columns = np.mgrid[:side, :side]
    y, x = side / 2 - 0.6, side / 2 + 0.3
    smooth = gaussian_filter(
        Sersic2D(50, side / 10, 2.0, x, y, 0.3, 0.5)(columns, rows), PSF_PX, mode="nearest"
    )
    peak = smooth.max()
    second = round(y) + 3, round(x) + 5
    away = (rows - second[0]) ** 2 + (columns - second[1]) ** 2
    picture = smooth + companion * peak * np.exp(-away / (2 * PSF_PX**2)) + 20
    picture += np.random.default_rng(0).normal(0, noise, picture.shape)
    return picture, peak, (round(y), round(x)), second


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("mode", ["symmetric", "sersic"])
def test_a_second_nucleus_of_a_tenth_stands_out(mode, side):
    picture, peak, (y, x), second = galaxy(side, companion=0.1)
    found = residual(picture, mode)
    assert found.note == ""
    assert found.values.shape == picture.shape
    assert found.values[second] > 0.06 * peak
    # What is left of the galaxy itself is little beside what was there.
    about = found.values[y - 6 : y + 7, x - 6 : x + 7]
    assert np.median(np.abs(about)) < 0.03 * peak


def test_unsharp_sharpens_the_second_nucleus():
    picture, peak, _, second = galaxy(companion=0.3)
    values = residual(picture, "unsharp").values
    assert values[second] > 0.1 * peak
    valley = second[0] - 1, second[1] - 3  # between the two
    assert values[second] - values[valley] > picture[second] - picture[valley]


def test_a_symmetric_galaxy_leaves_noise_alone():
    picture, peak, _, _ = galaxy()
    values = residual(picture, "symmetric").values
    assert np.nanmax(values) < 0.06 * peak
    assert np.nanmin(values) == 0.0  # only what is brighter than its counterpart


def test_an_equal_pair_does_not_vanish():
    picture, peak, _, second = galaxy(companion=1.0)
    assert residual(picture, "symmetric").values[second] > 0.2 * peak


def test_a_sersic_galaxy_is_taken_away_down_to_its_noise():
    rows, columns = np.mgrid[:80, :80]
    picture = Sersic2D(40, 9, 1.2, 41.3, 38.8, 0.4, 1.0)(columns, rows) + 5
    picture += np.random.default_rng(1).normal(0, 0.5, picture.shape)
    found = residual(picture, "sersic")
    assert np.std(found.values) == pytest.approx(0.5, rel=0.05)
    scaled = residual(picture * 1e-12, "sersic")  # units do not matter
    np.testing.assert_allclose(scaled.values, found.values * 1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["symmetric", "sersic"])
def test_a_bright_star_beside_does_not_lead_astray(mode):
    picture, peak, (y, x), second = galaxy(companion=0.2)
    rows, columns = np.mgrid[:64, :64]
    picture += 10 * peak * np.exp(-((rows - 55) ** 2 + (columns - 8) ** 2) / (2 * PSF_PX**2))
    found = residual(picture, mode)
    assert found.note == ""
    about = found.values[y - 6 : y + 7, x - 6 : x + 7]
    assert np.median(np.abs(about)) < 0.03 * peak
    assert found.values[second] > 0.12 * peak
    assert found.values[55, 8] > 9 * peak


def test_holes_stay_holes_and_do_not_spoil_the_rest():
    picture, peak, _, second = galaxy(companion=0.2)
    picture[5:9, 10:50] = np.nan
    picture[40, 3] = np.inf
    for mode in ("unsharp", "symmetric", "sersic"):
        values = residual(picture, mode).values
        assert np.isnan(values[6, 20])
        assert np.isnan(values[40, 3])
        assert values[second] > 0.05 * peak


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (np.full((32, 32), np.nan), "valid pixels"),
        (np.zeros((32, 32)), "nothing stands out"),
        (np.full((32, 32), 1e5), "nothing stands out"),
        (np.ones((1, 1)), "valid pixels"),
        (np.ones((400, 3)), "8 pixels a side"),
        (np.random.default_rng(0).normal(size=(32, 32)), "nothing stands out"),
    ],
)
def test_where_nothing_can_be_fitted_it_says_so(picture, why):
    found = residual(picture, "sersic")
    assert why in found.note
    assert "smoothed copy" in found.note
    np.testing.assert_array_equal(found.values, residual(picture, "unsharp").values)


@settings(max_examples=60, deadline=None)
@given(
    picture=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(width=32),
    ),
    mode=st.sampled_from(RESIDUAL_MODES),
)
def test_no_pixels_break_a_residual(picture, mode):
    found = residual(picture, mode)
    assert found.values.shape == picture.shape
    assert not np.isinf(found.values).any()


def test_smoothing_fills_holes_from_their_neighbours():
    flat = np.full((20, 20), 3.0)
    flat[8:12, 8:12] = np.nan
    np.testing.assert_allclose(gaussian_smoothed(flat, 2.0), 3.0)
    assert np.isnan(gaussian_smoothed(np.full((4, 4), np.nan), 1.0)).all()
    point = np.zeros((41, 41))
    point[20, 20] = 1.0
    smooth = gaussian_smoothed(point, 2.0)
    assert smooth[20, 20] == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)


def test_what_is_no_picture_is_refused():
    with pytest.raises(BadInput, match="sum"):
        residual(np.zeros((3, 8, 8)), "unsharp")
    with pytest.raises(BadInput, match="sum"):
        residual(np.zeros((0, 8)), "unsharp")
    with pytest.raises(BadInput, match="unsharp, symmetric, sersic"):
        residual(np.zeros((8, 8)), "median")
