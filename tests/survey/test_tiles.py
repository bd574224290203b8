from __future__ import annotations

import errno
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from core.errors import StorageFull
from core.survey.mosaics.cutouts import Tile
from core.survey.readers.unreadable import Unreadable
from tests.survey.skies import noise, save, tangent

SHAPE = (180, 240)


def test_distortion_leads_nothing_far_away_onto_the_tile(tmp_path):
    tile = Tile.open(save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE, sip=True)))
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    x, y = tile.pixels(ra, dec)
    assert not (tile.edge_distance(x, y) >= 0).any()
    x, y = tile.pixels(np.array([330.0, 150.0]), np.array([-2.0, 2.0]))
    assert np.isnan(x[0])  # the other side of the sky, which a tangent plane also shows
    assert abs(x[1] - 119.5) < 1e-6


INTEGERS: dict[str, tuple[type, dict]] = {
    "scaled": (np.int16, {"BSCALE": 0.5, "BZERO": 100.0}),
    "unsigned": (np.uint16, {}),
    "blank": (np.int16, {"BLANK": 7}),
    "bytes": (np.uint8, {}),
    "wide": (np.int32, {}),
    "double": (np.float64, {}),
}


@pytest.mark.parametrize("kind", INTEGERS)
def test_every_kind_of_pixel(tmp_path, kind):
    dtype, cards = INTEGERS[kind]
    image = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 251
    image = image.astype(dtype)
    path = tmp_path / "m.fits"
    hdu = fits.PrimaryHDU(image, tangent(SHAPE).to_header())
    for name, value in cards.items():
        hdu.header[name] = value
    hdu.writeto(path)
    if kind == "scaled":  # astropy takes the cards for how to store, so they are put in after
        with fits.open(path, mode="update", do_not_scale_image_data=True) as file:
            file[0].header["BSCALE"], file[0].header["BZERO"] = 0.5, 100.0
    expected = fits.getdata(path).astype(np.float32)
    tile = Tile.open(path)
    found = tile.read(0, 0, 180, 0, 240)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(tile.read(0, 9, 30, 200, 210), expected[9:30, 200:210])
    assert np.isnan(found).any() == (kind == "blank")
    assert tile.loses_digits == (kind in ("wide", "double"))


def test_tile_compressed_by_section_and_unpacked(tmp_path):
    image = noise((300, 200))
    image[40:60, 50] = np.nan
    path = save(tmp_path / "m.fits.fz", image, tangent((300, 200)))
    expected = fits.getdata(path, 1)
    tile = Tile.open(path)
    assert (tile.extension.index, tile.height, tile.width) == (1, 300, 200)
    for y in range(0, 280, 8):  # after 300 rows it is unpacked as a whole
        found = tile.read(0, y, y + 20, 30, 90)
        np.testing.assert_array_equal(found, expected[y : y + 20, 30:90])
    assert np.isnan(expected).sum() == 20
    tile.close()
    np.testing.assert_array_equal(tile.read(0, 5, 9, 0, 7), expected[5:9, :7])


def test_which_image_of_a_file(tmp_path):
    science, weight = noise(SHAPE), noise(SHAPE, 1)
    header = tangent(SHAPE).to_header()
    cube = noise((3 * SHAPE[0], SHAPE[1]), 2).reshape(3, *SHAPE)
    fits.HDUList(
        [
            fits.PrimaryHDU(header=fits.Header({"FILTER": "F814W", "SEEING": 0.9})),
            fits.ImageHDU(np.ones((9, 9)), name="THUMB"),
            fits.ImageHDU(science, header, name="SCI"),
            fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])]),
            fits.ImageHDU(weight, header, name="WHT"),
            fits.ImageHDU(cube, header, name="CUBE"),
        ]
    ).writeto(tmp_path / "m.fits")
    first = Tile.open(tmp_path / "m.fits")
    assert first.extension.name == "SCI"
    assert first.card("FILTER") == "F814W"
    assert first.psf_fwhm_arcsec == 0.9
    np.testing.assert_array_equal(first.read(0, 0, 180, 0, 240), science)
    for hdu in ("wht", 4):
        tile = Tile.open(tmp_path / "m.fits", hdu)
        np.testing.assert_array_equal(tile.read(0, 1, 9, 2, 5), weight[1:9, 2:5])
    tile = Tile.open(tmp_path / "m.fits", "CUBE")
    assert tile.n_planes == 3
    np.testing.assert_array_equal(tile.read(2, 1, 9, 2, 5), cube[2, 1:9, 2:5])
    for hdu, reason in (("ERR", "no image HDU 'ERR'"), ("THUMB", "no celestial"), (3, "no image")):
        with pytest.raises(Unreadable, match=reason):
            Tile.open(tmp_path / "m.fits", hdu)


