from __future__ import annotations

import bz2
import gzip
import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.fits_image import FitsImage, Unreadable, read_fits
from core.survey.readers.whole_file import unpacked
from tests.survey.readers.damage import cut_short, damaged, nonsense

RNG = np.random.default_rng(5)


def as_bytes(*hdus: object) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def image_hdu(pixels: np.ndarray, **cards: object) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(cards)
    return hdu


def stamp(side: int = 16, **cards: Any) -> bytes:
    pixels = np.arange(side * side, dtype=np.float32).reshape(side, side)
    return as_bytes(image_hdu(pixels, **cards))


def reason(content: bytes, hdu: int | str | None = None) -> str:
    with pytest.raises(Unreadable) as error:
        read_fits(content, hdu)
    return str(error.value)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("shape", [(9, 12), (3, 9, 12), (1, 1, 9, 12)])
def test_every_kind_of_pixels(kind, shape):
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        pixels = RNG.normal(size=shape).astype(kind)
        pixels.flat[7] = np.nan
    else:
        edge = np.iinfo(dtype)
        pixels = RNG.integers(edge.min, edge.max, shape, dtype=dtype, endpoint=True)
        pixels.flat[:2] = edge.min, edge.max
    content = as_bytes(image_hdu(pixels))
    found = read_fits(content)
    expected = fits.getdata(io.BytesIO(content)).astype(np.float64).reshape((-1, 9, 12))
    np.testing.assert_array_equal(found.image, expected.astype(np.float32))
    assert found.image.dtype == np.dtype("=f4")
    assert found.image.flags.c_contiguous
    assert found.lost_digits == (dtype.itemsize > 4 or kind in ("i4", "u4"))


def test_whole_numbers_of_32_bits_that_fit_lose_nothing():
    assert not read_fits(
        as_bytes(image_hdu(np.arange(144, dtype="i4").reshape(12, 12)))
    ).lost_digits


def test_blank_scale_and_zero():
    pixels = np.arange(-72, 72, dtype=np.int16).reshape(12, 12)
    hdu = image_hdu(pixels)
    hdu.header["BLANK"] = -70
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.25, 1000.0
    content = as_bytes(hdu)
    expected = pixels * 0.25 + 1000.0
    expected[0, 2] = np.nan
    np.testing.assert_array_equal(read_fits(content).image[0], expected)
    assert "BLANK  " in content[:2880].decode()


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"])
def test_fpacked_whole_numbers(codec):
    pixels = RNG.integers(0, 5000, (40, 30)).astype(np.int16)
    packed = fits.CompImageHDU(pixels, compression_type=codec)
    packed.header["FILTER"] = "r"
    found = read_fits(as_bytes(fits.PrimaryHDU(), packed))
    np.testing.assert_array_equal(found.image[0], pixels)
    assert found.bands == ("r",)


def test_fpacked_numbers_with_blank_and_floats_with_nan():
    pixels = np.arange(144, dtype=np.int16).reshape(12, 12)
    packed = fits.CompImageHDU(pixels)
    packed.header["BLANK"] = 5
    found = read_fits(as_bytes(fits.PrimaryHDU(), packed)).image[0]
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 5]]

    pixels = RNG.normal(size=(2, 12, 12)).astype(np.float32)
    pixels[1, 3, 4] = np.nan
    packed = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)
    found = read_fits(as_bytes(fits.PrimaryHDU(), packed)).image
    np.testing.assert_array_equal(found, pixels)


def test_packed_files_and_paths(tmp_path):
    plain = stamp()
    expected = read_fits(plain).image
    for name, content in {
        "a.fits": plain,
        "a.fits.gz": gzip.compress(plain),
        "a.fits.bz2": bz2.compress(plain),
        "two.gz": gzip.compress(plain[:1000]) + gzip.compress(plain[1000:]),
    }.items():
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(read_fits(tmp_path / name).image, expected)
        np.testing.assert_array_equal(read_fits(content).image, expected)


