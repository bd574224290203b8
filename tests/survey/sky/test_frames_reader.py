from __future__ import annotations

import csv
import os

import numpy as np
import pytest
from astropy.wcs import WCS

from core.errors import BadInput, NotReady
from core.survey.batch import CatalogueValue
from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from core.survey.sky.client import Unavailable
from core.survey.sky.frame_collections import SdssFrames, brick_name
from core.survey.sky.services import Entry
from tests.survey.readers.reading import read_all
from tests.survey.sky.server import FRAME_SHAPE, frame_centre, frame_pixels, tan_header

QUICK = {"per_second": "100", "timeout_s": "10", "retries": "0"}


def place(field, x, y):
    """Sky position of a pixel (from 0) of the served frame; just before its middle, so that
    no rounding decides on which pixel the cutout begins."""
    height, width = FRAME_SHAPE
    wcs = WCS(tan_header(*frame_centre(field), width, height, 0.396127))
    return wcs.all_pix2world(x - 0.25, y - 0.25, 0)


def catalogue(tmp_path, rows):
    path = tmp_path / "photo.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["objID", "ra", "dec", "run", "camcol", "field", "r"])
        writer.writerows(rows)
    return path


def mixed(n, fields=(3, 1, 2)):
    """Objects of several fields, no two neighbours of one."""
    for number in range(n):
        field = fields[number % len(fields)]
        ra, dec = place(field, 40 + 3 * number, 60 + number)
        yield [1237648720693755918 + number, float(ra), float(dec), 94, 1, field, 17.5]


def reader(archive, path, tmp_path, **more):
    given = {name: more.pop(name) for name in list(more) if name in ("size_px", "bands")}
    own = {
        "base_url": archive.url + "/frames",
        "cache": str(tmp_path / "cache"),
        **QUICK,
        **more,
    }
    options = ImportOptions(reader="frames", more=own, **{"size_px": 16, **given})
    return make_reader(path, options)


def test_each_frame_is_asked_for_once(archive, tmp_path):
    path = catalogue(tmp_path, mixed(12))
    made = reader(archive, path, tmp_path)
    assert not archive.asked
    found = read_all(made)
    assert not found.rejects
    # In the order of the frames, and within one of the table.
    wanted = sorted(range(12), key=lambda number: ((3, 1, 2)[number % 3], number))
    assert found.ids == [str(1237648720693755918 + number) for number in wanted]
    assert set(archive.counts.values()) == {1}
    assert sorted(archive.asked)[0] == "/frames/301/94/1/frame-g-000094-1-0001.fits.bz2"
    assert len(archive.asked) == 9
    assert archive.most_open <= 4
    assert any("order of the frames" in note for note in made.notes)
    for number, image, columns in zip(wanted, found.images, found.columns, strict=True):
        field = (3, 1, 2)[number % 3]
        x, y = 40 + 3 * number, 60 + number
        for at, band in enumerate("gri"):
            cut = frame_pixels(band, field)[y - 8 : y + 8, x - 8 : x + 8]
            np.testing.assert_array_equal(np.array(image)[at], cut)
        assert columns["frame"] == f"301-000094-1-{field:04d}"
        assert columns["r"] == 17.5
        assert columns["padded"] == 0
        assert columns["ra"] == pytest.approx(float(place(field, x, y)[0]))
    again = read_all(reader(archive, path, tmp_path))
    assert again.ids == found.ids
    assert len(archive.asked) == 9


def test_edges_are_padded_and_marked(archive, tmp_path):
    ra, dec = place(1, 2, 75)
    path = catalogue(tmp_path, [["a", float(ra), float(dec), 94, 1, 1, 1.0]])
    found = read_all(reader(archive, path, tmp_path, bands=("r",)))
    image = np.array(found.images[0])
    assert np.isnan(image[0, :, :6]).all()
    np.testing.assert_array_equal(image[0, :, 6:], frame_pixels("r", 1)[67:83, :10])
    assert found.columns[0]["padded"] == pytest.approx(6 / 16)