def test_width_of_the_point_spread_in_pixels_and_nonsense(tmp_path):
    def width(**cards) -> float | None:
        return Tile.open(
            save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE), **cards)
        ).psf_fwhm_arcsec

    assert width() is None
    assert width(SEEING=1.2) == 1.2
    assert width(FWHM=(4.0, "[pixel] mean of stars")) == pytest.approx(1.0)
    assert width(SEEING=-1.0) is None
    assert width(SEEING="good") is None


BROKEN = {
    "empty": "empty",
    "text": "not a FITS file",
    "no end": "header",
    "no pixels": "no image",
    "no wcs": "no celestial",
    "spectral": "no celestial",
    "nowhere": "lead nowhere|cannot be decoded",
    "missing": "not there",
    "folder": "not a plain file",
    "bitpix": "BITPIX 7",
    "negative": "-5",
    "vast": "no image",
    "cut gzip": "cut short",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_files_that_are_no_mosaic(tmp_path, kind):
    path = tmp_path / "m.fits"
    wcs = tangent(SHAPE)
    whole = save(path, noise(SHAPE), wcs).read_bytes()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"ra,dec\n1,2\n")
    elif kind == "no end":
        path.write_bytes(whole[:2880].replace(b"END" + b" " * 77, b" " * 80) + b" " * 2880)
    elif kind == "no pixels":
        fits.PrimaryHDU(header=wcs.to_header()).writeto(path, overwrite=True)
    elif kind == "no wcs":
        save(path, noise(SHAPE), None)
    elif kind == "spectral":
        save(path, noise(SHAPE), None, CTYPE1="WAVE", CUNIT1="nm", CTYPE2="PIXEL")
    elif kind == "nowhere":
        save(path, noise(SHAPE), wcs, CDELT1=0.0)
    elif kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "bitpix":
        path.write_bytes(
            whole.replace(b"BITPIX  =                  -32", b"BITPIX  =                    7")
        )
    elif kind == "negative":
        path.write_bytes(
            whole.replace(b"NAXIS1  =                  240", b"NAXIS1  =                   -5")
        )
    elif kind == "vast":
        path.write_bytes(
            whole.replace(b"NAXIS1  =                  240", b"NAXIS1  =         240000000000")
        )
    elif kind == "cut gzip":
        path.write_bytes(gzip.compress(whole)[:300])
    with pytest.raises(Unreadable, match=BROKEN[kind]) as error:
        Tile.open(path).read(0, 0, 9, 0, 9)
    assert str(tmp_path) not in str(error.value)
    assert len(str(error.value)) < 250


def test_closed_tiles_open_again(tmp_path):
    image = noise(SHAPE)
    whole = save(tmp_path / "m.fits", image, tangent(SHAPE)).read_bytes()
    (tmp_path / "m.fits.gz").write_bytes(gzip.compress(whole))
    for name in ("m.fits", "m.fits.gz"):
        tile = Tile.open(tmp_path / name)
        for _ in range(2):
            np.testing.assert_array_equal(tile.read(0, 3, 20, 4, 30), image[3:20, 4:30])
            tile.close()
    assert not tile.changed()


def test_no_room_to_unpack_stops_rather_than_rejects(tmp_path, monkeypatch):
    whole = save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE)).read_bytes()
    (tmp_path / "m.fits.gz").write_bytes(gzip.compress(whole))

    class Full(io.BytesIO):
        def write(self, _content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_more: Full())
    tile = Tile.open(tmp_path / "m.fits.gz")
    with pytest.raises(StorageFull, match="no room to unpack"):
        tile.read(0, 0, 9, 0, 9)


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
def test_what_is_left_of_a_file_that_is_cut_short(tmp_path, ending):
    image, wcs = noise(SHAPE), tangent(SHAPE)
    whole = save(tmp_path / "m.fits", image, wcs).read_bytes()
    start = len(whole) - -(-image.nbytes // 2880) * 2880
    path = tmp_path / f"cut.{ending}"
    part = whole[: start + 100 * 240 * 4 + 50]
    # Noise does not pack: half of the packed file is about half of the rows.
    packed = gzip.compress(whole)
    path.write_bytes(part if ending == "fits" else packed[: len(packed) // 2])
    tile = Tile.open(path)
    np.testing.assert_array_equal(tile.read(0, 0, 50, 0, 240), image[:50])
    with pytest.raises(Unreadable, match="cut short"):
        tile.read(0, 150, 170, 0, 9)
    if ending == "fits":
        assert tile.height_there == 100
        assert tile.edge_distance(np.array([120.0]), np.array([120.0]))[0] < 0
