from __future__ import annotations

import csv
import io
import json
import pickle
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import BadInput, Cancelled, NotReady
from core.survey.job import import_survey
from core.survey.options import ImportOptions
from core.survey.readers import READERS, make_reader
from core.survey.sky.client import Client
from core.survey.sky.fetching import fetched
from core.survey.sky.services import SERVICES, Entry, make_service
from core.workspace import open_workspace
from tests.survey.readers.reading import read_all
from tests.survey.sky.server import (
    LOGLAM,
    cutout_fits,
    measured,
    picture,
    spec_file,
    spectrum_flux,
)

QUICK = {"per_second": "100", "timeout_s": "2", "retries": "0"}

ENDS = {"sdss": "/getjpeg", "legacy": "/cutout", "hips": "/hips2fits", "sdss-spectra": "/redux"}


def positions(tmp_path, n=20, **columns):
    path = tmp_path / "list.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "ra", "dec", *columns])
        for number in range(n):
            row = [f"obj{number:03d}", 10 + number / 10, -1.5]
            writer.writerow([*row, *(values[number] for values in columns.values())])
    return path


def reader(archive, path, tmp_path, service="sdss", **more):
    given = {name: more.pop(name) for name in list(more) if name in ("size_px", "bands")}
    ends = {
        "sdss": "/getjpeg",
        "legacy": "/cutout",
        "hips": "/hips2fits",
        "sdss-spectra": "/redux",
    }
    own = {
        "service": service,
        "base_url": archive.url + ends[service],
        "cache": str(tmp_path / "cache"),
        **QUICK,
        **more,
    }
    return make_reader(path, ImportOptions(reader="sky", more=own, **given))


def test_pictures_of_sdss(archive, tmp_path):
    path = positions(tmp_path, 20, mag=[17 + n / 7 for n in range(20)])
    made = reader(archive, path, tmp_path, size_px=80)
    assert not archive.asked  # looking at the list asks nobody
    found = read_all(made)
    assert found.ids == [f"obj{number:03d}" for number in range(20)]
    assert not found.rejects
    for number, image in enumerate(found.images):
        drawn = np.moveaxis(picture(10 + number / 10, -1.5, 80, 80), -1, 0).astype(int)
        assert np.abs(image - drawn).mean() < 4
    columns = found.columns[7]
    assert columns["mag"] == 18
    assert (columns["ra"], columns["dec"]) == (10.7, -1.5)
    assert (columns["wcs_crval1"], columns["wcs_crpix1"]) == (10.7, 40.5)
    assert columns["wcs_cd2_2"] == pytest.approx(-0.396127 / 3600)
    assert min(archive.asked).endswith(  # several are asked at once, in any order
        "?ra=10.0000000&dec=-1.5000000&scale=0.396127&width=80&height=80"
    )
    assert made.layout.columns["ra"].unit == "deg"


def test_a_second_import_asks_nobody(archive, tmp_path):
    path = positions(tmp_path, 10)
    archive.always["ra=10.3"] = "404"
    first = read_all(reader(archive, path, tmp_path))
    assert len(archive.asked) == 10
    again = read_all(reader(archive, path, tmp_path))
    assert len(archive.asked) == 10
    assert again.ids == first.ids
    assert again.rejects == first.rejects
    np.testing.assert_array_equal(np.array(again.images), np.array(first.images))
    assert again.columns == first.columns


def test_every_failure_is_a_reject_with_its_reason(archive, tmp_path):
    path = positions(tmp_path, 12)
    with open(path, "a") as file:
        file.write("bad,95.0,195.0\n")
    troubles = {
        "ra=10.1": ("404", "has nothing there: the service says 404"),
        "ra=10.2": ("slow", "did not answer within 2 s (asked 1 times)"),
        "ra=10.3": ("html", "else than a JPEG picture: «Out to lunch"),
        "ra=10.4": ("cut", "broke off"),
        "ra=10.5": ("empty", "sent nothing"),
        "ra=10.6": ("loop", "in circles"),
        "ra=10.7": ("500", "says 500"),
        "ra=10.8": ("429 1", "says 429"),
    }
    archive.always = {part: how for part, (how, _) in troubles.items()}
    found = read_all(reader(archive, path, tmp_path))
    assert found.ids == ["obj000", "obj009", "obj010", "obj011"]
    assert len(found.rejects) == 9
    for number, (_how, words) in enumerate(troubles.values(), 1):
        assert words in found.rejects["list.csv", f"obj{number:03d}"], words
    assert any("row 13" in member for _source, member in found.rejects)