def test_what_cannot_be_cut_is_told(archive, tmp_path):
    rows = list(mixed(6))
    rows[1][3] = ""  # no run
    rows[2][4] = 9  # no such camcol
    ra, dec = place(3, 5000, 60)
    rows.append(["away", float(ra), float(dec), 94, 1, 3, 1.0])
    rows.append(["nowhere", 400.0, 0.0, 94, 1, 3, 1.0])
    rows.append(["gone", *map(float, place(5, 50, 50)), 94, 1, 5, 1.0])
    archive.always["frame-r-000094-1-0005"] = "404"
    found = read_all(reader(archive, catalogue(tmp_path, rows), tmp_path))
    assert len(found.ids) == 4
    reasons = {(member or source): why for (source, member), why in found.rejects.items()}
    assert "no usable run" in reasons["1237648720693755919"]
    assert "no usable camcol ('9')" in reasons["1237648720693755920"]
    assert "lies outside" in reasons["away"]
    assert "its frame 301-000094-1-0005 cannot be used: r has nothing there" in reasons["gone"]
    assert found.n_rejects == 5
    n = len(archive.asked)
    again = read_all(reader(archive, catalogue(tmp_path, rows), tmp_path))
    assert again.rejects == found.rejects
    # Neither what is there nor what is not is asked for again.
    assert len(archive.asked) == n


@pytest.mark.parametrize("trouble", ["cut", "cut silently", "html", "500"])
def test_frames_that_come_damaged_are_asked_for_again(archive, tmp_path, trouble):
    archive.plan["frame-g-000094-1-0002"] = [trouble]
    path = catalogue(tmp_path, mixed(3))
    found = read_all(reader(archive, path, tmp_path, bands=("g",), retries="1"))
    assert len(found.ids) == 3
    assert max(archive.counts.values()) == 2


def test_space_for_frames_is_kept_to(archive, tmp_path):
    path = catalogue(tmp_path, mixed(40, fields=tuple(range(1, 21))))
    made = reader(archive, path, tmp_path, bands=("g",), keep_gb="0.0003")
    found = read_all(made)
    assert len(found.ids) == 40
    assert set(archive.counts.values()) == {1}
    frames = [one for one in (tmp_path / "cache" / "frames").iterdir() if one.suffix == ".fits"]
    assert 0 < sum(one.stat().st_size for one in frames) <= 300_000


