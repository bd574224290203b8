from __future__ import annotations

import os

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.mosaics.cutouts import CHANGED, NO_DATA
from core.survey.readers import Unit
from tests.survey.readers.mosaics import SHAPE, catalogue, reader_of
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
