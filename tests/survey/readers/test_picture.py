from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.survey.readers.decoding import decode
from core.survey.readers.fits_image import FitsImage
from core.survey.readers.picture import UnreadablePicture, picture_size, read_picture
from core.survey.readers.unreadable import Unreadable
from tests.survey.readers.damage import cut_short, damaged, nonsense


def coloured(side: int = 12, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(picture: Image.Image, kind: str, **more) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


MODES: dict[str, tuple[int | tuple[int, ...], tuple[int, int, int]]] = {
    "L": (90, (90, 90, 90)),
    "1": (1, (255, 255, 255)),
    "RGB": ((10, 20, 30), (10, 20, 30)),
    "RGBA": ((200, 100, 50, 51), (40, 20, 10)),  # a fifth, over black
    "LA": ((100, 128), (50, 50, 50)),
    "I;16": (0x1234, (0x12, 0x12, 0x12)),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes_of_png_become_rgb(tmp_path, mode):
    colour, expected = MODES[mode]
    path = tmp_path / "x.png"
    Image.new(mode, (9, 8), colour).save(path)
    found = read_picture(path)
    assert found.shape == (3, 8, 9)
    assert found.dtype == np.uint8
    assert np.abs(found[:, 4, 4].astype(int) - expected).max() <= 1


def test_palettes_cmyk_and_orientation(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (9, 8), (7, 80, 200)).quantize(4).save(path)
    assert tuple(read_picture(path)[:, 0, 0]) == (7, 80, 200)
    Image.new("RGB", (9, 8), (7, 80, 200)).quantize(4).save(path, transparency=0)
    assert tuple(read_picture(path)[:, 0, 0]) == (0, 0, 0)

    path = tmp_path / "x.jpg"
    Image.new("CMYK", (9, 8), (0, 255, 255, 0)).save(path, quality=100)
    found = read_picture(path)[:, 4, 4].astype(int)
    assert np.abs(found - (255, 0, 0)).max() < 6

    picture = Image.new("RGB", (16, 8))
    picture.paste((255, 255, 255), (0, 0, 8, 8))  # left half white
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: white goes up
    picture.save(path, exif=exif, quality=100)
    assert picture_size(path) == (8, 16)
    turned = read_picture(path)
    assert turned.shape == (3, 16, 8)
    assert turned[:, :6].min() > 250
    assert turned[:, 10:].max() < 5


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_paths_bytes_and_open_files_are_the_same(tmp_path, kind):
    picture = coloured()
    content = saved(picture, kind)
    path = tmp_path / "x.any"
    path.write_bytes(content)
    expected = np.moveaxis(np.asarray(picture), -1, 0)
    with open(path, "rb") as file:
        for form in (path, str(path), content, file):
            found = read_picture(form)
            np.testing.assert_array_equal(found, expected)
            assert found.flags.c_contiguous


@pytest.mark.parametrize("more", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}])
def test_tiff_pictures(more):
    picture = coloured(16)
    found = decode(saved(picture, "TIFF", **more))
    assert isinstance(found, np.ndarray)
    worst = np.abs(found.astype(int) - np.moveaxis(np.asarray(picture), -1, 0)).max()
    assert worst == 0 if more.get("compression") != "jpeg" else worst < 200


def tiff(pixels: np.ndarray, **more) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **more)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["u2", "i2", "f4", "f8", "u4"])
@pytest.mark.parametrize("shape", [(9, 12), (3, 9, 12)])
def test_deep_tiff_is_measured(kind, shape):
    pixels = np.random.default_rng(1).integers(0, 60_000, shape).astype(kind)
    found = decode(tiff(pixels, photometric="minisblack"))
    assert isinstance(found, FitsImage)
    np.testing.assert_array_equal(found.image, pixels.reshape((-1, 9, 12)).astype(np.float32))
    assert found.image.dtype == np.float32
    assert found.wcs == {}
    assert found.pixel_scale_arcsec is None


def test_tiff_that_unpacks_to_more_than_it_says():
    plain = tiff(np.zeros((40, 40), dtype=np.uint16), compression="zlib")
    assert isinstance(decode(plain), FitsImage)
    packed = zlib.compress(bytes(50 * 2**20))
    with tifffile.TiffFile(io.BytesIO(plain)) as file:
        tags = file.pages[0].tags
        places = {name: tags[name].valueoffset for name in ("StripOffsets", "StripByteCounts")}
    bomb = bytearray(plain + packed)
    struct.pack_into("<I", bomb, places["StripOffsets"], len(plain))
    struct.pack_into("<I", bomb, places["StripByteCounts"], len(packed))
    with pytest.raises(Unreadable, match="unpacks to more than its header says"):
        decode(bytes(bomb))


def test_what_tiff_cannot_be():
    with pytest.raises(Unreadable, match="compressed by LZMA"):
        decode(tiff(np.zeros((40, 40), dtype=np.uint16), compression="lzma"))
    with pytest.raises(Unreadable, match="too small"):
        decode(tiff(np.zeros((4, 9), dtype=np.float32)))
    whole = tiff(np.zeros((90, 90), dtype=np.float32))
    with pytest.raises(Unreadable, match="cannot be decoded"):
        decode(whole[: len(whole) // 2])


FLOATS = tiff(np.ones((2, 12, 12), dtype=np.float32), photometric="minisblack")
PACKED = tiff(np.ones((40, 40), dtype=np.uint16), compression="zlib")
COLOURS = saved(coloured(), "TIFF", compression="tiff_deflate")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), good=st.sampled_from([FLOATS, PACKED, COLOURS]))
def test_damaged_tiff_never_raises_anything_else(data, good):
    content = data.draw(st.one_of(damaged(good), cut_short(good), nonsense(b"II*\0")))
    message = ""
    try:
        found = decode(content)
        assert np.asarray(getattr(found, "image", found)).ndim == 3
    except Unreadable as error:
        message = str(error) or "x" * 300
    assert len(message) < 300
    assert "0x" not in message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data(), suffix=st.sampled_from([".jpg", ".png"]))
def test_damaged_bytes_never_raise_anything_else(tmp_path, data, suffix):
    path = tmp_path / f"x{suffix}"
    coloured().save(path)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    message = ""
    try:
        size = picture_size(path)
        assert read_picture(path).shape == (3, size[1], size[0])
    except UnreadablePicture as error:
        message = str(error) or "x" * 300
    assert len(message) < 300
    assert str(tmp_path) not in message


def test_a_grey_png_of_16_bits_keeps_every_digit(tmp_path, workspace):
    from core.survey import import_survey

    values = np.arange(30_000, 30_000 + 20 * 20, dtype=np.uint16).reshape(20, 20)
    (tmp_path / "deep").mkdir()
    for number in range(3):
        Image.fromarray(values + number).save(tmp_path / "deep" / f"{number}.png")
    survey = import_survey(workspace, tmp_path / "deep", "deep")
    assert survey.manifest.dtype == "float32"
    np.testing.assert_array_equal(survey.image(1)[0], (values + 1).astype(np.float32))
