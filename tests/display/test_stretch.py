from __future__ import annotations

import numpy as np
import pytest
from astropy.visualization import LuptonAsinhStretch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.display import to_rgb
from core.errors import BadInput

LOW, HIGH, SIGMA = [5.0, 8.0, 12.0], [400.0, 700.0, 900.0], [1.0, 1.5, 2.0]


def galaxy(flux: float, colour=(1.0, 1.5, 2.0)) -> np.ndarray:
    """A Gaussian on sky with noise, bands g, r, i of `LOW`, `SIGMA`."""
    y, x = np.mgrid[:40, :40]
    shape = np.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 18)
    noise = np.random.default_rng(0).normal(size=(3, 40, 40)) * np.reshape(SIGMA, (3, 1, 1))
    sky = np.reshape(LOW, (3, 1, 1))
    return (flux * np.reshape(colour, (3, 1, 1)) * shape + sky + noise).astype(np.float32)


def test_colour_pictures_go_through_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (3, 9, 7), dtype=np.uint8)
    np.testing.assert_array_equal(
        to_rgb(image, [0] * 3, [255] * 3, [1] * 3), image.transpose(1, 2, 0)
    )


def test_sky_is_dark_and_object_bright():
    rgb = to_rgb(galaxy(100), LOW, HIGH, SIGMA)
    assert rgb.shape == (40, 40, 3)
    assert rgb.dtype == np.uint8
    sky = rgb[:8, :8]
    assert sky.mean() < 25
    assert sky.max() > 0
    assert rgb[20, 20].min() > 150
    faint = to_rgb(galaxy(8), LOW, HIGH, SIGMA)
    assert 40 < faint[18:23, 18:23].mean() < 160  # a few sky noises are seen already


def test_red_is_red_and_blue_is_blue():
    red = to_rgb(galaxy(30, (0.3, 1.0, 3.0)), LOW, HIGH, SIGMA)[20, 20].astype(int)
    blue = to_rgb(galaxy(30, (2.0, 1.2, 0.5)), LOW, HIGH, SIGMA)[20, 20].astype(int)
    assert red[0] > red[1] > red[2]
    assert blue[0] < blue[1] < blue[2]


def test_brighter_than_white_keeps_its_colour():
    rgb = to_rgb(galaxy(5000, (0.5, 1.0, 3.0)), LOW, HIGH, SIGMA)[20, 20].astype(int)
    assert rgb[0] == 255
    assert rgb[0] > rgb[1] > rgb[2] > 20


def test_grey_stretch_is_that_of_lupton():
    """One band, no clipping: asinh as astropy has it, up to the scale of black to white."""
    image = np.linspace(0, 100, 64, dtype=np.float32).reshape(1, 8, 8)
    grey = to_rgb(image, [0.0], [100.0], [1.0])[:, :, 0].astype(float) / 255
    # astropy: asinh(Q x / stretch) * f / asinh(f Q), with f = 0.1: our knee is stretch / Q.
    theirs = LuptonAsinhStretch(stretch=1.0, Q=0.5)(image[0].astype(float))
    np.testing.assert_allclose(grey, theirs / theirs.max(), atol=0.003)


def test_limits_and_not_the_picture_set_the_scale():
    image = galaxy(30)
    whole = to_rgb(image, LOW, HIGH, SIGMA)
    part = to_rgb(image[:, 5:15, 5:15], LOW, HIGH, SIGMA)
    np.testing.assert_array_equal(whole[5:15, 5:15], part)


def test_one_artefact_in_a_band_does_not_tint_the_survey():
    plain = to_rgb(galaxy(30), LOW, HIGH, SIGMA)
    struck = to_rgb(galaxy(30), LOW, [HIGH[0], HIGH[1] * 1000, HIGH[2]], SIGMA)
    assert np.abs(plain.astype(int) - struck).mean() < 20


@pytest.mark.parametrize("n_bands", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_any_number_of_bands(n_bands, dtype):
    image = np.full((n_bands, 6, 6), 3, dtype)
    image[-1] = 200  # the reddest
    rgb = to_rgb(image, [0.0] * n_bands, [255.0] * n_bands, [2.0] * n_bands).astype(int)
    assert rgb.shape == (6, 6, 3)
    if n_bands == 1:
        assert rgb[0, 0].min() == rgb[0, 0].max() > 100
    elif not (dtype == np.uint8 and n_bands == 3):  # those are R, G, B already
        assert rgb[0, 0, 0] > rgb[0, 0, 2]


@given(
    image=hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(width=32)),
    low=st.lists(st.floats(), min_size=3, max_size=3),
    high=st.lists(st.floats(), min_size=3, max_size=3),
    sigma=st.lists(st.floats(), min_size=3, max_size=3),
)
def test_every_float_can_be_shown(image, low, high, sigma):
    rgb = to_rgb(image, low, high, sigma)
    assert rgb.shape == (4, 5, 3)
    assert rgb.dtype == np.uint8


def test_nan_shows_as_sky_and_nothing_is_black():
    image = galaxy(30)
    image[:, :, :10] = np.nan
    rgb = to_rgb(image, LOW, HIGH, SIGMA)
    assert rgb[:, :10].max() == 0
    assert rgb[20, 20].min() > 50
    assert to_rgb(np.full((3, 8, 8), np.nan), LOW, HIGH, SIGMA).max() == 0
    constant = np.ones((3, 8, 8)) * np.reshape(LOW, (3, 1, 1))
    assert to_rgb(constant, LOW, LOW, [0.0] * 3).max() == 0


def test_what_is_no_image_is_refused():
    with pytest.raises(BadInput, match="axes"):
        to_rgb(np.zeros((8, 8)), LOW, HIGH, SIGMA)
    with pytest.raises(BadInput, match="axes"):
        to_rgb(np.zeros((3, 0, 8)), LOW, HIGH, SIGMA)
    with pytest.raises(BadInput, match="4 bands"):
        to_rgb(np.zeros((4, 8, 8)), LOW, HIGH, SIGMA)
