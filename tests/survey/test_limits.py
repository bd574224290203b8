from __future__ import annotations

import numpy as np
import pytest

from core.survey.limits import SPIKE, LimitsSample, _measured, _peak


def limits_of(images, size=2048, dtype="float32"):
    sample = LimitsSample(size)
    for row, image in enumerate(images):
        sample.offer(row, image)
    return sample.limits(images.shape[1], dtype)


def test_gaussian_sky_is_recovered():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (300, 2, 32, 32)) * [[[3.0]], [[0.5]]] + [[[100.0]], [[-2.0]]]
    images[:, :, 15:18, 15:18] += 1000  # an object in the middle must not raise the sky
    found = limits_of(images.astype(np.float32))
    assert found.low == pytest.approx((100, -2), abs=0.1)
    assert found.sigma == pytest.approx((3, 0.5), rel=0.03)
    peaks = images.max(axis=(2, 3))
    assert found.high == pytest.approx(np.percentile(peaks, 99.9, axis=0), rel=1e-5)


def test_sample_is_bounded_and_spread():
    sample = LimitsSample(50)
    for row in range(2000):
        sample.offer(row, np.full((1, 8, 8), row, np.float32))
    rows = sorted(row for _priority, row, _measured in sample._kept)
    assert len(rows) == 50
    assert 600 < np.mean(rows) < 1400


@pytest.mark.parametrize("fill", [0.0, -7.5, 1e30, np.nan, np.inf])
def test_constant_pixels_give_usable_limits(fill):
    with np.errstate(over="ignore"):  # 1e30 squared, in the standard deviation
        found = limits_of(np.full((3, 1, 8, 8), fill, np.float32))
    for values in (found.low, found.high, found.sigma):
        assert np.isfinite(values).all()
    assert found.sigma[0] > 0
    assert found.high[0] > found.low[0]


def test_bytes_have_the_full_range():
    found = limits_of(np.zeros((3, 3, 8, 8), np.uint8), dtype="uint8")
    assert (found.low, found.high) == ((0.0,) * 3, (255.0,) * 3)
    assert found.sigma == pytest.approx((12**-0.5,) * 3)


@pytest.mark.parametrize("side", [1, 2, 5, 12, 33])
def test_bytes_are_measured_as_floats_are(side):
    rng = np.random.default_rng(side)
    for top in (1, 2, 7, 256):
        image = rng.integers(0, top, (3, side, side)).astype(np.uint8)
        found, expected = _measured(image), _measured(image.astype(np.float32))
        np.testing.assert_allclose(found[::2], expected[::2])  # the peak of bytes is not used


# Pixels that are no light

PSF = np.exp(-0.5 * ((np.mgrid[-12:12, -12:12] + 0.5) ** 2).sum(0) / 1.5**2)


def stars(n=50, seed=3):
    """(n, 2, 24, 24) stars of 20 to 3,000 sigma on skies of 5 and -1, and their peaks."""
    rng = np.random.default_rng(seed)
    light = 10 ** rng.uniform(1.3, 3.5, n)
    images = rng.normal(0, 1, (n, 2, 24, 24)) + light[:, None, None, None] * PSF
    return (images + np.array([5.0, -1.0])[:, None, None]).astype(np.float32)


def a_pixel(image, value):
    image[:, 3, 20] = value


def a_track(image, value):
    image[:, 4, 5:9] = value


def a_column(image, value):
    image[:, :, 2] = value


def a_corner(image, value):
    image[:, :9, :9] = value


def a_whole_band(image, value):
    image[1] = value


@pytest.mark.parametrize("fault", [a_pixel, a_track, a_column, a_corner, a_whole_band])
@pytest.mark.parametrize("value", [1e38, 3e38, -1e38, 1e12, np.inf, -np.inf, np.nan])
def test_one_spoilt_object_of_fifty_changes_no_limit(fault, value):
    clean = stars()
    spoilt = clean.copy()
    fault(spoilt[17], value)
    expected, found = limits_of(clean), limits_of(spoilt)
    assert found.low == pytest.approx(expected.low, abs=0.02)
    assert found.sigma == pytest.approx(expected.sigma, rel=0.02)
    assert found.high == pytest.approx(expected.high, rel=0.1)


@pytest.mark.parametrize("value", [1e4, 1e6])
def test_cosmic_rays_beside_every_third_object_are_no_peaks(value):
    clean = stars()
    spoilt = clean.copy()
    rng = np.random.default_rng(1)
    for image in spoilt[::3]:
        image[0, rng.integers(0, 24), rng.choice([0, 1, 2, 21, 22, 23])] = value
    assert limits_of(spoilt).high == pytest.approx(limits_of(clean).high, rel=1e-6)


def test_a_fill_value_in_the_corners_of_a_tenth_is_no_peak():
    clean = stars()
    spoilt = clean.copy()
    for image in spoilt[::10]:
        a_corner(image, 1e20)
    assert limits_of(spoilt).high == pytest.approx(limits_of(clean).high, rel=0.1)


@pytest.mark.parametrize("fwhm", [1.0, 1.5, 3.0])
def test_the_cores_of_stars_are_peaks_whatever_the_sampling(fwhm):
    psf = np.exp(-4 * np.log(2) * (np.mgrid[-10:11, -10:11] ** 2).sum(0) / fwhm**2)
    images = np.random.default_rng(0).normal(0, 1, (40, 1, 21, 21)) + 500 * psf
    peaks = images.max(axis=(1, 2, 3))
    assert limits_of(images.astype(np.float32)).high[0] == pytest.approx(
        np.percentile(peaks, 99.9), rel=1e-5
    )


def test_few_bright_objects_without_noise_keep_their_peaks():
    images = np.zeros((200, 1, 24, 24), np.float32)
    images[::20] = 100 * PSF.astype(np.float32)
    assert limits_of(images).high[0] == pytest.approx(images.max())


def test_the_peak_is_that_of_looking_at_every_pixel():
    """Against a plain loop over the pixels, also where the brightest sixty-four are all spikes."""
    rng = np.random.default_rng(5)
    for side, spikes in ((2, 1), (5, 3), (24, 4), (24, 90)):
        plane = rng.normal(0, 1, (side, side)) + 3
        for y, x in rng.integers(0, side, (spikes, 2)):
            plane[y, x] = 10 ** rng.uniform(2, 9)
        plane[0, 1] = np.nan
        best = -np.inf
        for y, x in np.argwhere(np.isfinite(plane)):
            block = plane[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].ravel().tolist()
            block.remove(plane[y, x])
            around = sorted(value - 3 for value in block if np.isfinite(value))
            third = around[-3] if len(around) > 2 else 0
            best = max(best, min(plane[y, x] - 3, SPIKE * max(third, 0)))
        assert _peak(plane, 3.0) == pytest.approx(3 + best)
