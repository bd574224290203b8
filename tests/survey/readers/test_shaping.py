from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.survey.readers.shaping import Unfit, shape_image


def ramp(height: int, width: int) -> np.ndarray:
    """(2, y, x) float32 that tells where a pixel is: x in the first band, y in the second."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y])


def test_same_size_is_untouched():
    image = ramp(12, 12)
    shaped = shape_image(image, 12, "auto")
    assert shaped.how == ""
    assert (shaped.x0, shaped.y0, shaped.zoom, shaped.padded) == (0, 0, 1, 0)
    np.testing.assert_array_equal(shaped.image, image)


@pytest.mark.parametrize(("height", "width"), [(20, 21), (9, 30), (8, 8), (31, 9), (12, 40)])
def test_crop_and_pad_change_no_pixel(height, width):
    image = ramp(height, width)
    shaped = shape_image(image, 12, "crop")
    assert shaped.image.shape == (2, 12, 12)
    assert shaped.image.flags.c_contiguous
    assert shaped.how == ("cropped" if min(height, width) >= 12 else "padded")
    known = np.isfinite(shaped.image[0])
    y, x = np.nonzero(known)
    np.testing.assert_array_equal(shaped.image[0][known], x + shaped.x0)
    np.testing.assert_array_equal(shaped.image[1][known], y + shaped.y0)
    assert known.sum() == min(12, height) * min(12, width)
    assert shaped.padded == pytest.approx(1 - known.mean())
    assert abs(shaped.x0 + 5.5 - (width - 1) / 2) <= 0.5  # the centre stays the centre


def test_pictures_are_padded_with_black():
    shaped = shape_image(np.full((3, 8, 8), 9, dtype=np.uint8), 10, "crop")
    assert shaped.image.dtype == np.uint8
    assert shaped.image[0].sum() == 9 * 64


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(24, 90),
    width=st.integers(24, 90),
    side=st.integers(8, 100),
    ratio=st.floats(0.3, 3.0),
)
def test_resampled_pixels_are_where_they_say(height, width, side, ratio):
    """A ramp resampled is the same ramp at x0 + zoom * i, but for the edge."""
    image = ramp(height, width)
    if abs(ratio - 1) <= 0.01:
        ratio = 1.5
    shaped = shape_image(image, side, "resample", scale=1.0, target_scale=ratio, per_pixel=False)
    assert shaped.how == "resampled"
    assert shaped.zoom == pytest.approx(ratio)
    x = shaped.x0 + shaped.zoom * np.arange(side)
    inner = (x > 2 * max(1, ratio)) & (x < width - 1 - 2 * max(1, ratio))
    row = shaped.image[0][side // 2]
    assert np.abs(row[inner] - x[inner]).max(initial=0) < 0.1 * max(1, ratio)
    assert abs(shaped.x0 + shaped.zoom * (side - 1) / 2 - (width - 1) / 2) <= 0.51 * max(1, ratio)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 1.7])
def test_flux_is_conserved_and_surface_brightness_too(ratio):
    y, x = np.mgrid[:81, :81] - 40.0
    star = np.exp(-(x**2 + y**2) / (2 * 5.0**2)).astype(np.float32)[None]
    flux = shape_image(star, 200, "auto", scale=1.0, target_scale=ratio)
    assert np.nansum(flux.image) == pytest.approx(star.sum(), rel=0.01)
    bright = shape_image(star, 200, "auto", scale=1.0, target_scale=ratio, per_pixel=False)
    assert np.nansum(bright.image) * ratio**2 == pytest.approx(star.sum(), rel=0.01)
    assert np.nanmin(flux.image) >= 0  # no ring


def test_missing_pixels_stay_missing_and_do_not_spread():
    image = np.ones((1, 40, 40), dtype=np.float32)
    image[0, 10:20, 10:20] = np.nan
    image[0, 30, 30] = np.inf
    shaped = shape_image(image, 20, "resample", per_pixel=False)
    assert np.isnan(shaped.image[0, 6:9, 6:9]).all()
    finite = shaped.image[np.isfinite(shaped.image)]
    np.testing.assert_allclose(finite, 1, rtol=1e-6)
    assert 400 - 36 <= finite.size <= 400 - 16


def test_pictures_are_resampled_as_pillow_does():
    pixels = np.random.default_rng(0).integers(0, 255, (41, 24, 3), dtype=np.uint8)
    shaped = shape_image(np.moveaxis(pixels, -1, 0), 20, "auto")
    expected = Image.fromarray(pixels[8:32]).resize((20, 20), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(shaped.image, np.moveaxis(np.asarray(expected), -1, 0))
    assert shaped.image.flags.c_contiguous
    assert (shaped.x0, shaped.y0) == pytest.approx((0.1, 8.1))


@pytest.mark.parametrize(
    ("mixed", "scale", "words"),
    [
        ("reject", None, "is 30 x 20 pixels, and the survey has 12 x 12"),
        ("reject", 0.4, 'has pixels of 0.4", and the survey has 0.2"'),
        ("crop", 0.4, 'has pixels of 0.4", and the survey has 0.2"'),
        ("auto", 0.0001, "smaller than one pixel"),
    ],
)
def test_what_the_rule_turns_away(mixed, scale, words):
    with pytest.raises(Unfit, match=words):
        shape_image(ramp(20, 30), 12, mixed, scale=scale, target_scale=0.2)


def test_scales_that_agree_to_a_percent_are_the_same():
    image = ramp(12, 12)
    assert shape_image(image, 12, "reject", scale=0.2, target_scale=0.2015).how == ""
    assert shape_image(image, 12, "auto", scale=0.2, target_scale=0.21).how == "resampled"


@pytest.mark.parametrize("value", [3e38, 1e-44])
def test_extreme_values_warn_of_nothing(value):
    image = np.full((1, 30, 30), value, dtype=np.float32)
    shape_image(image, 12, "resample")
