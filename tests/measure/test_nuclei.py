"""Simulated double nuclei are found where they are, measured as they are, and nothing raises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from core.measure.nuclei import (
    Nucleus,
    _snapped,
    measure_nuclei,
    snap,
    snap_all,
    suggest_nuclei,
    summed,
)
from core.measure.pairs import measure_pair
from core.survey.astrometry import Astrometry

FWHM_PX = 2.5
N = 24


def double(separation, ratio, signal_to_noise, rng, *, side=64, host=0.0):
    """A picture with noise 1, and the places (x, y) of its brighter and its fainter nucleus.

    `signal_to_noise` is that of the fainter one for a matched filter; `host` the flux of an
    exponential disc between them in units of the brighter one's.
    """
    sigma = FWHM_PX / 2.3548
    y, x = np.mgrid[:side, :side].astype(float)
    turn = rng.uniform(0, 2 * np.pi)
    centre = (side - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    half = np.array([np.cos(turn), np.sin(turn)]) * separation / 2

    def point(place):
        across, down = (
            (erf((u + 0.5 - c) / sigma / 2**0.5) - erf((u - 0.5 - c) / sigma / 2**0.5)) / 2
            for u, c in ((x, place[0]), (y, place[1]))
        )
        return across * down

    faint = signal_to_noise * 2 * sigma * np.pi**0.5
    picture = ratio * faint * point(centre + half) + faint * point(centre - half)
    disc = np.exp(-np.hypot(x - centre[0], y - centre[1]) / 6) / (2 * np.pi * 36)
    picture += host * ratio * faint * disc
    return picture + rng.normal(0, 1, picture.shape), centre + half, centre - half


def distance(one, place):
    return float(np.hypot(one.x - place[0], one.y - place[1]))


def found_both(picture, *places):
    found, _sentence = suggest_nuclei(picture, 2)
    if len(found) < 2:
        return False
    straight = [distance(one, place) for one, place in zip(found, places, strict=True)]
    crossed = [distance(one, place) for one, place in zip(found, places[::-1], strict=True)]
    return min(max(straight), max(crossed)) < 1.0


# What a plain peak finder cannot do is stated as well: a close faint one is not found.
@pytest.mark.parametrize(
    ("separation", "ratio", "signal_to_noise", "least", "most"),
    [
        (2.5, 1, 200, 0.9, 1),
        (3, 1, 50, 0.9, 1),
        (3, 3, 50, 0.8, 1),
        (4, 3, 20, 0.9, 1),
        (4, 10, 50, 0.9, 1),
        (5, 10, 20, 0.9, 1),
        (5, 1, 10, 0.8, 1),
        (7, 3, 10, 0.9, 1),
        (10, 10, 10, 0.9, 1),
        (2.5, 10, 200, 0, 0.1),
        (2.5, 1, 10, 0, 0.3),
    ],
)
def test_how_many_pairs_are_suggested(separation, ratio, signal_to_noise, least, most):
    rng = np.random.default_rng(1)
    share = np.mean(
        [found_both(*double(separation, ratio, signal_to_noise, rng)) for _ in range(N)]
    )
    assert least <= share <= most


@pytest.mark.parametrize("separation", [2.5, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("ratio", [1, 3, 10])
def test_two_clicks_find_both_places_and_the_flux_ratio(separation, ratio):
    rng = np.random.default_rng(2)
    errors, ratios = [], []
    for _ in range(N):
        picture, bright, faint = double(separation, ratio, 200, rng)
        clicks = [tuple(place + rng.normal(0, 0.4, 2)) for place in (bright, faint)]
        one, other = snap_all(picture, clicks)
        error = max(distance(one, bright), distance(other, faint))
        if ratio == 1:  # which of two equal ones a click was meant for is not told
            error = min(error, max(distance(one, faint), distance(other, bright)))
        errors.append(error)
        assert one.flux is not None
        assert other.flux is not None
        ratios.append(one.flux / other.flux)
    # One FWHM apart and equal, two sloppy clicks may fall into each other's light.
    assert np.percentile(errors, 85 if separation < 3 else 100) < 0.2
    assert np.median(ratios) == pytest.approx(ratio, rel=0.05)


def test_nuclei_in_a_host_galaxy():
    rng = np.random.default_rng(3)
    errors, ratios = [], []
    for _ in range(N):
        picture, bright, faint = double(6, 3, 100, rng, host=2.0)
        one, other = snap_all(picture, [tuple(bright), tuple(faint)])
        errors.append(max(distance(one, bright), distance(other, faint)))
        assert one.flux is not None
        assert other.flux is not None
        ratios.append(one.flux / other.flux)
    assert np.median(errors) < 0.2
    assert np.median(ratios) == pytest.approx(3, rel=0.15)


def test_a_single_nucleus_is_one_and_flux_is_in_the_pictures_units():
    rng = np.random.default_rng(4)
    alone = 0
    for _ in range(N):
        picture, bright, _faint = double(0, 1, 50, rng)
        found, sentence = suggest_nuclei(picture, 2)
        alone += len(found) == 1
        assert sentence == ""
        assert distance(found[0], bright) < 0.2
        expected = 2 * 50 * 2 * (FWHM_PX / 2.3548) * np.pi**0.5
        assert found[0].flux == pytest.approx(expected, rel=0.1)
    assert alone >= 0.9 * N


def test_a_large_picture_has_its_nuclei_too():
    y, x = np.mgrid[:2000, :2000].astype(float)
    picture = np.random.default_rng(0).normal(0, 1, (2000, 2000))
    places = [(960.0, 1000.0), (1050.0, 1010.0)]
    for (px, py), height in zip(places, (60, 30), strict=True):
        near = np.s_[int(py) - 80 : int(py) + 81, int(px) - 80 : int(px) + 81]
        picture[near] += height * np.exp(
            -((x[near] - px) ** 2 + (y[near] - py) ** 2) / (2 * 12**2)
        )
    found, _sentence = suggest_nuclei(picture, 2)
    assert [distance(one, place) < 1.5 for one, place in zip(found, places, strict=True)] == [
        True,
        True,
    ]
    one = snap(picture, 965, 1004, radius_px=16)
    assert one.snapped
    assert distance(one, places[0]) < 1


def test_a_click_on_sky_stays_and_says_so():
    picture = np.random.default_rng(0).normal(0, 1, (64, 64))
    one = snap(picture, 20.3, 40.7)
    assert (one.x, one.y, one.snapped, one.significance) == (20.3, 40.7, False, 0.0)
    assert "No peak stands out" in one.note
    found, sentence = suggest_nuclei(picture, 2)
    assert found == []
    assert "click the nuclei yourself" in sentence


def test_a_peak_at_the_edge_has_no_centroid():
    y, x = np.mgrid[:40, :40]
    picture = 100 * np.exp(-((x - 0) ** 2 + (y - 20) ** 2) / 4.0)
    one = snap(picture, 1, 20)
    assert (one.x, one.snapped) == (1, False)
    assert "edge of the picture" in one.note


def test_the_nearest_peak_is_taken_not_the_brightest():
    rng = np.random.default_rng(5)
    for _ in range(N):
        picture, bright, faint = double(6, 10, 50, rng)
        assert distance(snap(picture, faint[0], faint[1], 8), faint) < 0.5
        assert distance(snap(picture, bright[0], bright[1], 8), bright) < 0.5


def test_what_stayed_keeps_its_place_when_measured():
    picture, bright, _faint = double(6, 3, 50, np.random.default_rng(0))
    x, y = bright + 0.7
    (one,) = measure_nuclei(picture, [Nucleus(x, y, False)])
    assert (one.x, one.y) == (x, y)
    assert one.flux is not None
    assert measure_nuclei(picture, []) == []


def test_fifty_points():
    picture, _bright, _faint = double(6, 3, 50, np.random.default_rng(0))
    clicks = [(20 + 2.0 * (k % 7), 20 + 2.0 * (k // 7)) for k in range(50)]
    assert len(snap_all(picture, clicks)) == 50


def test_what_a_click_finds_does_not_depend_on_the_others():
    rng = np.random.default_rng(8)
    picture = rng.normal(0, 1, (300, 280))
    y, x = np.mgrid[:300, :280]
    places = rng.uniform(20, 260, (25, 2))
    for px, py in places:
        width = rng.uniform(1, 8)
        picture += rng.uniform(20, 90) * np.exp(-(np.hypot(x - px, y - py) ** 2) / 2 / width**2)
    picture[100:110, 50:90] = np.nan
    clicks = [tuple(place + rng.normal(0, 1, 2)) for place in places]
    for radius in (3, 12, 32):
        together = _snapped(picture, clicks, radius)
        alone = [snap(picture, px, py, radius) for px, py in clicks]
        assert sum(one.snapped for one in alone) > 2
        for one, other in zip(together, alone, strict=True):
            assert (one.x, one.y) == pytest.approx((other.x, other.y), abs=0.02)
            assert one.significance == pytest.approx(other.significance, rel=0.02)
            assert (one.note, one.scale_px) == (other.note, other.scale_px)


@pytest.mark.parametrize("width", [2.0, 5.0, 9.0, 20.0, 25.0])
def test_wide_nuclei_are_placed_and_measured_as_well(width):
    """They are sharpened and fitted in means of several pixels."""
    rng = np.random.default_rng(9)
    y, x = np.mgrid[:600, :600].astype(float)
    places = ((260.3, 300.8), (260.3 + 4.5 * width, 310.1))
    picture = rng.normal(0, 1, (600, 600))
    for (px, py), height in zip(places, (90.0, 30.0), strict=True):
        picture += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
    clicks = [(px + 0.4 * width, py - 0.3 * width) for px, py in places]
    found = snap_all(picture, clicks, 32)
    for one, place in zip(found, places, strict=True):
        assert one.snapped
        assert distance(one, place) < 0.03 * width + 0.1
    one, other = found
    assert one.flux is not None
    assert other.flux is not None
    assert one.flux / other.flux == pytest.approx(3, rel=0.1)
    assert one.flux == pytest.approx(90 * 2 * np.pi * width**2, rel=0.15)


def odd_pictures():
    rng = np.random.default_rng(0)
    hole = rng.normal(0, 1, (32, 32)) + 50 * (np.hypot(*(np.indices((32, 32)) - 15.5)) < 2)
    hole[10:20, 10:20] = np.nan
    return {
        "blank": np.zeros((32, 32)),
        "constant": np.full((32, 32), 7.0),
        "all NaN": np.full((32, 32), np.nan),
        "one pixel": np.ones((1, 1)),
        "one NaN pixel": np.full((1, 1), np.nan),
        "two pixels": np.array([[1.0, 5.0], [2.0, 1.0]]),
        "a strip": np.arange(40.0)[None, :],
        "negative": -np.abs(rng.normal(0, 1, (32, 32))) - 100,
        "a hole": hole,
        "infinite": np.where(rng.random((32, 32)) < 0.1, np.inf, 1.0),
        "huge": rng.normal(0, 1, (32, 32)) * 1e300,
        "tiny": rng.normal(0, 1, (32, 32)) * 1e-300,
        "one hot pixel": np.eye(32)[:, :] * (np.arange(32) == 16),
    }


@pytest.mark.parametrize("name", odd_pictures())
def test_odd_pictures_give_an_answer_or_a_sentence(name):
    picture = odd_pictures()[name]
    found, sentence = suggest_nuclei(picture, 3)
    assert bool(found) != bool(sentence)
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    for one in [*snap_all(picture, [middle, (0.0, 0.0)]), *found]:
        assert np.isfinite([one.x, one.y]).all()
        assert one.snapped != bool(one.note)
        assert one.flux is None or np.isfinite(one.flux)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
    st.floats(-5, 25),
    st.floats(-5, 25),
    st.floats(0.5, 30),
)
def test_no_click_on_any_picture_raises(height, width, seed, x, y, radius):
    rng = np.random.default_rng(seed)
    picture = rng.normal(0, 1, (height, width)) * 10.0 ** rng.integers(-6, 7)
    picture[rng.random((height, width)) < rng.choice([0, 0.3, 0.95])] = np.nan
    one = snap(picture, x, y, radius)
    assert one.snapped != bool(one.note)
    if one.snapped:
        assert np.hypot(one.x - x, one.y - y) <= radius + max(1.0, radius)
    else:
        assert (one.x, one.y) == (x, y)


def test_bands_are_summed_by_their_noise():
    image = np.array([[[1.0, np.nan]], [[4.0, 6.0]], [[np.inf, np.nan]]])
    assert summed(image, [1.0, 2.0, 0.0]) == pytest.approx(np.array([[4.5, 9.0]]))
    assert summed(image, [1.0, 2.0, 0.0], band=1) == pytest.approx(np.array([[4.0, 6.0]]))
    assert np.isnan(summed(np.full((2, 1, 1), np.nan), [1, 1])).all()
    assert summed(np.full((3, 1, 1), 255, np.uint8), [1, 1, 1]) == 765


CD = ((-0.9e-4, 0.44e-4), (0.43e-4, 0.91e-4))


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.9])
def test_a_pair_on_the_sky_as_astropy_has_it(dec):
    there = Astrometry(10.0, dec, 31.5, 31.5, CD, 0.36, False, 0.1)
    a, b = Nucleus(20.0, 25.0, True, flux=1.0), Nucleus(40.0, 30.0, True, flux=4.0)
    pair = measure_pair(a, b, there)
    first, second = (SkyCoord(*(there.sky(one.x, one.y) or ()), unit="deg") for one in (b, a))
    assert pair.separation_px == pytest.approx(np.hypot(20, 5))
    assert pair.separation_arcsec == pytest.approx(first.separation(second).arcsec)
    expected = first.position_angle(second).to_value(units.deg)
    assert pair.position_angle_deg == pytest.approx(expected)
    assert pair.position_angle_direction == "bright to faint"
    unknown = measure_pair(replace(a, flux=None), b, there)
    assert unknown.position_angle_direction == "first to second"
    assert unknown.position_angle_deg == pytest.approx(
        second.position_angle(first).to_value(units.deg)
    )
    assert pair.separation_arcsec is not None
    assert there.kpc_per_arcsec is not None
    assert pair.separation_kpc == pytest.approx(pair.separation_arcsec * there.kpc_per_arcsec)
    assert pair.flux_ratio == 4.0
    assert pair.delta_mag == pytest.approx(1.505, abs=0.001)


def test_what_a_pair_does_not_know_is_none():
    a, b = Nucleus(20.0, 25.0, True, flux=-1.0), Nucleus(23.0, 29.0, True, flux=4.0)
    pair = measure_pair(a, b, None)
    assert pair.separation_px == 5.0
    assert (pair.separation_arcsec, pair.separation_kpc, pair.position_angle_deg) == (None,) * 3
    assert (pair.flux_ratio, pair.delta_mag) == (None, None)
    scaled = Astrometry(None, None, 31.5, 31.5, None, 0.4, False, None)
    assert measure_pair(a, b, scaled).separation_arcsec == pytest.approx(2.0)
    assert measure_pair(a, b, scaled).position_angle_deg is None
    there = Astrometry(10.0, 0.0, 31.5, 31.5, CD, 0.36, False, None)
    assert measure_pair(a, a, there).separation_arcsec == 0
    assert measure_pair(a, a, there).position_angle_deg is None
    assert measure_pair(a, a, there).position_angle_direction is None
