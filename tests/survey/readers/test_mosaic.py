from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.cutouts import CHANGED, NO_DATA
from core.survey.options import ImportOptions
from core.survey.readers import READERS, Unit, make_reader, mosaic
from core.survey.readers.mosaic import MosaicReader
from tests.survey.readers.reading import read_all
from tests.survey.skies import add_stars, noise, save, tangent

SHAPE = (300, 400)
SIDE = 0.25 / 3600


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "mosaics"
    found.mkdir()
    return found


@pytest.fixture(autouse=True)
def no_cache_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def catalogue(tmp_path: Path, lines: list[str], header: str = "id,ra,dec,mag") -> str:
    path = tmp_path / "catalogue.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def reader_of(source: Path, catalogue: str | None = None, **more) -> MosaicReader:
    own = {name: more.pop(name) for name in list(more) if name in MosaicReader.own_options}
    options = ImportOptions(reader="mosaic", catalogue=catalogue, more=own, **more)
    made = make_reader(source, options)
    assert isinstance(made, MosaicReader)
    return made


def cutout2d(path: Path, ra: float, dec: float, size: int, hdu: int = 0) -> np.ndarray:
    data, header = fits.getdata(path, hdu, header=True)
    place = SkyCoord(ra, dec, unit="deg")
    return Cutout2D(data, place, size, wcs=WCS(header), mode="partial", fill_value=np.nan).data


def test_one_mosaic_and_a_catalogue(tmp_path):
    path = save(
        tmp_path / "field.fits", noise(SHAPE), tangent(SHAPE), FILTER="r", SEEING=0.7, BUNIT="nJy"
    )
    corner = f"corner,{150 + 199 * SIDE / np.cos(np.radians(2))},{2 - 149 * SIDE},"
    table = catalogue(
        tmp_path,
        [
            "9,150.001,2.003,21.5",
            "1,150.002,1.999,20.5",
            "5,10:00:00.12,2.001,19",
            corner,
            "far,151,2,3",
            "lost,nan,2,3",
            "out,150,95,3",
        ],
    )
    reader = reader_of(path, table, size_px=24)
    found = read_all(reader)
    assert reader.layout.bands == ("r",)
    assert reader.layout.dtype == "float32"
    assert reader.layout.pixel_scale_arcsec == pytest.approx(0.25)
    assert reader.settings["BUNIT"] == {"r": "nJy"}
    # By rows of the mosaic, from below.
    assert found.ids == ["corner", "1", "5", "9"]
    for row, columns in enumerate(found.columns):
        image = found.images[row]
        assert image is not None
        ra, dec = float(str(columns["ra"])), float(str(columns["dec"]))
        np.testing.assert_array_equal(image[0], cutout2d(path, ra, dec, 24))
    assert found.columns[2]["ra"] == pytest.approx(150.0005)
    assert found.columns[3]["mag"] == 21.5
    assert found.columns[0]["mag"] is None
    assert found.columns[3]["psf_fwhm_arcsec"] == 0.7
    assert found.columns[3]["padded"] == 0.0
    assert 0.7 < float(str(found.columns[0]["padded"])) < 0.8
    assert found.columns[0]["zero_fraction"] == found.columns[0]["padded"]
    assert "mosaic" not in found.columns[0]
    assert found.rejects[("catalogue.csv", "far")] == "lies outside the mosaic"
    assert sorted(found.rejects.values()) == [
        "its declination 95 lies outside of -90 to 90 degrees",
        "its right ascension is missing",
        "lies outside the mosaic",
    ]


