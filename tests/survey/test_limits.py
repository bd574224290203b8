from __future__ import annotations

import numpy as np
import pytest

from core.survey.limits import LimitsSample, _measured


def limits_of(images, size=2048, dtype="float32"):
    sample = LimitsSample(size)
    for row, image in enumerate(images):
        sample.offer(row, image)
    return sample.limits(images.shape[1], dtype)


def test_gaussian_sky_is_recovered():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (300, 2, 32, 32)) * [[[3.0]], [[0.5]]] + [[[100.0]], [[-2.0]]]
    images[:, :, 16, 16] += 1000  # an object in the middle must not raise the sky
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
        np.testing.assert_allclose(_measured(image), _measured(image.astype(np.float32)))