@pytest.mark.parametrize("size", [8, 31, 64, 65])
def test_small_pictures_are_the_centre_of_what_the_service_draws(archive, tmp_path, size):
    found = read_all(reader(archive, positions(tmp_path, 1), tmp_path, size_px=size))
    asked = max(size, 64 + size % 2)
    assert f"width={asked}&" in archive.asked[0]
    drawn = np.moveaxis(picture(10, -1.5, asked, asked), -1, 0).astype(int)
    start = (asked - size) // 2
    drawn = drawn[:, start : start + size, start : start + size]
    assert np.abs(found.images[0] - drawn).mean() < 4
    assert found.columns[0]["wcs_crpix1"] == (size + 1) / 2


def test_measured_pixels_of_the_legacy_surveys(archive, tmp_path):
    path = positions(tmp_path, 5)
    with open(path, "a") as file:
        file.write("outside,310.0,-1.5\n")
    made = reader(archive, path, tmp_path, "legacy", size_px=32, bands=("z", "g", "r"))
    assert made.layout.dtype == "float32"
    found = read_all(made)
    assert "layer=ls-dr10&pixscale=0.262&size=32&bands=zgr" in archive.asked[0]
    for number, image in enumerate(found.images):
        sent = measured(10 + number / 10, -1.5, 3, 32)  # the service sends g, r, z
        np.testing.assert_array_equal(image, sent[[2, 0, 1]])
    assert found.columns[2]["wcs_crval1"] == pytest.approx(10.2)
    assert found.columns[2]["wcs_cd2_2"] == pytest.approx(0.262 / 3600)
    assert found.rejects == {("list.csv", "outside"): "has no data there: every pixel is blank"}
    jpeg = read_all(reader(archive, path, tmp_path, "legacy", size_px=32, format="jpg"))
    assert np.array(jpeg.images[0]).shape == (3, 32, 32)
    assert jpeg.columns[0]["wcs_cd2_2"] == pytest.approx(-0.262 / 3600)


def test_several_hips_are_the_bands(archive, tmp_path):
    path = positions(tmp_path, 3)
    hips = "CDS/P/DSS2/red,CDS/P/DSS2/blue"
    made = reader(archive, path, tmp_path, "hips", size_px=16, hips=hips)
    assert made.layout.bands == ("red", "blue")
    found = read_all(made)
    plain = measured(10.1, -1.5, 1, 16)[0]
    expected = np.stack([plain + len("CDS/P/DSS2/red"), plain + len("CDS/P/DSS2/blue")])
    np.testing.assert_allclose(np.array(found.images[1]), expected, rtol=1e-6)
    assert "fov=0.00222222222" in archive.asked[0]
    assert "hips=CDS%2FP%2FDSS2%2Fred" in archive.asked[0]
    assert found.columns[0]["wcs_cd2_2"] == pytest.approx(0.5 / 3600)


def test_a_hips_that_is_not_there_is_told(archive, tmp_path):
    archive.always["hips2fits"] = "json400"
    made = reader(archive, positions(tmp_path, 2), tmp_path, "hips", hips="CDS/P/nowhere")
    assert set(read_all(made).rejects.values()) == {
        "cannot be had: the service refuses (400: «Bad HiPS: no such survey»)"
    }