def test_overlapping_tiles(folder, tmp_path):
    west = tangent(SHAPE, ra=150.0)
    east = tangent(SHAPE, ra=150.0 + 250 * SIDE)
    save(folder / "a.fits", noise(SHAPE, 1), west)
    save(folder / "b.fits", noise(SHAPE, 2), east)
    middle = 150.0 + 125 * SIDE
    places = [
        ("in_a", 149.995),
        ("in_b", 150.03),
        ("near_a", middle - 0.001),
        ("near_b", middle + 0.001),
    ]
    lines = [f"{name},{ra},2.0,1" for name, ra in places]
    reader = reader_of(folder, catalogue(tmp_path, lines), size_px=16)
    found = read_all(reader)
    assert {name: c["mosaic"] for name, c in zip(found.ids, found.columns, strict=True)} == {
        "in_a": "a.fits",
        "near_a": "a.fits",
        "in_b": "b.fits",
        "near_b": "b.fits",
    }
    assert [c["mosaic"] for c in found.columns] == ["a.fits", "a.fits", "b.fits", "b.fits"]
    (words,) = found.tally
    assert "several mosaics" in words
    assert found.tally[words] == 2
    image = found.images[found.ids.index("near_b")]
    assert image is not None
    np.testing.assert_array_equal(image[0], cutout2d(folder / "b.fits", middle + 0.001, 2.0, 16))


@pytest.mark.parametrize("by", ["headers", "names", "pattern"])
def test_bands_on_grids_of_their_own(folder, tmp_path, by):
    grids = {"g": tangent(SHAPE, dec=2.0), "r": tangent(SHAPE, dec=2.004, turn_deg=10)}
    grids["z"] = tangent((150, 200), scale_arcsec=0.5)
    for seed, (band, wcs) in enumerate(grids.items()):
        shape = (150, 200) if band == "z" else SHAPE
        named = {
            "headers": f"{seed}.fits",
            "names": f"t1-{band}.fits",
            "pattern": f"{band}/q.fits",
        }
        cards = {"FILTER": f"{band} DECam 4720.0", "BUNIT": "adu"} if by == "headers" else {}
        save(folder / named[by], noise(shape, seed) + np.float32(8), wcs, **cards)
    more: dict = {"pattern": "{band}/{tile}.fits"} if by == "pattern" else {}
    # Far up: on r (which lies higher), outside of g.
    table = catalogue(tmp_path, ["in,150.002,2.003,1", f"up,150,{2 + 160 * SIDE},1"])
    reader = reader_of(folder, table, size_px=20, **more)
    assert reader.layout.bands == ("g", "r", "z")
    assert ("header" in reader.settings["bands_from"]) == (by == "headers")
    assert any("resampled" in note and note.endswith("z.") for note in reader.notes)
    found = read_all(reader)
    assert found.ids == ["in"]
    assert found.rejects == {("catalogue.csv", "up"): "lies outside the mosaics of the band g"}
    names = {"headers": "01", "names": ["t1-g", "t1-r"], "pattern": ["g/q", "r/q"]}[by]
    image = found.images[0]
    assert image is not None
    for plane, name in enumerate(names):
        expected = cutout2d(folder / f"{name}.fits", 150.002, 2.003, 20)
        np.testing.assert_array_equal(image[plane], expected)
    # Flux is kept: a coarse pixel of 8 becomes four of 2.
    assert image[2].mean() == pytest.approx(2.0, abs=0.1)
    assert np.isfinite(image).all()

    kept = read_all(reader_of(folder, table, size_px=20, lacking="nan", **more))
    assert sorted(kept.ids) == ["in", "up"]
    up = kept.images[kept.ids.index("up")]
    assert up is not None
    assert np.isnan(up[0]).all()
    assert np.isfinite(up[1]).any()
    assert kept.columns[kept.ids.index("up")]["padded"] == 1.0

    chosen = reader_of(folder, table, size_px=20, bands=("r", "g"), **more)
    assert chosen.layout.bands == ("r", "g")
    assert any("other bands" in note and note.endswith("1.") for note in chosen.notes)
    both = read_all(chosen).images[0]
    assert both is not None
    np.testing.assert_array_equal(both, image[[1, 0]])
    with pytest.raises(BadInput, match="g, r, z, but not y"):
        reader_of(folder, table, bands=("y", "g"), **more)


