from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.display import encode_png, render_png
from core.display.render import resized_planes
from core.errors import BadInput

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
LIMITS = SimpleNamespace(band_low=(0.0,) * 3, band_high=(50.0,) * 3, band_sigma=(1.0,) * 3)


def decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return np.asarray(picture)


def test_png_is_lossless():
    np.testing.assert_array_equal(decoded(encode_png(RGB)), RGB)
    np.testing.assert_array_equal(decoded(encode_png(RGB, 64)), RGB)


@pytest.mark.parametrize("size_px", [1, 63, 65, 128, 300])
def test_size(size_px):
    assert decoded(encode_png(RGB, size_px)).shape == (size_px, size_px, 3)
    wide = decoded(encode_png(RGB[:32], size_px))
    assert wide.shape == (max(1, round(size_px / 2)), size_px, 3)


def test_enlarging_is_smooth():
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 200
    row = decoded(encode_png(edge, 64))[32, :, 0].astype(int)
    assert np.diff(row).max() < 60  # nearest neighbours would jump by 200
    assert row[4] == 0
    assert row[-4] == 200


def test_render_goes_by_the_survey_limits():
    image = RNG.normal(0, 1, (3, 64, 64)).astype(np.float32)
    image[:, 32, 32] = 50
    picture = decoded(render_png(image, LIMITS))
    assert (picture[32, 32] == 255).all()
    assert picture.mean() < 40


def test_planes_are_sized_as_pictures_are():
    middling = RGB // 4 + 96  # Pillow cuts overshoots of 8-bit pictures twice, of floats once
    planes = np.moveaxis(middling, -1, 0) / 255.0
    for size_px in (30, 150):
        ours = np.moveaxis(resized_planes(planes, size_px), 0, -1) * 255
        theirs = decoded(encode_png(middling, size_px)).astype(float)
        np.testing.assert_allclose(ours, theirs, atol=1.5)
    with pytest.raises(BadInput, match="1 to 2048"):
        resized_planes(planes, 0)


@pytest.mark.parametrize("size_px", [0, -5, 2049])
def test_sizes_are_bounded(size_px):
    with pytest.raises(BadInput, match="1 to 2048"):
        encode_png(RGB, size_px)


@pytest.mark.parametrize(
    "array", [RGB[..., 0], RGB.astype(float), RGB[:0], np.zeros((3, 8, 8), np.uint8)]
)
def test_what_is_no_picture_is_refused(array):
    with pytest.raises(BadInput, match="A picture is"):
        encode_png(array)
