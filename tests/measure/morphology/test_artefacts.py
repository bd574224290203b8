"""Artefacts are found where they were put, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput
from core.measure.morphology import ARTEFACT_NUMBERS, FLAGS, measure_artefacts
from tests.measure.morphology.simulated import galaxies, grid, sersic

SIDE = 64


@pytest.fixture
def clean() -> np.ndarray:
    """Twelve galaxies in two bands, (12, 2, 64, 64)."""
    one = galaxies(12, SIDE, seed=3, sizes=(1.2, 3.0))
    return np.concatenate([one, one + 5], axis=1)


def raised(images: np.ndarray) -> list[set[str]]:
    """Names of the flags of each picture."""
    names = np.array([one.name for one in FLAGS])
    return [set(names[up].tolist()) for up in measure_artefacts(images).flags]


def test_good_pictures_have_no_flag(clean):
    assert raised(clean) == [set()] * len(clean)
    eight = np.clip(clean * 3 + 30, 0, 254).astype(np.uint8)
    assert raised(eight) == [set()] * len(clean)
    rng = np.random.default_rng(0)
    assert raised(rng.normal(0, 1, (50, 1, SIDE, SIDE))) == [set()] * 50


def test_large_galaxies_and_edge_on_ones_are_no_trails():
    rng = np.random.default_rng(0)
    pictures = [
        sersic(SIDE, re, 1, ellipticity=e, theta=theta, y=y) + rng.normal(0, 1, (SIDE, SIDE))
        for re, e in ((14, 0.1), (10, 0.6), (7, 0.7))
        for theta in (0.0, 0.4, 1.3)
        for y in (0.0, 18.0)
    ]
    assert not measure_artefacts(np.array(pictures)[:, None]).flag("trail").any()


@pytest.mark.parametrize("sky", [0.0, 40.0])
def test_a_trail_at_any_angle_and_place_is_found(clean, sky):
    y, x = grid(SIDE)
    found = []
    for step in range(16):
        angle, offset = np.pi * step / 16 + 0.05, 2.3 * (step % 5 - 2)
        away = x * np.sin(angle) - y * np.cos(angle) - offset
        picture = clean[step % 12] + sky + 5 * np.exp(-0.5 * away**2)
        found.append(raised(picture[None])[0])
    assert all("trail" in flags for flags in found)


@pytest.mark.parametrize("turned", range(4))
def test_a_step_of_the_level_is_an_edge(clean, turned):
    stepped = clean.copy()
    stepped[:, :, :14] += 4
    images = np.rot90(stepped, turned, (2, 3))
    assert measure_artefacts(images).flag("edge").all()


@pytest.mark.parametrize("value", [0.0, np.nan, -32768.0])
@pytest.mark.parametrize("turned", [0, 1])
def test_dead_lines_are_counted(clean, value, turned):
    images = clean.copy()
    images[:, 0, 3] = value
    images[:, 0, 40:42] = value
    found = measure_artefacts(np.rot90(images, turned, (2, 3)))
    assert found.number("dead_lines").tolist() == [3] * len(clean)
    assert found.flag("dead_line").all()


def test_black_sky_is_no_dead_line(clean):
    dark = np.clip(clean * 2 - 12, 0, 254).astype(np.uint8)
    assert (dark == 0).mean() > 0.5
    dark[:, :, :6] = 0
    assert not measure_artefacts(dark).flag("dead_line").any()
    half = np.clip(clean * 2 - 1, 0, 254).astype(np.uint8)
    assert (half[:, 0] == 0).mean() > 0.5
    assert not measure_artefacts(half).flag("zero").any()


def test_numbers_are_shares_of_native_pixels(clean):
    images = clean.copy()
    images[0, 1].flat[:410] = 0
    images[1, 0].flat[:1000] = np.nan
    images[2, 0, 30:36, 30:36] = 900.0
    found = measure_artefacts(images)
    n = SIDE**2
    assert found.number("zero_share")[0] == pytest.approx(410 / n)
    assert found.flag("zero")[0]
    assert found.number("missing_share")[1] == pytest.approx(1000 / n / 2)
    assert not found.flag("missing")[1]
    assert found.number("top_share")[2] == pytest.approx(36 / n)
    assert found.top[2, 0] == 900
    assert found.flag("saturated").tolist() == [False, False, True, *[False] * 9]
    images[1] = np.nan
    images[1, :, 20:50, :] = clean[1, :, 20:50, :]
    assert {"missing"} <= raised(images)[1]


def test_white_cores_of_eight_bit_pictures_are_no_saturation_unless_large(clean):
    eight = np.clip(clean * 3 + 30, 0, 254).astype(np.uint8)
    eight[0, 0, 30:36, 30:36] = 255
    eight[1, 0, 20:40, 20:40] = 255
    assert measure_artefacts(eight).flag("saturated").tolist()[:2] == [False, True]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pictures_of_one_value(dtype):
    images = np.random.default_rng(0).integers(1, 99, (4, 2, 20, 20)).astype(dtype)
    images[0] = 0
    images[1] = 7
    images[2, 1] = 3
    assert raised(images) == [{"empty"}, {"constant"}, {"flat_band"}, set()]


def test_no_value_at_all_is_empty_and_missing():
    images = np.full((1, 2, 20, 20), np.nan)
    assert raised(images) == [{"empty", "missing"}]
    assert not np.isfinite(measure_artefacts(images).top).any()


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (3, 1, 1, 1), (3, 5, 4, 4), (3, 1, 15, 40)])
def test_any_shape_is_looked_at(shape):
    images = np.random.default_rng(0).normal(size=shape)
    found = measure_artefacts(images)
    assert found.values.shape == (shape[0], len(ARTEFACT_NUMBERS))
    assert found.flags.shape == (shape[0], len(FLAGS))


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(BadInput, match=r"\(object, band, y, x\)"):
        measure_artefacts(np.zeros((8, 8)))