def test_other_pixel_scale_is_cropped_or_rejected_on_request(folder, tmp_path):
    save(folder / "t-g.fits", noise(SHAPE), tangent(SHAPE))
    save(folder / "t-z.fits", noise((150, 200), 1), tangent((150, 200), scale_arcsec=0.5))
    table = catalogue(tmp_path, ["a,150.002,2.003,1"])
    cropped = read_all(reader_of(folder, table, size_px=20, mixed="crop")).images[0]
    assert cropped is not None
    np.testing.assert_array_equal(cropped[1], cutout2d(folder / "t-z.fits", 150.002, 2.003, 20))
    found = read_all(reader_of(folder, table, size_px=20, mixed="reject"))
    assert not found.ids
    assert "pixels of 0.5" in found.rejects[("catalogue.csv", "a")]


def test_a_cube_and_a_file_of_chips(tmp_path):
    cube = noise((3 * SHAPE[0], SHAPE[1])).reshape(3, *SHAPE)
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(cube, tangent(SHAPE).to_header()).writeto(path)
    table = catalogue(tmp_path, ["a,150.002,2.003,1", "b,150.03,2.003,1"])
    reader = reader_of(path, table, size_px=16, bands=("u", "g", "r"))
    assert reader.layout.bands == ("u", "g", "r")
    image = read_all(reader).images[0]
    assert image is not None
    assert image.shape == (3, 16, 16)
    where = np.argwhere(cube == image[2, 0, 0])[0]
    np.testing.assert_array_equal(
        image, cube[:, where[1] : where[1] + 16, where[2] : where[2] + 16]
    )

    path = tmp_path / "chips.fits"
    chips = [
        fits.ImageHDU(noise(SHAPE, seed), tangent(SHAPE, ra=150 + 0.03 * seed).to_header())
        for seed in range(2)
    ]
    fits.HDUList([fits.PrimaryHDU(), *chips]).writeto(path)
    assert read_all(reader_of(path, table, size_px=16)).ids == ["a"]
    both = read_all(reader_of(path, table, size_px=16, hdu="all"))
    assert both.ids == ["a", "b"]
    assert read_all(reader_of(path, table, size_px=16, hdu="2")).ids == ["b"]


def test_what_is_no_mosaic_is_told_or_rejected(folder, tmp_path):
    whole = save(folder / "a.fits", noise(SHAPE), tangent(SHAPE)).read_bytes()
    save(folder / "nowcs.fits", noise(SHAPE), None)
    save(folder / "a_weight.fits", noise(SHAPE), tangent(SHAPE))
    save(folder / "spectral.fits", noise(SHAPE), None, CTYPE1="WAVE", CTYPE2="PIXEL")
    (folder / "text.fits").write_text("hello")
    (folder / "empty.fits").write_bytes(b"")
    (folder / "cut.fits").write_bytes(whole[:1000])
    (folder / "gone.fits").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.fits")
    (folder / "notes.txt").write_text("x")
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])]).writeto(folder / "t.fits")
    (folder / "cut_off.fits").write_bytes(whole[: -(150 * 400 * 4) - 2880])
    table = catalogue(folder, ["low,150,1.995,1", "high,150,2.008,1"])
    (folder / "a.fits").unlink()
    reader = reader_of(folder, table, size_px=16)
    found = read_all(reader)
    assert found.ids == ["low"]
    reasons = {source: reason for (source, member), reason in found.rejects.items() if not member}
    expected = {
        "nowcs.fits": "no celestial",
        "spectral.fits": "no celestial",
        "text.fits": "not a FITS file",
        "empty.fits": "empty",
        "cut.fits": "cut short",
        "gone.fits": "not there",
        "pipe.fits": "not a plain file",
    }
    assert reasons.keys() == expected.keys()
    for source, words in expected.items():
        assert words in reasons[source], source
    assert found.rejects[("catalogue.csv", "high")] == (
        "lies in the part of cut_off.fits that is cut off"
    )
    told = " ".join(reader.notes)
    for words in (
        "not FITS and were left out: 1.",
        "left out by their names: 1.",
        "image that were left out: 1.",
    ):
        assert words in told


