"""Parts of the data page: which paths may be read, the form as settings, previews, figures."""

from __future__ import annotations

import os
import subprocess
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import app
from core.errors import BadInput, NotReady
from core.run import _parser
from core.run_import import options_of
from core.survey import ImportOptions
from core.survey.sky.pace import Health, Manners
from core.survey.sky_coverage import sky_coverage
from core.survey.summary_pixels import BandSummary
from pages._shared import data_preview, data_roots
from pages._shared.data_figures import histograms, mollweide, sky_map
from pages._shared.data_form import (
    free_name,
    job_arguments,
    keep_positions,
    options_from,
    pasted_words,
)
from pages._shared.data_preview import run_preview
from pages._shared.data_previewing import in_a_preview
from pages._shared.data_roots import LISTED, checked_source, checked_value, listing
from pages._shared.data_spectra import sparkline, thinned
from pages._shared.data_words import size_words


@pytest.fixture
def root(services, tmp_path):
    """An allowed folder, and one beside it that is not."""
    (tmp_path / "root" / "data").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.csv").write_text("a\n1\n")
    data_roots.install([tmp_path / "root"])
    yield tmp_path / "root"
    data_roots.install([])


def quiet(_words: str) -> None:
    pass


def test_paths_below_a_root_are_allowed_and_resolved(root):
    assert checked_source(f" {root}/data/../data ") == root / "data"
    (root / "inside").symlink_to(root / "data")
    assert checked_source(str(root / "inside")) == root / "data"


@pytest.mark.parametrize(
    "path", ["{root}/../other", "{root}/link/secret.csv", "{root}x", "/", "~root", "", "a\0b"]
)
def test_paths_outside_are_refused_with_the_roots_named(root, path):
    (root / "link").symlink_to(root.parent / "other")
    with pytest.raises(BadInput) as refused:
        checked_source(path.format(root=root))
    if "\0" not in path:
        assert str(root) in str(refused.value)


def test_a_path_that_is_not_there_or_a_loop(root):
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    for name in ("a", "none"):
        with pytest.raises(BadInput, match="There is no file or folder"):
            checked_source(str(root / name))


def test_what_is_pasted_may_always_be_read(root, services):
    path = keep_positions("1 2", "mine")
    assert checked_source(str(path)) == path.resolve()
    with pytest.raises(BadInput):
        checked_source(str(services.workspace.labels))


