from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from core.errors import BadInput
from core.survey.readers.mosaic_positions import _distinct
from tests.survey.readers.mosaics import SHAPE, SIDE, reader_of
from tests.survey.readers.reading import read_all
from tests.survey.skies import add_stars, noise, save, tangent


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "mosaics"
    found.mkdir()
    return found


@pytest.fixture(autouse=True)
def no_cache_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def starry(folder: Path, n: int = 120, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping tiles of one sky; the positions and fluxes of its stars."""
    rng = np.random.default_rng(seed)
    west, east = tangent((420, 500)), tangent((420, 500), ra=150 + 300 * SIDE)
    x, y = rng.uniform(20, 780, n), rng.uniform(20, 400, n)
    flux = 10 ** rng.uniform(2.3, 4.0, n)
    sky = west.all_pix2world(x - 300, y, 0)
    for name, wcs in (("a", west), ("b", east)):
        image = noise((420, 500), seed + ord(name)) + np.float32(50)
        at_x, at_y = wcs.all_world2pix(*sky, 0)
        add_stars(image, at_x, at_y, flux)
        save(folder / f"{name}.fits", image, wcs, BUNIT="adu")
    return np.stack(sky, axis=1), flux


def test_sources_are_detected_once_where_there_is_no_catalogue(folder):
    sky, flux = starry(folder)
    reader = reader_of(folder, size_px=24, threshold="4")
    found = read_all(reader)
    assert found.n_rejects == 0
    there = SkyCoord(
        [float(str(c["ra"])) for c in found.columns],
        [float(str(c["dec"])) for c in found.columns],
        unit="deg",
    )
    truth = SkyCoord(sky, unit="deg")
    _, apart, _ = truth.match_to_catalog_sky(there)
    recovered = apart.arcsec < 0.25
    bright = flux > 500
    assert recovered[bright].mean() > 0.93  # what is lost lies on a brighter neighbour
    _, apart, _ = there.match_to_catalog_sky(truth)
    assert (apart.arcsec < 1.0).mean() > 0.97
    _, apart, _ = there.match_to_catalog_sky(there, nthneighbor=2)
    assert apart.arcsec.min() > 0.5  # none twice
    assert len(set(found.ids)) == len(found.ids)
    assert all(re.fullmatch(r"J(0959|1000)\d\d\.\d\d\+0[12]\d{4}\.\d", name) for name in found.ids)
    assert any("kept once" in note for note in reader.notes)
    # The flux of the pixels above the threshold is most of it.
    index, apart, _ = truth.match_to_catalog_sky(there)
    near = (apart.arcsec < 0.25) & (flux > 3000)
    measured = np.array([float(str(found.columns[i]["flux"])) for i in index[near]])
    assert np.median(measured / flux[near]) == pytest.approx(0.97, abs=0.05)
    columns = found.columns[0]
    assert {"peak", "sn", "a_px", "b_px", "ellipticity", "theta", "area_px", "blended"} <= set(
        columns
    )
    assert type(columns["blended"]) is bool
    assert type(columns["area_px"]) is int
    assert reader.layout.columns["flux"].unit == "adu"
    assert Counter(c["mosaic"] for c in found.columns).keys() == {"a.fits", "b.fits"}


def test_detection_is_kept_for_the_next_time(folder, tmp_path, monkeypatch):
    starry(folder, n=30)
    more: dict = {"size_px": 24, "cache": str(tmp_path / "kept")}
    first = read_all(reader_of(folder, **more))
    assert len(list((tmp_path / "kept").iterdir())) == 2

    def broken(*_args, **_more):
        raise AssertionError("it was asked for again")

    monkeypatch.setattr("core.survey.mosaics.detection.detect_tile", broken)
    assert read_all(reader_of(folder, **more)).columns == first.columns
    with pytest.raises(AssertionError):
        reader_of(folder, threshold="7", **more)
    monkeypatch.undo()
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(b"damaged")
    assert read_all(reader_of(folder, **more)).columns == first.columns


def test_detection_that_finds_nothing_or_is_set_wrongly(folder):
    save(folder / "a.fits", noise(SHAPE), tangent(SHAPE))
    with pytest.raises(BadInput, match="No source is brighter than 50 sigma"):
        reader_of(folder, threshold="50")
    for name, value in (
        ("threshold", "high"),
        ("npixels", "0"),
        ("box_px", "inf"),
        ("min_flux", "x"),
    ):
        with pytest.raises(BadInput, match=name):
            reader_of(folder, None, **{name: value})
    with pytest.raises(BadInput, match="detect_band must be one of band1"):
        reader_of(folder, detect_band="r")


def test_a_tile_that_detection_cannot_read_is_a_reject(folder):
    starry(folder, n=30)
    packed = gzip.compress((folder / "a.fits").read_bytes())
    (folder / "a.fits").unlink()
    (folder / "a.fits.gz").write_bytes(packed[: len(packed) // 2])
    found = read_all(reader_of(folder, size_px=16))
    assert len(found.ids) > 10
    reason = found.rejects[("a.fits.gz", "")]
    assert reason == "cannot be searched for sources: it is cut short"


def test_names_by_position_are_made_distinct():
    assert _distinct(["J1", "J2", "J1", "J1"]) == ["J1", "J2", "J1b", "J1c"]
    assert _distinct(["J1"] * 28)[-2:] == ["J1aa", "J1ab"]