NO_SURVEY: dict[str, str] = {
    "missing": "no file or folder",
    "empty folder": "holds none",
    "no wcs": "no celestial coordinates",
    "only broken": r"x\.fits is cut short",
    "catalogue without positions": "positions",
    "catalogue missing": "no file",
    "lacking": "nan or reject",
    "size": "allowed",
    "psf": "above 0",
    "band": "band",
    "no band in pattern": "put .band. into it",
    "unknown word in pattern": "holds .field.",
    "pattern fits nothing": "do not fit",
    "setting of detection": "threshold is a setting of detection",
}


@pytest.mark.parametrize("kind", NO_SURVEY)
def test_what_cannot_be_a_survey(folder, tmp_path, kind):
    save(folder / "a.fits", noise(SHAPE), tangent(SHAPE))
    source, table = folder, catalogue(tmp_path, ["a,150,2,3"])
    wrong: dict[str, dict] = {
        "lacking": {"lacking": "perhaps"},
        "size": {"size_arcsec": "0.5"},
        "psf": {"psf_fwhm": "wide"},
        "band": {"bands": ("g", "r")},
        "no band in pattern": {"pattern": "{tile}.fits"},
        "unknown word in pattern": {"pattern": "{field}_{band}.fits"},
        "pattern fits nothing": {"pattern": "{tile}_{band}.fits"},
        "setting of detection": {"threshold": "3"},
    }
    more = wrong.get(kind, {})
    if kind == "missing":
        source = tmp_path / "nowhere"
    if kind in ("empty folder", "only broken"):
        (folder / "a.fits").unlink()
    if kind == "only broken":
        (folder / "x.fits").write_bytes(b"SIMPLE  = T")
    if kind == "no wcs":
        source = save(tmp_path / "m.fits", noise(SHAPE), None)
    if kind == "catalogue without positions":
        table = catalogue(tmp_path, ["1,2"], "a,b")
    if kind == "catalogue missing":
        table = str(tmp_path / "nothing.csv")
    with pytest.raises(BadInput, match=NO_SURVEY[kind]) as error:
        reader_of(source, table, **more)
    assert str(error.value).count(". ") == 0  # one sentence


def test_size_on_the_sky_and_its_guess(tmp_path):
    path = save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE))
    table = catalogue(tmp_path, ["a,150,2,3"])
    assert reader_of(path, table).layout.cutout_size_px == 64
    reader = reader_of(path, table, size_arcsec="10", psf_fwhm="1.5")
    assert reader.layout.cutout_size_px == 40
    assert read_all(reader).columns[0]["psf_fwhm_arcsec"] == 1.5


def test_empty_areas(tmp_path):
    image = noise(SHAPE)
    image[:, :200] = 0
    image[:100, 100:] = np.nan
    path = save(tmp_path / "m.fits", image, tangent(SHAPE))
    wcs = tangent(SHAPE)
    lines = []
    for name, x, y in [
        ("zero", 60, 200),
        ("hole", 300, 50),
        ("half", 199.5, 200),
        ("good", 300, 200),
    ]:
        ra, dec = wcs.all_pix2world(x, y, 0)
        lines.append(f"{name},{ra},{dec},1")
    found = read_all(reader_of(path, catalogue(tmp_path, lines), size_px=16))
    share = {name: c["zero_fraction"] for name, c in zip(found.ids, found.columns, strict=True)}
    assert share == {"half": 0.5, "good": 0.0}
    assert set(found.rejects.values()) == {NO_DATA}
    assert found.n_rejects == 2


def test_files_that_change_while_they_are_read(folder, tmp_path):
    for name in ("a", "b", "c"):
        ra = {"a": 150.0, "b": 150.1, "c": 150.2}[name]
        save(folder / f"{name}.fits", noise(SHAPE), tangent(SHAPE, ra=ra))
    reader = reader_of(
        folder, catalogue(tmp_path, ["a,150,2,1", "b,150.1,2,1", "c,150.2,2,1"]), size_px=16
    )
    (unit,) = reader.units()
    save(folder / "a.fits", noise((100, 100)), tangent((100, 100)))
    (folder / "c.fits").unlink()
    (batch,) = reader.read(unit)
    assert batch.object_ids == ["b"]
    reasons = {reject.member: reject.reason for reject in batch.rejects}
    assert CHANGED in reasons["a"]
    assert "not there" in reasons["c"]