def test_without_roots_the_home_folder_and_the_workspace(services, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_roots.data_roots() == (tmp_path.resolve(), services.workspace.root.resolve())


@pytest.mark.parametrize("value", ["{other}", "{root}/../other", "~root/..", "file:///x", "/etc"])
def test_a_readers_setting_is_no_way_around(root, value):
    with pytest.raises(BadInput):
        checked_value("catalogue", value.format(root=root, other=root.parent / "other"))


def test_a_folder_that_would_be_made_must_be_allowed_too(root):
    assert checked_value("cache", f"{root}/new") == f"{root}/new"
    with pytest.raises(BadInput):
        checked_value("cache", f"{root}-new")


@pytest.mark.parametrize(
    "value", ["1", "https://x.org/a/b", "/images/in a file", "SCI", ".5", "-1", "a..b"]
)
def test_settings_that_are_no_paths(root, value):
    assert checked_value("x", value) == value


def test_folders_are_listed_first_and_hidden_files_are_not(root):
    for name in ("b.fits", "A.csv", ".hidden"):
        (root / "data" / name).write_text("12345")
    (root / "data" / "zoo").mkdir()
    (root / "data" / "lost").symlink_to(root / "nowhere")
    found = listing(str(root / "data"))
    assert [one.name for one in found.entries] == ["zoo", "A.csv", "b.fits", "lost"]
    assert [one.is_folder for one in found.entries] == [True, False, False, False]
    assert found.entries[1].size_bytes == 5
    assert found.above == str(root)
    assert listing(str(root)).above is None
    assert [one.name for one in listing(str(root / "data" / "a")).entries] == ["A.csv"]
    assert listing(str(root / "data" / "A.csv")).entries == found.entries
    assert listing("").folder == str(root)


def test_long_folders_are_cut(root, monkeypatch):
    monkeypatch.setattr(data_roots, "LOOKED_AT", LISTED + 20)
    for number in range(LISTED + 30):
        (root / "data" / f"{number:04d}").write_text("")
    found = listing(str(root / "data"))
    assert (len(found.entries), found.n_more, found.is_cut) == (LISTED, 20, True)


def test_a_folder_that_may_not_be_read(root):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (root / "data").chmod(0)
    with pytest.raises(BadInput, match="cannot be looked into"):
        listing(str(root / "data"))


def test_data_roots_of_the_server(services, tmp_path, monkeypatch):
    try:
        app._allow_data([str(tmp_path)])
        assert data_roots.data_roots() == (tmp_path.resolve(),)
        monkeypatch.setenv("SKYSIFT_DATA_ROOTS", f"{tmp_path}::/")
        app._allow_data([])
        assert [str(one) for one in data_roots.data_roots()] == [str(tmp_path.resolve()), "/"]
        with pytest.raises(BadInput, match="--data-root is a folder"):
            app._allow_data([str(tmp_path / "none")])
    finally:
        data_roots.install([])


def test_the_form_says_what_the_command_line_says(root):
    (root / "t.csv").write_text("id\n1\n")
    said = {
        "reader": "folder",
        "size_px": " 64 ",
        "bands": "g, r,i",
        "pixel_scale": "0.396",
        "mixed": "crop",
        "id_column": "objid",
        "ra_column": "RAJ2000",
        "missing": "-10,-999.5",
        "catalogue": str(root / "t.csv"),
        "join": "sky",
        "radius": "2.5",
        "wavelength": "3800:9200:0.0002",
        "licence": "CC BY 4.0",
        "more": "hdu = 1\n\nheader=OBJECT,EXPTIME\n",
    }
    options = options_from(said)
    assert options.more == {"hdu": "1", "header": "OBJECT,EXPTIME"}
    assert as_read(options) == options
    assert options_from({}) == ImportOptions()


def as_read(options: ImportOptions) -> ImportOptions:
    """The options that the command line makes of the page's arguments."""
    arguments = job_arguments("/data/x", "mine", options, append=True, restart=True)
    read = _parser().parse_args(["import", *arguments])
    assert (read.source, read.name, read.append, read.restart) == ("/data/x", "mine", True, True)
    return options_of(read)


numbers = st.floats(1e-3, 1e6, allow_nan=False)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(
    size=st.none() | st.integers(8, 2048),
    scale=st.none() | numbers,
    missing=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    column=st.none() | words,
    origin=st.none() | words,
    more=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), words, max_size=3),
    radius=numbers,
)
def test_any_settings_survive_the_command_line(size, scale, missing, column, origin, more, radius):
    options = ImportOptions(
        size_px=size,
        pixel_scale_arcsec=scale,
        missing=tuple(missing),
        ra_column=column,
        origin=origin,
        more=more,
        radius_arcsec=radius,
    )
    assert as_read(options) == options


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"size_px": "64.5"}, "a whole number"),
        ({"size_px": "4"}, "8 to 2048"),
        ({"pixel_scale": "x"}, "a number"),
        ({"missing": "-10;-999"}, "a number"),
        ({"wavelength": "3800"}, "MIN:MAX"),
        ({"wavelength": "a:b"}, "a number"),
        ({"wavelength": ":9200"}, "both ends"),
        ({"more": "hdu"}, "KEY=VALUE"),
        ({"bands": "g,g"}, "its own name"),
        ({"catalogue": "/etc/passwd"}, "elsewhere"),
        ({"spectra": "/nowhere"}, "elsewhere"),
        ({"more": "catalogue=/etc/passwd"}, "elsewhere"),
    ],
)
def test_what_the_form_refuses(root, said, words):
    with pytest.raises(BadInput, match=words):
        options_from(said)


def test_names_for_surveys():
    assert free_name("/data/My cutouts (v2).tar.gz", []) == "My-cutouts-v2"
    assert free_name("/data/mine", ["mine", "mine-2"]) == "mine-3"
    assert free_name("/data/" + "x" * 200, []) == "x" * 56
    assert free_name("/data/sdss/images", []) == "sdss"
    assert free_name("/data/äö", []) == ""
    assert free_name(" ", []) == ""


def test_positions_keep_their_file(services):
    one = keep_positions("1 2\n3 4", "a b/c")
    assert one.parent == services.workspace.root / "incoming"
    assert one.name.startswith("a-b-c-")
    assert keep_positions("1 2\r\n3 4\n", "a b/c") == one
    assert keep_positions("1 2", "a b/c") != one
    with pytest.raises(BadInput):
        keep_positions(" \n", "x")


def test_the_file_of_pasted_positions_is_called_by_what_is_in_it(services):
    file = keep_positions("1 2", "mine")
    folder = services.workspace.root / "incoming"
    assert pasted_words(f"{file} has a header alone; name another file.") == (
        "The pasted positions have a header alone; correct them."
    )
    assert pasted_words(f"Of {file.name}, line 2") == "Of the pasted positions, line 2"
    for other in (f"{folder}/mine-01234567.txt is empty; name another file.", "a.txt"):
        assert pasted_words(other) == other


def test_a_service_that_is_down_advises_a_preview_to_be_made_again():
    health = Health(Manners(retries=0))
    health.bad("example.org", "cannot be reached", True)
    with pytest.raises(NotReady) as down:
        health.check()
    words = in_a_preview(str(down.value))
    assert words.startswith("The service does not answer as it should: example.org")
    assert words.endswith("came to nothing; try the preview again later.")
    assert in_a_preview("It is odd; change it.") == "It is odd; change it."


