"""Looks on images: what is seen, what is told apart, and that no image breaks one."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from PIL import Image

from core.display import (
    Look,
    look_levels,
    painted,
    render_look,
    render_png,
    residual_of,
    stretched_planes,
    to_rgb,
)
from core.errors import BadInput

RNG = np.random.default_rng(0)


def survey_of(n_bands: int, high: float = 100.0) -> SimpleNamespace:
    return SimpleNamespace(
        bands=tuple("ugriz"[:n_bands]),
        band_low=(0.0,) * n_bands,
        band_high=(high,) * n_bands,
        band_sigma=(1.0,) * n_bands,
    )


def blob(x: float, y: float, flux: float, side: int = 48, sigma: float = 1.5) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return flux * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return np.asarray(picture)


GALAXY = RNG.normal(0, 1, (3, 48, 48)).astype(np.float32) + np.float32(blob(24, 24, 80))
SURVEY = survey_of(3)

LOOKS = [
    Look(),
    Look(contrast=2.0, bias=0.3, invert=True),
    Look(smooth=1.5),
    Look(colour="lupton"),
    Look(colour="lupton", q=0.01, soft=1e-30),
    Look(colour="lupton", q=1000.0),
    *(Look(colour="channels", limits=one) for one in ("survey", "minmax", "zscale")),
    Look(colour="channels", stretch="histogram", limits="minmax"),
    *(Look(colour="band", stretch=one, limits="minmax") for one in ("log", "power", "sinh")),
    Look(colour="band", stretch="histogram", limits="zscale", map="viridis", invert=True),
    Look(colour="band", limits="percentile", percent=90.0, smooth=3.0),
    Look(colour="band", limits="fixed", low=-1e30, high=1e30),
    *(Look(residual=one) for one in ("unsharp", "symmetric", "sersic")),
    Look(residual="unsharp", limits="zscale", stretch="histogram", map="rdbu"),
    Look(colour="band", residual="sersic", limits="fixed", low=-5.0, high=2.0, smooth=1.0),
]


def bad_images() -> dict[str, np.ndarray]:
    noise = RNG.normal(0, 1, (3, 24, 24)).astype(np.float32)
    holed = noise.copy()
    holed[:, 5:9, 3:20] = np.nan
    infinite = noise.copy()
    infinite[0, 3, 3], infinite[1, 4, 4] = np.inf, -np.inf
    return {
        "NaN": np.full((3, 24, 24), np.nan, np.float32),
        "constant": np.full((3, 24, 24), 7, np.float32),
        "negative": noise - 1000,
        "holes": holed,
        "infinite": infinite,
        "all infinite": np.full((3, 24, 24), np.inf, np.float32),
        "largest": np.where(noise > 0, np.float32(3.4e38), np.float32(-3.4e38)),
        "one pixel": np.ones((3, 1, 1), np.float32),
        "one NaN pixel": np.full((1, 1, 1), np.nan, np.float32),
        "one column": noise[:, :, :1],
        "one band": noise[:1],
        "two bands": noise[:2],
        "five bands": np.concatenate([noise, noise[:2]]),
        "eight bits": RNG.integers(0, 256, (3, 24, 24), dtype=np.uint8),
        "eight bits, black": np.zeros((3, 24, 24), np.uint8),
        "eight bits, one band": RNG.integers(0, 256, (1, 24, 24), dtype=np.uint8),
    }


@pytest.mark.parametrize("size", [None, 64, 7])
@pytest.mark.parametrize(("name", "image"), bad_images().items(), ids=bad_images())
def test_every_look_shows_every_image(name, image, size):
    survey = survey_of(len(image))
    for look in LOOKS:
        picture = decoded(render_look(image, survey, look, size)[0])
        longer = max(image.shape[1:]) if size is None else size
        assert max(picture.shape[:2]) == longer, look
        assert picture.shape[2] == 3
        levels, _ = look_levels(image, survey, look)
        assert levels.shape == (1 if look.single else 3, *image.shape[1:])


@pytest.mark.parametrize("colour", ["survey", "lupton", "channels", "band"])
def test_large_pictures_are_shown_too(colour):
    image = RNG.normal(0, 1, (1, 2000, 2000)).astype(np.float32)
    look = Look(colour=colour, limits="zscale", contrast=2.0)
    assert decoded(render_look(image, survey_of(1), look, 512)[0]).shape == (512, 512, 3)


def test_the_default_look_is_pixel_for_pixel_what_it_was():
    for image in (GALAXY, RNG.integers(0, 256, (3, 48, 48), dtype=np.uint8)):
        assert render_look(image, SURVEY, Look(), 96) == (render_png(image, SURVEY, 96), "")
        limits = (SURVEY.band_low, SURVEY.band_high, SURVEY.band_sigma)
        planes = stretched_planes(image, SURVEY, Look()).values
        np.testing.assert_array_equal(painted(planes, Look()), to_rgb(image, *limits))


def test_a_faint_double_nucleus_is_not_lost_to_eight_bits():
    """Two nuclei at 1e-4 of the range, beside a star at its end: log with zscale tells them from
    the valley between them and from the sky; rounding to 8 bits first makes one level of it."""
    most = 1e6
    star = blob(40, 40, most, sigma=1.0)
    pair = blob(14, 12, 1e-4 * most) + blob(20, 12, 1e-4 * most)
    noise = np.random.default_rng(5).normal(0, 1e-5 * most, (48, 48))
    image = (star + pair + noise).astype(np.float32)[None]
    look = Look(colour="band", stretch="log", limits="zscale")

    def levels(pixels: np.ndarray) -> list[int]:
        """Grey of the two nuclei, the valley, and the median of the sky."""
        png, _ = render_look(pixels, survey_of(1, high=most), look)
        grey = decoded(png)[:, :, 0].astype(int)
        sky = int(np.median(grey[20:34, 4:34]))
        return [int(grey[12, 14]), int(grey[12, 20]), int(grey[12, 17]), sky]

    one, other, valley, sky = levels(image)
    assert min(one, other) > valley + 10 > sky + 20
    rounded = (np.rint(np.clip(image / most, 0, 1) * 255) / 255 * most).astype(np.float32)
    assert len(set(levels(rounded))) == 1


def test_float32_on_a_high_sky_keeps_its_steps():
    steps = (np.float32(1e6) + np.arange(64, dtype=np.float32).reshape(8, 8) / 16)[None]
    levels, _ = look_levels(
        steps, survey_of(1), Look(colour="band", stretch="linear", limits="minmax")
    )
    assert len(np.unique(levels)) == 64


def test_lupton_is_that_of_astropy():
    look = Look(colour="lupton", q=5.0, soft=12.0)
    theirs = make_lupton_rgb(*GALAXY[::-1].astype(float), stretch=12.0, Q=5.0, output_dtype=float)
    ours = stretched_planes(GALAXY, SURVEY, look).values
    np.testing.assert_allclose(np.moveaxis(ours, 0, -1), theirs, atol=1e-6)


def test_lupton_by_itself_makes_the_bright_limit_white_whatever_q():
    flat = np.full((3, 4, 4), 100, np.float32)
    for q in (0.1, 8.0, 30.0):
        planes = stretched_planes(flat, SURVEY, Look(colour="lupton", q=q)).values
        np.testing.assert_allclose(planes, 1.0, atol=0.01)


def test_channels_are_the_bands_that_were_named():
    image = np.stack([np.full((4, 4), value, np.float32) for value in (10, 40, 90)])
    look = Look(colour="channels", stretch="linear", red="u", green="r", blue="u")
    planes = stretched_planes(image, SURVEY, look).values
    np.testing.assert_allclose(planes[:, 0, 0], [0.1, 0.9, 0.1])
    plain = stretched_planes(image, SURVEY, Look(colour="channels", stretch="linear")).values
    np.testing.assert_allclose(plain[:, 0, 0], [0.9, 0.4, 0.1])


def test_a_band_is_the_one_named_or_the_middle_one():
    image = np.stack([np.full((4, 4), value, np.float32) for value in (10, 40, 90)])
    for band, value in ((None, 0.4), ("r", 0.9)):
        look = Look(colour="band", band=band, stretch="linear")
        np.testing.assert_allclose(stretched_planes(image, SURVEY, look).values, value)


def test_contrast_and_bias_are_those_of_ds9():
    values = np.linspace(0, 1, 256).reshape(1, 16, 16)
    seen = painted(values, Look(contrast=2.0, bias=0.25))[:, :, 0].ravel() / 255
    np.testing.assert_allclose(
        seen, np.clip((values.ravel() - 0.25) * 2 + 0.5, 0, 1), atol=0.5 / 255 + 1e-9
    )
    inverted = painted(values, Look(invert=True))[:, :, 0].astype(int)
    np.testing.assert_array_equal(inverted, 255 - painted(values, Look())[:, :, 0].astype(int))


def test_a_residual_is_grey_at_zero_and_signed():
    image = GALAXY.copy()
    image[:, 24, 30] += 60
    image[:, 24, 10] -= 60
    values = stretched_planes(image, SURVEY, Look(residual="unsharp")).values
    assert values.shape == (1, 48, 48)
    assert abs(np.median(values) - 0.5) < 0.02
    assert values[0, 24, 30] > 0.75
    assert values[0, 24, 10] < 0.25
    image[:, 0, 0] = np.nan
    assert stretched_planes(image, SURVEY, Look(residual="unsharp")).values[0, 0, 0] == 0.5


def test_a_residual_at_hand_is_not_computed_again():
    look = Look(residual="unsharp", limits="minmax")
    taken = residual_of(GALAXY, SURVEY, look)
    blank = np.zeros_like(GALAXY)
    np.testing.assert_array_equal(
        stretched_planes(blank, SURVEY, look, taken).values,
        stretched_planes(GALAXY, SURVEY, look).values,
    )


def test_a_fit_that_fails_is_told():
    noise = RNG.normal(0, 1, (3, 24, 24)).astype(np.float32)
    _, note = render_look(noise, SURVEY, Look(residual="sersic"), 64)
    assert "No Sersic profile could be fitted" in note


def test_enlarging_mixes_values_and_not_colours():
    """Between black and white of `b` lie its blue and red; mixed colours would be grey."""
    edge = np.zeros((1, 8, 8), np.float32)
    edge[:, :, 4:] = 100
    look = Look(colour="band", stretch="linear", map="b")
    row = decoded(render_look(edge, survey_of(1), look, 512)[0])[256].astype(int)
    assert (row.max(axis=1) - row.min(axis=1)).max() > 200


def test_an_image_of_other_bands_is_refused():
    with pytest.raises(BadInput, match="3 bands"):
        stretched_planes(GALAXY[:2], SURVEY, Look(colour="band"))
    with pytest.raises(BadInput, match="axes"):
        stretched_planes(GALAXY[0], SURVEY, Look(colour="band"))
    with pytest.raises(BadInput, match="no band 'y'"):
        stretched_planes(GALAXY, SURVEY, Look(colour="band", band="y"))