def test_columns_of_the_catalogue_keep_their_names(folder, tmp_path):
    for name, ra in (("a", 150.0), ("b", 150.1)):
        save(folder / f"{name}.fits", noise(SHAPE), tangent(SHAPE, ra=ra))
    table = catalogue(tmp_path, ["a,150,2,x,7.5"], "name,ra,dec,mosaic,wcs_crval1")
    reader = reader_of(folder, table, size_px=16)
    (columns,) = read_all(reader).columns
    assert columns["mosaic"] == "x"
    assert columns["mosaic_cutout"] == "a.fits"
    assert columns["wcs_crval1_"] == 7.5
    assert columns["wcs_crval1"] == pytest.approx(150.0, abs=1e-4)
    assert set(columns) <= set(reader.layout.columns)


def test_units_are_small_and_the_same_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr(mosaic, "_BLOCK", 500)
    path = save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE))
    rng = np.random.default_rng(3)
    lines = [
        f"{n},{150 + x},{2 + y},1"
        for n, (x, y) in enumerate(rng.uniform(-0.013, 0.013, (1200, 2)))
    ]
    table = catalogue(tmp_path, lines)
    first, second = reader_of(path, table, size_px=16), reader_of(path, table, size_px=16)
    units = list(first.units())
    assert units == list(second.units())
    assert len(units) > 4
    assert max(unit.n_entries for unit in units) <= first.layout.unit_entries
    assert len(read_all(first).ids) + read_all(first).n_rejects == 1200


def test_recognised_by_content(folder, tmp_path):
    large = (1030, 1100)
    path = save(folder / "a.fits", np.zeros(large, np.uint8), tangent(large))
    (folder / "a.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    (folder / "a_weight.fits").write_bytes(b"x")
    (folder / "list.txt").write_text("x")
    for source in (folder, path, folder / "a.fits.gz"):
        assert MosaicReader.recognises(source) == 70
        reader = make_reader(source, ImportOptions(catalogue=catalogue(tmp_path, ["a,150,2,1"])))
        assert reader.name == "mosaic"
    stamp = save(tmp_path / "stamp.fits", noise((64, 64)), tangent((64, 64)))
    assert MosaicReader.recognises(stamp) == 0
    assert MosaicReader.recognises(save(tmp_path / "b.fits", np.zeros(large, np.uint8), None)) == 0
    for other in (tmp_path / "nothing", tmp_path / "catalogue.csv"):
        assert MosaicReader.recognises(other) == 0
    (folder / "b.fits").write_bytes(stamp.read_bytes())
    assert MosaicReader.recognises(folder) == 0
    (folder / "b.fits").unlink()
    (folder / "b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    assert MosaicReader.recognises(folder) == 0
    assert READERS["mosaic"].takes_catalogue


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

    monkeypatch.setattr("core.survey.detection.detect_tile", broken)
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


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_damaged_mosaics_never_crash(folder, tmp_path, data):
    wcs = tangent((40, 50))
    path = save(folder / "a.fits", noise((40, 50)), wcs, FILTER="r")
    save(folder / "b.fits", noise((40, 50), 1), wcs, FILTER="r")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are where the harm is done.
        content[data.draw(st.integers(0, 2900))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(2000, len(content)))])
    table = catalogue(tmp_path, ["a,150,2,1", "b,150.0005,2.0005,1", "c,150,2.2,1"])
    try:
        reader = reader_of(folder, table, size_px=8)
    except BadInput:
        return
    found = read_all(reader)
    for reason in found.rejects.values():
        assert len(reason) < 300
        assert str(tmp_path) not in reason


def test_a_unit_of_rejects_alone(tmp_path):
    path = save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE))
    reader = reader_of(path, catalogue(tmp_path, ["far,10,2,3"]))
    (unit,) = reader.units()
    assert unit.n_entries == 1
    (batch,) = reader.read(Unit(0, 1, unit.what))
    assert not batch.object_ids
    assert batch.rejects[0].reason == "lies outside the mosaic"