def test_a_preview_of_what_a_catalogue_would_bring(services, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in "ab":
        Image.new("RGB", (12, 12), (9, 80, 40)).save(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "t.csv").write_text("id,mag\na,17.5\nc,18\n")
    options = ImportOptions(catalogue=str(tmp_path / "t.csv"))
    found = run_preview(tmp_path / "pictures", options, quiet)
    assert [one["columns"].get("mag") for one in found["objects"]] == [17.5, None]
    assert any("1 of the first 2 objects have a row" in note for note in found["notes"])
    assert found["settings"][0] == "images: 8-bit pictures"


def test_a_preview_of_real_pictures(services, tmp_path):
    for number in range(15):
        Image.new("RGB", (12, 12), (number * 9, 80, 40)).save(tmp_path / f"g{number:02d}.png")
    (tmp_path / "g01.png").write_bytes((tmp_path / "g01.png").read_bytes()[:40])
    found = run_preview(tmp_path, ImportOptions(), quiet)
    assert (found["reader"], found["n_entries"], found["size_px"]) == ("folder", 15, 12)
    ids = [one["object_id"] for one in found["objects"]]
    assert len(ids) <= 12
    assert ids[:2] == ["g00", "g02"]
    assert all(one["picture"] for one in found["objects"])
    assert [line[0] for line in found["rejects"]] == ["g01.png"]


def test_a_preview_of_what_is_no_survey(services, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\0" * 100)
    with pytest.raises(BadInput):
        run_preview(tmp_path / "x.bin", ImportOptions(), quiet)


def test_a_preview_that_takes_too_long_is_ended(services, tmp_path, monkeypatch):
    monkeypatch.setattr(data_preview, "LIMIT_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(NotReady, match="took longer"):
        run_preview(tmp_path, ImportOptions(), quiet)
    assert time.monotonic() - began < 5


def test_a_preview_whose_page_went_away_is_ended(services, tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen

    def popen(*arguments, **more):
        started.append(real(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(data_preview.subprocess, "Popen", popen)

    def gone(_words: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_preview(tmp_path, ImportOptions(), gone)
    assert started[0].returncode is not None


def test_a_preview_that_dies_is_a_sentence(services, tmp_path, monkeypatch):
    monkeypatch.setattr(data_preview.sys, "executable", "/bin/false")
    with pytest.raises(NotReady, match="died"):
        run_preview(tmp_path, ImportOptions(), quiet)


def test_spectra_are_thinned_by_their_good_pixels():
    flux = np.arange(1000, dtype=np.float32)
    mask = np.zeros(1000, bool)
    mask[:100] = True
    flux[500] = np.nan
    values = thinned(flux, mask, 10)
    assert values[0] is None
    assert values[1] == pytest.approx(np.arange(100, 200).mean())
    assert values[5] == pytest.approx(np.arange(501, 600).mean())
    assert len(thinned(flux[:3], mask[500:503], 10)) == 3
    assert sparkline(values).startswith('<img class="spectrum" src="data:image/svg+xml;base64,')
    assert sparkline([None, None]) == ""


def test_mollweide_keeps_areas_and_turns_east_to_the_left():
    x, y = mollweide(np.array([0.0, 90, 270, 0, 0, 179.999999]), np.array([0.0, 0, 0, 90, -90, 0]))
    assert x == pytest.approx([0, -1, 1, 0, 0, -2], abs=1e-6)
    assert y == pytest.approx([0, 0, 0, 1, -1, 0], abs=1e-6)
    # The area north of a parallel is to the ellipse's as 1 - sin(dec) is to 2.
    _, (height,) = mollweide(np.array([0.0]), np.array([41.0]))
    heights = np.linspace(height, 1, 20_001)
    chord = 4 * np.sqrt(1 - ((heights[1:] + heights[:-1]) / 2) ** 2)
    share = float((chord * np.diff(heights)).sum()) / (2 * np.pi)
    assert share == pytest.approx((1 - np.sin(np.radians(41))) / 2, rel=1e-4)


@pytest.mark.parametrize(("width", "n"), [(0.0, 1), (0.5, 50), (2.0, 7000), (300.0, 7000)])
def test_sky_maps_show_every_object_or_their_density(width, n):
    rng = np.random.default_rng(0)
    ra = (359.8 + rng.uniform(0, width, n)) % 360
    sky = sky_coverage(ra, rng.uniform(-1, 1, n), lambda rows: [f"<{row}>" for row in rows])
    assert sky is not None
    figure = sky_map(sky)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(marks) == 1
    if n <= 5000:
        assert len(marks[0].x) == n
        assert marks[0].customdata[0] == "<0>"
        assert "<0>" not in marks[0].text[0]
    else:
        assert len(marks[0].x) == len(sky.bins)
    assert np.isfinite(np.array(marks[0].x, float)).all()


def test_histograms_have_a_line_a_band():
    full = BandSummary("<g>", 0, 1, 0, 0, (), 0, 0, (0.0, 1.0, 2.0), (3, 1))
    empty = BandSummary("r", None, None, None, None, (), 1, 0, (), ())
    figure = histograms([full, empty])
    (line,) = figure.data
    assert list(line.y) == [0.75, 0.25, 0.25]
    assert line.name == "&lt;g&gt;"


def test_words():
    assert [size_words(n) for n in (0, 999, 1500, 25_000_000, 2 * 10**12)] == [
        *("0 B", "999 B", "1.5 kB", "25 MB", "2.0 TB"),
    ]
