from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import READERS, make_reader, mosaic
from core.survey.readers.mosaic import MosaicReader
from tests.survey.readers.mosaics import SHAPE, SIDE, catalogue, cutout2d, reader_of
from tests.survey.readers.reading import read_all
from tests.survey.skies import noise, save, tangent


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "mosaics"
    found.mkdir()
    return found


@pytest.fixture(autouse=True)
def no_cache_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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


def test_size_on_the_sky_and_its_guess(tmp_path):
    path = save(tmp_path / "m.fits", noise(SHAPE), tangent(SHAPE))
    table = catalogue(tmp_path, ["a,150,2,3"])
    assert reader_of(path, table).layout.cutout_size_px == 64
    reader = reader_of(path, table, size_arcsec="10", psf_fwhm="1.5")
    assert reader.layout.cutout_size_px == 40
    assert read_all(reader).columns[0]["psf_fwhm_arcsec"] == 1.5


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


def test_a_lone_image_with_a_catalogue_is_cut_up(tmp_path):
    shape = (300, 400)
    path = save(tmp_path / "field.fits", noise(shape), tangent(shape))
    with_one = ImportOptions(catalogue=catalogue(tmp_path, ["a,150,2,1"]))
    assert make_reader(path, ImportOptions()).name == "folder"
    assert make_reader(path, with_one).name == "mosaic"
    stamp = save(tmp_path / "stamp.fits", noise((64, 64)), tangent((64, 64)))
    assert make_reader(stamp, with_one).name == "folder"


def test_a_folder_with_a_long_catalogue_is_cut_up(folder, tmp_path):
    shape = (260, 260)
    for number in range(2):
        save(folder / f"{number}.fits", noise(shape), tangent(shape, dec=2 + number))
    rows = [f"{number},150,{2 + number % 2},1" for number in range(7)]

    def reader(lines, header="id,ra,dec,mag"):
        return make_reader(folder, ImportOptions(catalogue=catalogue(tmp_path, lines, header)))

    cut = reader(rows)
    assert cut.name == "mosaic"
    assert any("--reader folder keeps each as one object" in note for note in cut.notes)
    assert len(read_all(cut).ids) == 7
    assert reader(rows[:6]).name == "folder"
    assert reader(rows, "id,a,b,c").name == "folder"
    assert make_reader(folder, ImportOptions()).name == "folder"
    save(folder / "stamp.fits", noise((64, 64)), tangent((64, 64)))
    assert reader(rows * 9).name == "folder"