def test_spectra_by_plate_mjd_and_fibre(archive, tmp_path):
    path = tmp_path / "plates.csv"
    path.write_text(
        "PLATE,MJD,fiberID,run2d,mine\n"
        "266,51602,7,,1.5\n"  # in the first reduction
        "2680,54141,12,,2.5\n"  # SEGUE: only in 103
        "4055,55359,3,v5_13_2,3.5\n"
        "266,51602,8,26,4.5\n"
        "0,51602,9,,5.5\n"
        "266,x,9,,6.5\n"
        "266,51602,10,../..,7.5\n"
    )
    archive.always["/26/spectra/lite/2680/"] = "404"
    archive.always["-0008.fits"] = "404"
    made = reader(archive, path, tmp_path, "sdss-spectra")
    found = read_all(made)
    assert found.ids == ["spec-0266-51602-0007", "spec-2680-54141-0012", "spec-4055-55359-0003"]
    grid = made.layout.grid
    first = round((LOGLAM[0] - grid.log10_start) / grid.log10_step)
    spectrum = found.spectra[0]
    assert spectrum is not None
    np.testing.assert_array_equal(
        spectrum.flux[first : first + LOGLAM.size], spectrum_flux(266, 51602, 7)
    )
    np.testing.assert_array_equal(spectrum.ivar[first : first + LOGLAM.size], 4.0)
    assert spectrum.mask[:first].all()
    columns = found.columns[0]
    assert columns["mine"] == 1.5
    assert columns["class"] == "GALAXY"
    assert columns["z"] == pytest.approx(0.125)
    assert "/redux/v5_13_2/spectra/lite/4055/spec-4055-55359-0003.fits" in archive.asked
    reasons = sorted(found.rejects.values())
    assert [reason[:17] for reason in reasons] == [
        "has no usable mjd",
        "has no usable pla",
        "has no usable run",
        "has nothing there",
    ]


def test_undecodable_answers_are_not_kept(archive, tmp_path):
    path = positions(tmp_path, 2)
    archive.plan["cutout.fits?ra=10.0"] = ["cut at a block"]
    first = read_all(reader(archive, path, tmp_path, "legacy", size_px=32))
    assert first.ids == ["obj001"]
    assert "cut short" in first.rejects["list.csv", "obj000"]
    again = read_all(reader(archive, path, tmp_path, "legacy", size_px=32))
    assert again.ids == ["obj000", "obj001"]
    assert len(archive.asked) == 3


def test_a_service_that_is_down_stops_the_import(archive, tmp_path):
    archive.always["/"] = "503"
    made = reader(archive, positions(tmp_path, 40), tmp_path, give_up_after="10")
    with pytest.raises(NotReady, match="run the same command again"):
        read_all(made)
    n = len(archive.asked)
    assert n <= 14
    archive.always.clear()
    assert len(read_all(made).ids) == 40


def test_a_closed_reader_asks_no_more(archive, tmp_path):
    archive.delay_s = 0.05
    made = reader(archive, positions(tmp_path, 60), tmp_path)
    batches = made.read(next(made.units()))
    assert len(next(batches).object_ids) == 16
    batches.close()
    n = len(archive.asked)
    assert n < 40
    pickle.loads(pickle.dumps(made))
    assert len(read_all(made).ids) == 60


def test_units_are_small_and_json(archive, tmp_path):
    made = reader(archive, positions(tmp_path, 150), tmp_path)
    units = list(made.units())
    assert [unit.n_entries for unit in units] == [32, 32, 32, 32, 22]
    assert json.loads(json.dumps([unit.what for unit in units])) == [unit.what for unit in units]
    assert made.polite
    assert READERS["sky"].recognises(made.source) == 0
    assert made.settings["hours_at_least"] == 0.0