def test_extensions_are_bands_and_masks_are_none():
    planes = RNG.normal(size=(3, 10, 11)).astype(np.float32)
    hdus: list[object] = [fits.PrimaryHDU()]
    for band, plane in zip("gri", planes, strict=True):
        hdus.append(fits.ImageHDU(plane, name=f"CCD-{band}"))
        hdus[-1].header["FILTER"] = f"{band} DECam SDSS c0001 4720.0 1520.0"  # type: ignore[attr-defined]
    hdus.append(fits.ImageHDU(planes[0], name="WHT"))
    hdus.append(fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]))
    content = as_bytes(*hdus)
    found = read_fits(content)
    np.testing.assert_array_equal(found.image, planes)
    assert found.bands == ("g", "r", "i")
    np.testing.assert_array_equal(read_fits(content, "ccd-r").image[0], planes[1])
    np.testing.assert_array_equal(read_fits(content, 4).image[0], planes[0])
    assert "has no HDU 'SCI'" in reason(content, "SCI")
    assert "no image in its HDU 5" in reason(content, 5)


def test_colours_last_as_picture_libraries_have_them():
    pixels = RNG.normal(size=(10, 12, 3)).astype(np.float32)
    found = read_fits(as_bytes(image_hdu(pixels))).image
    np.testing.assert_array_equal(found, np.moveaxis(pixels, -1, 0))


def test_header_cards_are_those_that_astropy_reads():
    long_text = "a long description that needs another card, with 'quotes' and more " * 2
    hierarchical: dict[str, Any] = {"HIERARCH ESO TEL AIRM": 1.125}
    content = stamp(
        OBJECT="M 31's core",
        EXPTIME=1.25e3,
        NCOMBINE=7,
        GOOD=True,
        EMPTY="",
        LONGTEXT=long_text,
        **hierarchical,
    )
    header = read_fits(content).header
    expected = fits.getheader(io.BytesIO(content))
    names = [name for name in expected if name not in ("COMMENT", "HISTORY", "")]
    assert "ESO TEL AIRM" in names
    for name in names:
        value = expected[name]
        assert header[name] == (value.rstrip() if isinstance(value, str) else value), name
    assert "OBJECTS" not in header
    assert set(header) == set(names)
    assert len(header) == len(names)


def test_cards_without_a_value():
    cards = {"A": " / nothing", "B": " 12x", "C": " 1.5D2 / double", "D": " 'open", "E": " (1,2)"}
    header = FitsHeader(cards)
    assert dict(header) == {"C": 150.0}
    assert header.number("A") is None
    assert "D" not in header


def set_card(content: bytes, name: str, value: str) -> bytes:
    place = content.index(name.ljust(8).encode() + b"= ")
    return content[:place] + f"{name:<8}= {value:>20}".ljust(80).encode() + content[place + 80 :]


TABLE = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.ones(100))])

