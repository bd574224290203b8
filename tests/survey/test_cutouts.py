from __future__ import annotations

import bz2
import gzip
import os

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.survey.astrometry import WCS_COLUMNS
from core.survey.batch import Reject
from core.survey.cutouts import CHANGED, NO_DATA, Cut, Tile, cut_band, cut_many, cut_out
from core.survey.positions import Position
from core.survey.readers.unreadable import Unreadable
from tests.survey.skies import noise, save, tangent

SHAPE = (180, 240)


def edge_positions(wcs: WCS, n: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Positions on and around an image of SHAPE, half of them on whole and half pixels."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-12, SHAPE[1] + 12, n), rng.uniform(-12, SHAPE[0] + 12, n)
    x[::4], y[::4] = np.round(x[::4]) + 0.2, np.round(y[::4]) - 0.2
    return wcs.all_pix2world(x, y, 0)


def reference(image: np.ndarray, wcs: WCS, ra: float, dec: float, size: int):
    place = SkyCoord(ra, dec, unit="deg")
    return Cutout2D(image, place, size, wcs=wcs, mode="partial", fill_value=np.nan)


KINDS = ("plain", "turned", "sip", "pole", "over zero", "fk5", "galactic")


@pytest.mark.parametrize(
    ("kind", "ending"),
    [*((kind, "fits") for kind in KINDS), ("sip", "fits.gz"), ("plain", "fits.bz2")],
)
def test_as_cutout2d(tmp_path, kind, ending):
    where: dict[str, dict] = {
        "plain": {},
        "turned": {"turn_deg": 33.0},
        "sip": {"sip": True},
        "pole": {"dec": 89.995},
        "over zero": {"ra": 0.001},
        "fk5": {},
        "galactic": {},
    }
    wcs = tangent(SHAPE, **where[kind])
    if kind == "fk5":
        wcs.wcs.radesys, wcs.wcs.equinox = "FK5", 1975.0
    if kind == "galactic":
        wcs.wcs.ctype, wcs.wcs.radesys = ["GLON-TAN", "GLAT-TAN"], ""
    wcs.wcs.set()
    image = noise(SHAPE)
    path = save(tmp_path / "m.fits", image, wcs)
    wcs = WCS(fits.getheader(path))
    if ending != "fits":
        pack = gzip.compress if ending == "fits.gz" else bz2.compress
        (tmp_path / f"m.{ending}").write_bytes(pack(path.read_bytes()))
        path = tmp_path / f"m.{ending}"
    lon, lat = edge_positions(wcs)
    frame = {"fk5": "fk5", "galactic": "galactic"}.get(kind, "icrs")
    more = {"equinox": "J1975"} if kind == "fk5" else {}
    places = SkyCoord(lon, lat, unit="deg", frame=frame, **more).icrs
    ra, dec = places.ra.deg, places.dec.deg
    tile = Tile.open(path)
    for size in (9, 16):
        cut = Cut.empty(len(ra), size)
        cut_band(tile, ra, dec, cut)
        n_partial = 0
        for row in range(len(ra)):
            try:
                expected = reference(image, wcs, ra[row], dec[row], size)
            except NoOverlapError:
                assert cut.reasons[row] == "lies outside the mosaic"
                continue
            np.testing.assert_array_equal(cut.images[row], expected.data)
            assert cut.reasons[row] == ""
            inside = np.isfinite(expected.data).mean()
            assert cut.inside[row] == pytest.approx(inside)
            n_partial += 0 < inside < 1
        assert n_partial >= 3
    tile.close()


def test_columns_of_one_cutout_lead_back_to_the_sky(tmp_path):
    wcs = tangent(SHAPE, turn_deg=20.0, sip=True)
    tile = Tile.open(save(tmp_path / "m.fits", noise(SHAPE), wcs))
    ra, dec = wcs.all_pix2world(201.3, 33.8, 0)
    cut = cut_out(tile, float(ra), float(dec), 32)
    expected = reference(noise(SHAPE), wcs, float(ra), float(dec), 32)
    assert (cut.x0, cut.y0) == expected.origin_original
    assert cut.inside_fraction == 1.0
    assert tuple(cut.wcs) == WCS_COLUMNS
    local = WCS(naxis=2)
    local.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    values = list(cut.wcs.values())
    local.wcs.crval, local.wcs.crpix = values[:2], values[2:4]
    local.wcs.cd = np.array(values[4:]).reshape(2, 2)
    x, y = np.meshgrid(np.arange(32.0), np.arange(32.0))
    there = SkyCoord(*local.all_pix2world(x, y, 0), unit="deg")
    truth = SkyCoord(*expected.wcs.all_pix2world(x, y, 0), unit="deg")
    # The pixel is 0.25 arcsec; the polynomial bends it by a hundredth over half a cutout.
    assert there.separation(truth).arcsec.max() < 0.01
    with pytest.raises(Unreadable, match="outside"):
        cut_out(tile, float(ra), float(dec) + 1.0, 32)
    with pytest.raises(Unreadable, match="outside"):
        cut_out(tile, float("nan"), 2.0, 32)


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


def frames(tmp_path) -> dict:
    """Two frames of 0.25 arcsec, shifted against each other, and one of 0.5 arcsec."""
    made = {}
    for number, (band, shape, dec, scale) in enumerate(
        [("g", SHAPE, 2.0, 0.25), ("r", SHAPE, 2.0003, 0.25), ("z", (100, 140), 2.0, 0.5)]
    ):
        image = noise(shape, number) + np.float32(10)
        wcs = tangent(shape, dec=dec, scale_arcsec=scale)
        made[band] = save(tmp_path / f"frame-{band}.fits", image, wcs, SEEING=1.0 + number)
    return made


def test_frames_of_several_bands(tmp_path):
    paths = frames(tmp_path)
    places = [Position("a", 150.0, 2.0), Position("b", 150.003, 1.998, {"mag": 3.0})]
    places += [Position("far", 151.0, 2.0), Position("edge", 150.0, 2.0 + 89 * 0.25 / 3600)]
    found = list(cut_many(paths, iter(places), 20))
    assert isinstance(found[2], Reject)
    assert (found[2].source, found[2].reason) == ("far", "lies outside frame-g.fits")
    kept = [one for one in found if not isinstance(one, Reject)]
    assert [one[0].object_id for one in kept] == ["a", "b", "edge"]
    for position, image, columns in kept[:2]:
        assert image.shape == (3, 20, 20)
        for band, plane in zip(("g", "r"), image, strict=False):
            data, header = fits.getdata(paths[band], header=True)
            expected = reference(data, WCS(header), position.ra, position.dec, 20)
            np.testing.assert_array_equal(plane, expected.data)
        # A coarse pixel of 10 counts becomes four of 2.5.
        assert image[2].mean() == pytest.approx(2.5, abs=0.2)
        assert columns["padded"] == 0.0
        assert columns["psf_fwhm_arcsec_z"] == 3.0
        assert columns["ra"] == position.ra
    assert 0.3 < float(str(kept[2][2]["padded"])) < 0.6
    assert np.isnan(kept[2][1][0, -1]).all()


def test_frames_that_fail(tmp_path):
    paths = frames(tmp_path)
    empty = noise(SHAPE) * 0
    save(tmp_path / "zero.fits", empty, tangent(SHAPE))
    found = list(cut_many({"g": tmp_path / "zero.fits"}, [Position("a", 150.0, 2.0)], 16))
    assert found == [Reject("a", NO_DATA)]
    waiting = cut_many(paths, [Position(str(n), 150.0, 2.0) for n in range(65)], 16)
    assert not isinstance(next(waiting), Reject)
    rest = list(waiting)
    assert len(rest) == 64
    opened = cut_many(paths, (Position(str(n), 150.0, 2.0) for n in range(200)), 16)
    next(opened)
    save(paths["r"], noise((50, 50)), tangent((50, 50)))
    os.utime(paths["r"], ns=(1, 1))
    late = list(opened)[-1]
    assert isinstance(late, Reject)
    assert CHANGED in late.reason
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE")
    with pytest.raises(Unreadable, match=r"bad\.fits is cut short"):
        next(cut_many({"g": tmp_path / "bad.fits"}, [], 16))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data(), ending=st.sampled_from(["fits", "fits.fz", "fits.gz"]))
def test_damaged_bytes_never_raise_anything_else(tmp_path, data, ending):
    path = tmp_path / f"m.{ending}"
    save(path, noise((24, 20)), tangent((24, 20)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 3, len(content)))])
    message = "x"
    try:
        tile = Tile.open(path)
        cut = Cut.empty(3, 12)
        cut_band(tile, np.array([150.0, 150.0005, 40.0]), np.array([2.0, 2.0003, 9.0]), cut)
        assert all(len(reason) < 300 for reason in cut.reasons)
        tile.close()
    except Unreadable as error:
        message = str(error) or "x" * 300
    assert len(message) < 300
    assert str(tmp_path) not in message