def test_a_crowded_frame_becomes_several_units_and_comes_once(archive, tmp_path):
    rows = list(mixed(600, fields=(1,)))
    for number, row in enumerate(rows):
        row[1], row[2] = map(float, place(1, 20 + number % 150, 20 + number // 6))
    made = reader(archive, catalogue(tmp_path, rows), tmp_path, bands=("r",), keep_gb="0")
    units = list(made.units())
    assert [unit.n_entries for unit in units] == [256, 256, 88]
    found = read_all(made)
    assert len(found.ids) == 600
    assert len(archive.asked) == 1


def test_units_hold_whole_frames(archive, tmp_path):
    path = catalogue(tmp_path, mixed(100, fields=tuple(range(50))))
    units = list(reader(archive, path, tmp_path).units())
    assert [unit.n_entries for unit in units] == [8] * 12 + [4]
    assert [unit.what[0] for unit in units] == list(range(0, 100, 8))


def test_the_order_is_made_once_and_anew_for_another_list(archive, tmp_path):
    path = catalogue(tmp_path, mixed(9))
    first = [unit.what for unit in reader(archive, path, tmp_path).units()]
    orders = tmp_path / "cache" / "orders"
    (one,) = orders.iterdir()
    before = one.stat().st_mtime_ns
    assert [unit.what for unit in reader(archive, path, tmp_path).units()] == first
    assert one.stat().st_mtime_ns == before
    one.write_bytes(one.read_bytes()[:5000])  # as after a full disk
    assert [unit.what for unit in reader(archive, path, tmp_path).units()] == first
    os.utime(path, ns=(1, 1))
    assert [unit.what for unit in reader(archive, path, tmp_path).units()] == first
    assert len(list(orders.iterdir())) == 2


def test_a_damaged_frame_in_the_cache_comes_again(archive, tmp_path):
    path = catalogue(tmp_path, mixed(3, fields=(1,)))
    found = read_all(reader(archive, path, tmp_path, bands=("g",)))
    frame = next((tmp_path / "cache" / "frames").glob("*.fits"))
    content = bytearray(frame.read_bytes())
    content[9000] ^= 255
    frame.write_bytes(content)
    again = read_all(reader(archive, path, tmp_path, bands=("g",)))
    np.testing.assert_array_equal(np.array(again.images), np.array(found.images))
    assert len(archive.asked) == 2


def test_a_service_that_is_down_stops_the_import(archive, tmp_path):
    archive.always["/"] = "503"
    path = catalogue(tmp_path, mixed(12, fields=tuple(range(12))))
    with pytest.raises(NotReady, match="run the same command again"):
        read_all(reader(archive, path, tmp_path, give_up_after="5"))
    assert len(archive.asked) < 12


def test_bricks_of_the_legacy_surveys(archive, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("name,ra,dec\na,0.126,-0.249\nb,0.375,0.001\nc,0.124,-0.251\n")
    made = reader(archive, path, tmp_path, collection="legacy")
    found = read_all(made)
    assert not found.rejects
    assert found.ids == ["a", "c", "b"]
    assert made.layout.bands == ("g", "r", "z")
    assert "/frames/000/0001m002/legacysurvey-0001m002-image-g.fits.fz" in archive.asked
    assert len(archive.asked) == 6
    assert np.isfinite(np.array(found.images)).all()


def test_brick_names():
    # From the survey's own pages and file names.
    assert brick_name(0.125, -0.25) == "0001m002"
    assert brick_name(359.99, 0.0) == "3598p000"
    assert brick_name(10.0, 89.99) == "1800p900"
    assert brick_name(10.0, -90.0) == "1800m900"
    for ra, dec in ((float("nan"), 0.0), (1.0, 91.0)):
        with pytest.raises(Unavailable):
            brick_name(ra, dec)
    rng = np.random.default_rng(0)
    for ra, dec in zip(rng.uniform(0, 360, 300), rng.uniform(-89, 89, 300), strict=True):
        name = brick_name(ra, dec)
        centre_ra, centre_dec = int(name[:4]) / 10, int(name[5:]) / 10
        centre_dec *= 1 if name[4] == "p" else -1
        # The numbers are cut off after the tenth.
        assert abs(abs(centre_dec) - abs(dec)) <= 0.125 + 0.1
        off = (ra - centre_ra + 180) % 360 - 180
        assert abs(off) * np.cos(np.radians(dec)) <= 0.125 + 0.1


def test_frames_are_told_by_whole_numbers():
    frames = SdssFrames()
    columns: dict[str, CatalogueValue] = {"RUN": 94.0, "camCol": "1", "field": 131, "rerun": None}
    entry = Entry("a", 1.0, 1.0, columns)
    assert frames.frame(entry) == "301-000094-1-0131"
    assert frames.url("301-000094-1-0131", "u") == (
        "https://data.sdss.org/sas/dr17/eboss/photoObj/frames/301/94/1/"
        "frame-u-000094-1-0131.fits.bz2"
    )
    for run in (None, 0, 1.5, float("nan"), "x"):
        with pytest.raises(Unavailable, match="run"):
            frames.frame(Entry("a", 1.0, 1.0, {**columns, "RUN": run}))
    with pytest.raises(Unavailable, match="run"):
        frames.frame(Entry("a", 1.0, 1.0, {"camcol": 1, "field": 1}))


@pytest.mark.parametrize(
    ("header", "more", "words"),
    [
        ("name,ra,dec", {}, "set collection to one of legacy, sdss"),
        ("name,ra,dec", {"collection": "x"}, "not 'x'"),
        ("name,ra,dec", {"collection": "sdss"}, "run, camcol, field"),
        ("name,ra,dec,brickname", {"keep_gb": "-1"}, "keep_gb"),
        ("name,ra,dec,brickname", {"keep_gb": "x"}, "keep_gb"),
        ("name,ra,dec,brickname", {"bands": ("u",)}, "bands g, r, i, z, Y"),
    ],
)
def test_settings_that_cannot_be(archive, tmp_path, header, more, words):
    path = tmp_path / "list.csv"
    path.write_text(header + "\n" + ",".join(["a", "1.0", "2.0", "x"][: header.count(",") + 1]))
    with pytest.raises(BadInput, match=words) as error:
        reader(archive, path, tmp_path, **more)
    assert str(error.value).count(". ") == 0


def test_packed_frames_are_kept_unpacked(archive, tmp_path):
    read_all(reader(archive, catalogue(tmp_path, mixed(3, (1,))), tmp_path, bands=("g",)))
    names = sorted(one.name for one in (tmp_path / "cache" / "frames").iterdir())
    assert len(names) == 2
    frame = tmp_path / "cache" / "frames" / names[0]
    assert frame.name.endswith("-frame-g-000094-1-0001.fits")
    assert frame.read_bytes().startswith(b"SIMPLE  =")