DAMAGED = {
    "empty": (b"", "is not a FITS file"),
    "text": (b"hello" * 1000, "is not a FITS file"),
    "begun": (b"SIMPLE  =                    T", "is cut short"),
    "header alone": (stamp()[:2880], "is cut short, or its header lies"),
    "pixels cut": (stamp(64)[:9000], "is cut short, or its header lies"),
    "no END": (stamp()[:2880].replace(b"END ", b"    "), "no END card"),
    "no END but more": (
        stamp().replace(b"END ", b"    ") + b" " * 5_000_000,
        "without an END card",
    ),
    "lies of terabytes": (set_card(stamp(), "NAXIS1", "1000000000000"), "its header lies"),
    "negative axis": (set_card(stamp(), "NAXIS1", "-5"), "NAXIS1 is -5"),
    "axis in words": (set_card(stamp(), "NAXIS2", "'many'"), "NAXIS2 is 'many'"),
    "many axes": (set_card(stamp(), "NAXIS", "999"), "NAXIS is 999"),
    "scale that is none": (set_card(stamp(BSCALE=2.0), "BSCALE", "NaN"), "BSCALE is nan"),
    "zero that is none": (set_card(stamp(BZERO=2.0), "BZERO", "-Infinity"), "BZERO is -inf"),
    "wrong BITPIX": (set_card(stamp(), "BITPIX", "-31"), "BITPIX is -31"),
    "no data": (as_bytes(fits.PrimaryHDU()), "has no data"),
    "spectrum": (as_bytes(image_hdu(np.ones(500, dtype="f4"))), "it has 500 values"),
    "table": (as_bytes(fits.PrimaryHDU(), TABLE), "it holds tables"),
    "small": (as_bytes(image_hdu(np.ones((4, 5), dtype="f4"))), "at least 8 pixels a side"),
    "five axes": (as_bytes(image_hdu(np.ones((2, 2, 2, 9, 9), dtype="f4"))), "of 5 axes"),
    "other sizes": (
        as_bytes(image_hdu(np.ones((9, 9))), fits.ImageHDU(np.ones((10, 9)))),
        "images of several sizes (9 x 9, 9 x 10 pixels); name one (--set hdu=NAME)",
    ),
    "gzip cut": (gzip.compress(stamp())[:-30], "is cut short"),
    "bzip2 cut": (bz2.compress(stamp())[:-30], "is cut short"),
    "gzip of text": (gzip.compress(b"hello"), "is not a FITS file"),
    "gzip check": (gzip.compress(stamp())[:-8] + bytes(8), "cannot be unpacked"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_told_in_one_reason(kind):
    content, words = DAMAGED[kind]
    assert words in reason(content)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("n_parts", [1, 3])
def test_unpacking_stops_at_the_limit(pack, n_parts):
    content = pack(bytes(3 * 2**20 // n_parts)) * n_parts
    assert len(unpacked(content, most=3 * 2**20)) == 3 * 2**20
    with pytest.raises(Unreadable, match="unpacks to more than 2 MB"):
        unpacked(content, most=2 * 2**20)


@pytest.mark.parametrize("module", [gzip, bz2])
@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 3 * 2**20 + 7])
def test_unpacking_is_that_of_the_library(module, size):
    for plain in (RNG.bytes(size), bytes(size)):
        packed = module.compress(plain)
        assert unpacked(packed) == plain
        assert (
            unpacked(packed + module.compress(b"more") + module.compress(b"")) == plain + b"more"
        )
        for n_lost in (1, len(packed) // 2):
            with pytest.raises(Unreadable, match="cut short"):
                unpacked(packed[:-n_lost])


def test_unpacking_many_small_members_takes_no_time_for_each_that_follows():
    n_members = 100_000
    assert unpacked(gzip.compress(b"a") * n_members) == b"a" * n_members


def test_compressed_images_that_lie_of_their_size():
    packed = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(np.ones((16, 16), dtype=np.int16)))
    assert "too large" in reason(set_card(packed, "ZNAXIS1", "1000000000"))
    assert "a tile of 1000000000" in reason(set_card(packed, "ZTILE1", "1000000000"))
    assert "cannot be decompressed" in reason(set_card(packed, "ZNAXIS2", "17"))


def test_missing_padding_is_forgiven():
    content = stamp()
    np.testing.assert_array_equal(
        read_fits(content[: 2880 + 16 * 16 * 4]).image, read_fits(content).image
    )


def test_a_tile_that_would_bring_the_process_down():
    """The size inside an HCOMPRESS tile is what its decoder believes."""
    pixels = RNG.integers(0, 1000, (40, 30)).astype(np.int16)
    hdu = fits.CompImageHDU(pixels, compression_type="HCOMPRESS_1", tile_shape=(40, 30))
    content = as_bytes(fits.PrimaryHDU(), hdu)
    tile = content.index(b"\xdd\x99")
    large = content[: tile + 2] + struct.pack(">ii", 4000, 4000) + content[tile + 10 :]
    assert "cannot be decompressed" in reason(large)
    np.testing.assert_array_equal(read_fits(content).image[0], pixels)


GOOD = {
    "plain": stamp(12, OBJECT="x", CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=10.0, CD1_1=1e-4),
    "gzip": gzip.compress(stamp(12)),
    "fpack": as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(np.ones((20, 20), dtype=np.int16))),
    "extensions": as_bytes(
        fits.PrimaryHDU(), fits.ImageHDU(np.ones((8, 8))), fits.ImageHDU(np.ones((8, 8)))
    ),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(GOOD)))
def test_damaged_bytes_never_raise_anything_else(data, kind):
    good = GOOD[kind]
    content = data.draw(st.one_of(damaged(good), cut_short(good), nonsense(b"SIMPLE  =")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = ""
        try:
            found = read_fits(content)
            assert isinstance(found, FitsImage)
            assert found.image.ndim == 3
            assert found.image.dtype == np.float32
            assert set(map(type, found.wcs.values())) <= {float}
        except Unreadable as error:
            message = str(error) or "x" * 300
    assert len(message) < 300
