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
from core.survey.mosaics.cutouts import CHANGED, NO_DATA, Cut, Tile, cut_band, cut_many, cut_out
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
