from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import BadInput
from core.survey import ImportOptions, import_survey, make_reader
from core.survey.readers import Reader
from core.workspace import open_workspace
from tests.survey.readers.damage import damaged
from tests.survey.readers.reading import Read, read_all

RNG = np.random.default_rng(11)
SCALE = 0.2


def sky_cards(side: int, ra: float = 150.0, dec: float = 2.0, scale: float = SCALE) -> dict:
    middle = (side + 1) / 2
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": middle,
        "CRPIX2": middle,
        "CD1_1": -scale / 3600,
        "CD2_2": scale / 3600,
    }


def write(path: Path, pixels: np.ndarray | int = 16, **cards: object) -> np.ndarray:
    """A FITS file of float32 noise of a side, or of the pixels given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(pixels, int):
        pixels = RNG.normal(size=(pixels, pixels)).astype(np.float32)
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(cards)
    hdu.writeto(path)
    return pixels


def reader(source: Path, **options) -> Reader:
    own = ("axis", "hdu", "header", "pattern", "lacking")
    more: dict[str, str] = {name: options.pop(name) for name in own if name in options}
    return make_reader(source, ImportOptions(more=more, **options))


def images(found: Read) -> list[np.ndarray]:
    assert all(image is not None for image in found.images)
    return [image for image in found.images if image is not None]


def test_a_folder_of_stamps(tmp_path):
    first = write(tmp_path / "b.fits", FILTER="r", OBJECT="M 31", **sky_cards(16))
    second = write(tmp_path / "sub" / "a.fit", FILTER="r", EXPTIME=30.5)
    third = write(tmp_path / "c.fits", FILTER="r", OBJECT="x")
    (tmp_path / "c.fits").rename(tmp_path / "no ending")
    (tmp_path / "d.fits.gz").write_bytes(gzip.compress((tmp_path / "b.fits").read_bytes()))
    fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(first, quantize_level=0, compression_type="GZIP_1")]
    ).writeto(tmp_path / "e.fits.fz")
    (tmp_path / "catalogue.csv").write_text("id\n1\n")
    made = reader(tmp_path, header="OBJECT, exptime")
    assert made.name == "folder"
    assert made.layout.bands == ("r",)  # that of e.fits.fz is not told
    assert made.layout.dtype == "float32"
    assert made.layout.cutout_size_px == 16
    assert made.layout.pixel_scale_arcsec == pytest.approx(SCALE)
    assert made.notes == ["Files that are no images and were left out: 1 (.csv 1)."]
    found = read_all(made)
    assert found.ids == ["b", "d", "e", "no ending", "a"]
    for image, pixels in zip(images(found), (first, first, first, third, second), strict=True):
        np.testing.assert_array_equal(image[0], pixels)
    columns = found.columns[0]
    assert columns["file_name"] == "b.fits"
    assert (columns["width_px"], columns["height_px"]) == (16, 16)
    assert (columns["ra"], columns["dec"]) == pytest.approx((150.0, 2.0))
    assert columns["wcs_crpix1"] == 8.5
    assert columns["OBJECT"] == "M 31"
    assert "EXPTIME" not in columns
    assert found.columns[4]["EXPTIME"] == 30.5
    assert "ra" not in found.columns[4]


def test_stamps_become_a_survey_with_astrometry(tmp_path):
    write(tmp_path / "in" / "a.fits", 20, FILTER="g", **sky_cards(20, 10.0, -30.0))
    write(tmp_path / "in" / "b.fits", 16, FILTER="g", **sky_cards(16, 359.9999, 89.0))
    write(tmp_path / "in" / "c.fits", 16, FILTER="g", **sky_cards(16, 0.0, 0.0))
    survey = import_survey(open_workspace(tmp_path / "ws"), tmp_path / "in", "mine")
    assert survey.manifest.bands == ("g",)
    assert survey.manifest.pixel_scale_arcsec == pytest.approx(SCALE)
    np.testing.assert_allclose(survey.catalogue["dec"], [-30, 89, 0], atol=1e-9)
    assert survey.catalogue["padded"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("side", "mixed"), [(12, "auto"), (31, "crop"), (12, "resample")])
def test_shaped_pixels_keep_their_place_on_the_sky(tmp_path, side, mixed):
    cards = sky_cards(20) | {"CRPIX1": 3.0, "CRPIX2": 25.5, "CD1_2": 1e-5, "CD2_1": 2e-5}
    write(tmp_path / "a.fits", 20, **cards)
    found = read_all(
        reader(
            tmp_path,
            size_px=side,
            mixed=mixed,
            pixel_scale_arcsec=(SCALE * 20 / 12 if mixed == "resample" else None),
        )
    )
    columns = found.columns[0]
    header = fits.Header()
    header.update(cards)
    new = fits.Header()
    new.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    for name, value in columns.items():
        if name.startswith("wcs_"):
            new[name[4:].upper()] = value
    middle = (side - 1) / 2
    ra, dec = map(float, WCS(new).all_pix2world(middle, middle, 0))
    assert (columns["ra"], columns["dec"]) == pytest.approx((ra, dec), abs=1e-9)
    old = WCS(header).all_pix2world(9.5, 9.5, 0)
    assert np.hypot(ra - old[0], dec - old[1]) * 3600 < (0.8 * SCALE if side == 31 else 0.2)
    assert columns["resampled"] is (mixed == "resample")
    assert (columns["padded"] != 0) is (side == 31)
    assert sum(found.tally.values()) == 1


def test_planes_of_stamps_are_bands(tmp_path):
    cubes = [
        write(tmp_path / f"{n}.fits", RNG.normal(size=(3, 9, 9)).astype("f4")) for n in range(3)
    ]
    write(tmp_path / "odd.fits", 9)
    made = reader(tmp_path)
    assert made.layout.bands == ("band1", "band2", "band3")
    found = read_all(made)
    np.testing.assert_array_equal(images(found)[1], cubes[1])
    assert found.rejects == {("odd.fits", ""): "has 1 bands, and most others have 3"}
    some = read_all(reader(tmp_path, bands=("band3", "band1")))
    np.testing.assert_array_equal(images(some)[1], cubes[1][[2, 0]])
    assert reader(tmp_path, bands=("g", "r", "i")).layout.bands == ("g", "r", "i")
    with pytest.raises(BadInput, match="The bands wished are z, but the images have 3"):
        reader(tmp_path, bands=("z",))


def test_extensions_in_another_order(tmp_path):
    for name, order in (("a", "rg"), ("b", "gr"), ("c", "gr")):
        hdus = [fits.PrimaryHDU()]
        for band in order:
            hdus.append(fits.ImageHDU(np.full((9, 9), ord(band), dtype="f4"), name=band))
        fits.HDUList(hdus).writeto(tmp_path / f"{name}.fits")
    made = reader(tmp_path)
    assert made.layout.bands == ("G", "R")
    for image in images(read_all(made)):
        assert image[:, 0, 0].tolist() == [ord("g"), ord("r")]
    assert reader(tmp_path, hdu="r").layout.bands == ("R",)
    one = read_all(reader(tmp_path, hdu="r"))
    assert {image[0, 0, 0] for image in images(one)} == {ord("r")}


def test_most_files_say_what_the_folder_is(tmp_path):
    for n in range(3):
        write(tmp_path / f"{n}.fits")
    Image.new("RGB", (16, 16)).save(tmp_path / "look.png")
    assert read_all(reader(tmp_path)).rejects == {
        ("look.png", ""): "is an 8-bit picture, and most others hold measured pixels"
    }
    for n in range(4):
        Image.new("RGB", (16, 16)).save(tmp_path / f"look{n}.png")
    found = read_all(reader(tmp_path))
    assert len(found.ids) == 5
    assert set(found.rejects.values()) == {
        "holds measured pixels, and most others are 8-bit pictures"
    }


def test_a_picture_under_another_name(tmp_path):
    Image.new("RGB", (16, 16), (1, 2, 3)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.fits")
    (tmp_path / "y").write_bytes((tmp_path / "x.fits").read_bytes())
    found = read_all(reader(tmp_path))
    assert found.ids == ["x", "y"]
    assert images(found)[1][:, 0, 0].tolist() == [1, 2, 3]


def test_filters_that_differ_are_told_in_a_column(tmp_path):
    for n, band in enumerate("gri"):
        write(tmp_path / f"{n}.fits", FILTER=band)
    made = reader(tmp_path)
    assert made.layout.bands == ("band1",)
    assert made.settings["filters"] == "g, r, i"
    assert [columns["filter"] for columns in read_all(made).columns] == ["g", "r", "i"]


def test_pixel_scales_that_differ(tmp_path):
    y, x = np.mgrid[:40, :40] - 19.5
    for n, scale in enumerate((0.2, 0.2, 0.2001, 0.4)):
        star = np.exp(-(x**2 + y**2) * (scale / 0.2) ** 2 / (2 * 4.0**2)).astype("f4")
        write(tmp_path / f"{n}.fits", star, **sky_cards(40, scale=scale))
    made = reader(tmp_path)
    assert made.layout.pixel_scale_arcsec == pytest.approx(0.2)
    assert made.settings["pixel_scales"] == "differ"
    found = read_all(made)
    assert [columns["resampled"] for columns in found.columns] == [False, False, False, True]
    # The same star: its profile is as wide as in the others, its flux is kept.
    wide, same = images(found)[3][0], images(found)[0][0]
    np.testing.assert_allclose(wide / wide.max(), same / same.max(), atol=0.03)
    crop = read_all(reader(tmp_path, mixed="crop"))
    assert crop.rejects == {("3.fits", ""): 'has pixels of 0.4", and the survey has 0.2"'}


def test_digits_lost_are_counted(tmp_path):
    write(tmp_path / "a.fits", RNG.normal(size=(9, 9)))
    write(tmp_path / "b.fits", np.arange(81, dtype=np.int32).reshape(9, 9))
    assert read_all(reader(tmp_path)).tally == {"Images of more digits than float32 keeps": 1}


BAD = {
    "cut.fits": "is cut short",
    "zero.fits": "zero bytes",
    "text.fits": "whatever its name says",
    "table.fits": "it holds tables",
    "small.fits": "at least 8 pixels",
    "pipe.fits": "not a plain file",
    "loop.fits": "symbolic links",
    "gone.fits": "is not there",
    "bad.fits.gz": "compressed data end too soon",
    "huge.fits": "its header lies",
}


def test_every_way_in_which_a_stamp_can_be_bad(tmp_path):
    folder = tmp_path / "in"
    for n in range(3):
        write(folder / f"{n}.fits")
    whole = (folder / "0.fits").read_bytes()
    (folder / "cut.fits").write_bytes(whole[:3000])
    (folder / "zero.fits").write_bytes(b"")
    (folder / "text.fits").write_text("SIMPLE things")
    column = fits.Column("x", "E", array=[1.0])
    fits.BinTableHDU.from_columns([column]).writeto(folder / "table.fits")
    write(folder / "small.fits", 4)
    os.mkfifo(folder / "pipe.fits")
    (folder / "loop.fits").symlink_to(folder / "loop.fits")
    (folder / "gone.fits").symlink_to(tmp_path / "nowhere.fits")
    (folder / "bad.fits.gz").write_bytes(gzip.compress(whole)[:-20])
    (folder / "huge.fits").write_bytes(
        whole.replace(b"NAXIS1  =                   16", b"NAXIS1  =        1600000000000")
    )
    (folder / "back").symlink_to(folder)
    found = read_all(reader(folder))
    assert found.ids == ["0", "1", "2"]
    assert {source for source, _member in found.rejects} == set(BAD)
    for (source, _member), reason in found.rejects.items():
        assert BAD[source] in reason, source


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    write(tmp_path / "a.fits")
    write(tmp_path / "b.fits")
    made = reader(tmp_path)
    real_read = os.read

    def read(handle, size):
        content = real_read(handle, size)
        if os.readlink(f"/proc/self/fd/{handle}").endswith("b.fits"):
            with open(tmp_path / "b.fits", "ab") as file:
                file.write(b" " * 2880)
        return content

    monkeypatch.setattr(os, "read", read)
    found = read_all(made)
    assert found.ids == ["a"]
    assert found.rejects == {("b.fits", ""): "changed while it was being read"}


def write_bands(folder: Path, form: str, n: int = 4, bands: str = "gri") -> dict:
    written = {}
    for number in range(n):
        for band in bands:
            path = folder / form.format(id=f"obj{number}", band=band)
            written[number, band] = write(path, FILTER=band, **sky_cards(16, 10.0 + number))
    return written


@pytest.mark.parametrize("form", ["{id}_{band}.fits", "{band}/{id}.fits"])
def test_files_of_one_object_are_joined(tmp_path, form):
    written = write_bands(tmp_path, form)
    made = reader(tmp_path)
    assert made.settings["pattern"] == form
    assert made.settings["pattern_guessed"] is True
    assert made.layout.bands == ("g", "r", "i")
    assert made.n_entries == 4
    found = read_all(made)
    assert found.ids == ["obj0", "obj1", "obj2", "obj3"]
    for band, plane in zip("gri", images(found)[2], strict=True):
        np.testing.assert_array_equal(plane, written[2, band])
    assert found.columns[3]["ra"] == pytest.approx(13.0)

    apart = reader(tmp_path, pattern="none")
    assert apart.n_entries == 12
    assert "pattern" not in apart.settings
    with pytest.raises(BadInput, match="the file names have g, r, i; name some"):
        reader(tmp_path, bands=("z",))
    two = read_all(reader(tmp_path, bands=("i", "g"), pattern=form))
    np.testing.assert_array_equal(images(two)[0][0], written[0, "i"])


def test_objects_that_lack_a_band(tmp_path):
    write_bands(tmp_path, "{id}_{band}.fits")
    (tmp_path / "obj1_r.fits").unlink()
    (tmp_path / "obj2_i.fits").write_bytes(b"SIMPLE  = broken")
    (tmp_path / "obj3_g.fits.gz").write_bytes(
        gzip.compress((tmp_path / "obj3_g.fits").read_bytes())
    )
    write(tmp_path / "field.fits")
    write(tmp_path / "obj0_y.fits")
    made = reader(tmp_path)
    assert made.notes == ["Files of other bands: 1 (y 1), left out."]
    found = read_all(made)
    assert found.ids == ["obj0"]
    reasons = {source: reason for (source, _member), reason in found.rejects.items()}
    assert reasons.keys() == {"field.fits", "obj1_g.fits", "obj2_i.fits", "obj3_g.fits"}
    assert reasons["obj1_g.fits"] == "lacks the band r"
    assert "is cut short" in reasons["obj2_i.fits"]
    assert reasons["obj3_g.fits"] == "has several files for the band g: obj3_g.fits.gz"
    assert "does not fit the pattern" in reasons["field.fits"]

    nan = read_all(reader(tmp_path, lacking="nan"))
    assert nan.ids == ["obj0", "obj1"]
    assert np.isnan(images(nan)[1]).all(axis=(1, 2)).tolist() == [False, True, False]
    assert nan.tally == {"Objects that lack a band": 1}


def test_bands_that_do_not_lie_on_each_other(tmp_path):
    write_bands(tmp_path, "{id}_{band}.fits", 3)
    (tmp_path / "obj1_r.fits").unlink()
    write(tmp_path / "obj1_r.fits", **sky_cards(16, 11.001))
    (tmp_path / "obj2_r.fits").unlink()
    write(tmp_path / "obj2_r.fits", 22, **sky_cards(22, 12.0))
    found = read_all(reader(tmp_path))
    assert found.ids == ["obj0", "obj2"]
    assert "18.0 pixels apart" in found.rejects[("obj1_g.fits", "")]

    flat = tmp_path / "flat"
    for band, side in (("g", 16), ("r", 18)):
        for n in range(3):
            write(flat / f"{n}_{band}.fits", side if n else 16)
    found = read_all(reader(flat))
    assert found.ids == ["0"]
    assert set(found.rejects.values()) == {
        "has bands of several sizes, and no coordinates to lay them by"
    }


def test_grey_pictures_of_bands(tmp_path):
    for n in range(2):
        for band, level in (("g", 10), ("r", 20)):
            Image.new("L", (9, 9), level + n).save(tmp_path / f"{n}_{band}.png")
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "2_g.png")
    Image.new("L", (9, 9), 3).save(tmp_path / "2_r.png")
    found = read_all(reader(tmp_path, pattern="{id}_{band}"))
    assert [image[:, 0, 0].tolist() for image in images(found)] == [[10, 20], [11, 21]]
    assert found.rejects == {("2_g.png", ""): "is a colour picture, where one band was expected"}


def test_grey_pictures_are_told(tmp_path):
    said = "Grey pictures are kept as three equal bands."
    for n in range(3):
        Image.new("L", (9, 9), n).save(tmp_path / f"{n}.png")
    assert said in reader(tmp_path).notes
    found = read_all(reader(tmp_path))
    assert [image[:, 0, 0].tolist() for image in images(found)] == [[n] * 3 for n in range(3)]
    assert said not in make_reader(tmp_path, ImportOptions(bands=("G",))).notes
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "3.png")
    assert said not in reader(tmp_path).notes


def test_a_lone_field_is_told_of_the_mosaic_reader(tmp_path):
    for side, is_told in ((512, True), (500, False)):
        write(tmp_path / f"{side}.fits", side, **sky_cards(side))
        notes = make_reader(tmp_path / f"{side}.fits", ImportOptions()).notes
        assert any("--reader mosaic" in note for note in notes) is is_told
    write(tmp_path / "bare.fits", 512)
    assert not make_reader(tmp_path / "bare.fits", ImportOptions()).notes
    assert not make_reader(tmp_path, ImportOptions()).notes


def test_previews_beside_stamps_are_left_out_of_a_pattern(tmp_path):
    write_bands(tmp_path, "{id}_{band}.fits")
    for n in range(9):
        Image.new("RGB", (9, 9)).save(tmp_path / f"obj{n}.jpg")
    made = reader(tmp_path)
    assert made.n_entries == 4
    assert made.notes == ["Files whose ending is not that of the pattern: 9, left out."]
    read_all(made)


def test_one_file_of_bands(tmp_path):
    pixels = write(tmp_path / "a.fits", RNG.normal(size=(5, 12, 12)).astype("f4"))
    made = reader(tmp_path / "a.fits")
    found = read_all(made)
    assert found.ids == ["a"]
    np.testing.assert_array_equal(images(found)[0], pixels)
    Image.new("RGB", (16, 16)).save(tmp_path / "b.png")
    assert read_all(reader(tmp_path / "b.png")).ids == ["b"]


@pytest.mark.parametrize("kind", ["plain", "gzip", "fpack", "int16"])
def test_one_cube_of_objects(tmp_path, kind):
    pixels = RNG.normal(size=(40, 12, 10)).astype("f4")
    path = tmp_path / "cube.fits"
    if kind == "int16":
        pixels = (pixels * 1000).round().astype(np.int16)
    if kind == "fpack":
        packed = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path)
    else:
        write(path, pixels, FILTER="r")
    if kind == "gzip":
        (tmp_path / "cube.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "cube.fits.gz"
    made = reader(path)
    assert made.settings["axis"] == "objects"
    assert made.n_entries == 40
    assert made.layout.cutout_size_px == 10
    found = read_all(made)
    assert found.ids[:2] == ["cube-000000", "cube-000001"]
    for image, plane in zip(images(found), pixels, strict=True):
        np.testing.assert_array_equal(image[0], plane[1:11])
    assert made.notes == [f"The objects are numbered in the order in which {path.name} has them."]


def test_a_cube_of_four_axes_and_one_by_wish(tmp_path):
    pixels = write(tmp_path / "four.fits", RNG.normal(size=(6, 3, 9, 9)).astype("f4"))
    made = reader(tmp_path / "four.fits", bands=("g", "r", "i"))
    found = read_all(made)
    assert made.layout.bands == ("g", "r", "i")
    np.testing.assert_array_equal(np.stack(images(found)), pixels)
    write(tmp_path / "three.fits", pixels[0])
    assert reader(tmp_path / "three.fits").n_entries == 1
    assert reader(tmp_path / "three.fits", axis="objects").n_entries == 3
    with pytest.raises(BadInput, match="at most 3 are read"):
        reader(tmp_path / "four.fits", axis="bands")


def test_a_cube_that_was_cut_short(tmp_path):
    pixels = write(tmp_path / "cube.fits", RNG.normal(size=(40, 30, 30)).astype("f4"))
    path = tmp_path / "cube.fits"
    path.write_bytes(path.read_bytes()[: 2880 + 10 * 3600 + 50])
    made = reader(path)
    assert made.n_entries == 11
    found = read_all(made)
    np.testing.assert_array_equal(np.stack(images(found))[:, 0], pixels[:10])
    assert list(found.rejects.values()) == ["is cut short (30 planes of its header are missing)"]


def test_one_file_of_many_extensions(tmp_path):
    planes = RNG.normal(size=(20, 9, 9)).astype("f4")
    named = [fits.PrimaryHDU(), *(fits.ImageHDU(p, name=f"J{n}") for n, p in enumerate(planes))]
    named[3].data = np.ones((4, 4), dtype="f4")
    fits.HDUList(named).writeto(tmp_path / "named.fits")
    made = reader(tmp_path / "named.fits")
    assert made.notes == ["HDUs that are not among the images and were left out: 1."]
    found = read_all(made)
    assert found.ids == [f"J{n}" for n in range(20) if n != 2]
    np.testing.assert_array_equal(images(found)[0][0], planes[0])

    plain = [fits.PrimaryHDU(), *(fits.ImageHDU(plane) for plane in planes)]
    fits.HDUList(plain).writeto(tmp_path / "plain.fits")
    whole = (tmp_path / "plain.fits").read_bytes()
    found = read_all(reader(tmp_path / "plain.fits"))
    assert found.ids[0] == "plain-000001"
    (tmp_path / "plain.fits").write_bytes(whole[:-2800])
    found = read_all(reader(tmp_path / "plain.fits"))
    assert found.rejects == {("plain.fits", "HDU 20"): "is cut short"}


def test_who_recognises_what(tmp_path):
    cls = type(reader_of_one(tmp_path))
    assert cls.recognises(tmp_path / "one") == 60
    assert cls.recognises(tmp_path / "one" / "a.fits") == 60
    spectra = tmp_path / "spectra"
    spectra.mkdir()
    column = fits.Column("flux", "E", array=np.ones(4000))
    for n in range(3):
        fits.BinTableHDU.from_columns([column]).writeto(spectra / f"{n}.fits")
    assert cls.recognises(spectra) == 5
    assert cls.recognises(spectra / "0.fits") == 0
    (tmp_path / "x.csv").write_text("a,b\n")
    assert cls.recognises(tmp_path / "x.csv") == 0
    assert cls.recognises(tmp_path / "nowhere") == 0
    os.mkfifo(tmp_path / "pipe")
    assert cls.recognises(tmp_path / "pipe") == 0
    (tmp_path / "z.fits.gz").write_bytes(gzip.compress((spectra / "0.fits").read_bytes()))
    assert cls.recognises(tmp_path / "z.fits.gz") == 0
    (tmp_path / "i.fits.gz").write_bytes(gzip.compress((tmp_path / "one" / "a.fits").read_bytes()))
    assert cls.recognises(tmp_path / "i.fits.gz") == 60


def reader_of_one(tmp_path: Path) -> Reader:
    write(tmp_path / "one" / "a.fits")
    return reader(tmp_path / "one")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": "sideways"}, "axis must be one of bands, objects"),
        ({"lacking": "zero"}, "lacking must be one of reject, nan"),
        ({"axis": "objects"}, "name the file"),
        ({"pattern": "{id}.fits"}, "once each"),
        ({"pattern": "{id}_{band}.fits"}, "No file fits the pattern"),
        ({"hdu": "SCI"}, "has no HDU 'SCI'"),
        ({"header": "A\nB"}, "A header card has a name"),
    ],
)
def test_settings_that_cannot_be(tmp_path, options, words):
    write(tmp_path / "one" / "a.fits")
    with pytest.raises(BadInput, match=words) as error:
        reader(tmp_path / "one", **options)
    assert str(error.value).count(". ") == 0


def test_names_do_not_travel_and_can_be_found_again(tmp_path):
    write_bands(tmp_path, "{id}_{band}.fits")
    made = reader(tmp_path)
    for n in range(500):
        (tmp_path / f"nothing-{n}.txt").touch()
    packed = pickle.dumps(made)
    assert b"obj0" not in packed
    assert list(pickle.loads(packed).units()) == list(made.units())


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_damaged_stamps_and_cubes_add_up(tmp_path, data):
    good = tmp_path / "good"
    if not good.exists():
        write(good / "stamp.fits", 9, FILTER="r", **sky_cards(9))
        write(tmp_path / "cube" / "cube.fits", np.ones((20, 9, 9), dtype="i2"))
    content = data.draw(damaged((good / "stamp.fits").read_bytes()))
    (good / "other.fits").write_bytes(content)
    assert "stamp" in read_all(reader(good, reader="folder")).ids
    cube = tmp_path / "cube.fits"
    cube.write_bytes(data.draw(damaged((tmp_path / "cube" / "cube.fits").read_bytes())))
    try:
        made = reader(cube, reader="folder")
    except BadInput as error:
        assert "cube.fits" in str(error)  # noqa: PT017
    else:
        read_all(made)