@pytest.mark.parametrize(
    ("service", "more", "words"),
    [
        (None, {}, "set service to one of"),
        ("nothing", {}, "no service 'nothing'"),
        ("sdss", {"layer": "x"}, "sdss has no setting 'layer'"),
        ("sdss", {"colour": "x"}, "no setting 'colour'"),
        ("sdss", {"base_url": "file:///etc"}, "begins with https://"),
        ("legacy", {"format": "gif"}, "fits or jpg"),
        ("hips", {}, "hips=CDS"),
        ("hips", {"hips": "a,b", "format": "jpg"}, "one HiPS in colour"),
        ("hips", {"hips": "a,a"}, "named twice"),
        ("sdss-spectra", {"run2d": "../x"}, "name of a reduction"),
        ("sdss", {"per_second": "1000"}, "per_second must be"),
    ],
)
def test_settings_that_cannot_be(tmp_path, service, more, words):
    own = more if service is None else {"service": service, **more}
    with pytest.raises(BadInput, match=words) as error:
        make_reader(positions(tmp_path, 2), ImportOptions(reader="sky", more=own))
    assert str(error.value).count(". ") == 0


def test_sizes_and_scales_that_a_service_does_not_draw(tmp_path):
    path = positions(tmp_path, 2)
    for scale in (0.001, 100.0):
        options = ImportOptions(reader="sky", more={"service": "sdss"}, pixel_scale_arcsec=scale)
        with pytest.raises(BadInput, match="pixels of"):
            make_reader(path, options)
    options = ImportOptions(reader="sky", more={"service": "legacy"}, bands=("green",))
    with pytest.raises(BadInput, match="single letters"):
        make_reader(path, options)


def test_every_service_has_a_documented_address():
    for service in SERVICES.values():
        assert service.base_url.startswith("https://")
        assert service.description


@settings(max_examples=40, deadline=None)
@given(data=st.data(), service=st.sampled_from(["sdss", "legacy", "hips", "sdss-spectra"]))
def test_damaged_answers_become_reasons(data, service):
    """Whatever an answer holds, it is an object or a reason."""
    own = {"hips": "CDS/P/x"} if service == "hips" else {}
    made = make_service(service, ImportOptions(size_px=16), own)
    columns = {"plate": 266, "mjd": 51602, "fiberid": 7}
    entry = Entry("a", 10.0, 1.0, columns)
    url = made.urls(entry)[0]
    if service == "sdss-spectra":
        body = bytearray(spec_file(266, 51602, 7))
    elif service == "sdss":
        body = bytearray(_jpeg(64))
    else:
        said = dict(pair.split("=") for pair in url.split("?")[1].split("&"))
        body = bytearray(cutout_fits(said, 10.0, 1.0, 16))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, min(len(body), 9000) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    found = fetched(made, cast(Client, _Given(bytes(body))), entry)
    if isinstance(found, str):
        assert 3 < len(found) < 300
    elif found.image is not None:
        assert found.image.shape == (len(made.layout.bands), 16, 16)
        assert found.image.dtype == made.layout.dtype


class _Given:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def get(self, _url: str, _kind: object) -> bytes:
        return self.body

    def forget(self, _url: str) -> None:
        pass


def _jpeg(side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture(10.0, 1.0, side, side)).save(out, "JPEG")
    return out.getvalue()


def test_a_stopped_import_goes_on_without_asking_again(archive, tmp_path):
    path = positions(tmp_path, 100)
    archive.always["ra=12.5"] = "404"
    options = ImportOptions(
        reader="sky",
        size_px=32,
        more={"service": "sdss", "base_url": archive.url + "/getjpeg", **QUICK},
    )
    whole = import_survey(open_workspace(tmp_path / "one"), path, "mine", options)
    n = len(archive.asked)
    assert n == 100

    def stop(part, _sentence):
        if part > 0.5:
            raise Cancelled("stopped")

    other = open_workspace(tmp_path / "two")
    with pytest.raises(Cancelled):
        import_survey(other, path, "mine", options, progress=stop)
    assert n < len(archive.asked) < n + 100
    survey = import_survey(other, path, "mine", options)
    assert len(archive.asked) == 2 * n
    assert survey.manifest.content_hash == whole.manifest.content_hash
    assert survey.manifest.n_rejects == 1
    assert (other.root / "cache" / "downloads").is_dir()
