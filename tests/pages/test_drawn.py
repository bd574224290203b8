"""Objects without a picture: their spectrum or row is drawn, and what needs pixels says so."""

from __future__ import annotations

import io
import math
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.display.spectrum import draw_spectrum
from core.spectra import SpectralGrid
from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import Spectrum
from core.survey.layout import ColumnInfo
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, TaskSpec
from pages._server import drawn_values
from pages._server.drawn_card import draw_card
from pages._server.drawn_values import Value, values_of
from tests.pages.asgi import Answer, Browser

GRID = SpectralGrid.between(4000, 7000, 5e-4)
GROUND = {"dark": (14, 17, 23), "light": (255, 255, 255)}
FAR = {"dark": (240, 170, 70), "light": (190, 100, 0)}
OUT = {"dark": (120, 200, 255), "light": (10, 80, 150)}
N = 41
NOTHING_TO_MEASURE = "has no pictures, only"


def spectrum(number: int) -> Spectrum:
    """A line of its own on noise, with a masked stretch."""
    rng = np.random.default_rng(number)
    flux = rng.normal(1, 0.1, GRID.n)
    flux += 5 * np.exp(-((GRID.wavelength - 4500 - 100 * number) ** 2) / 400)
    mask = np.zeros(GRID.n, bool)
    mask[30:60] = True
    return Spectrum(flux.astype(np.float32), np.full(GRID.n, 100, np.float32), mask)


def write(
    workspace: Workspace,
    name: str,
    columns: list[dict],
    *,
    images: list | None = None,
    spectra: list | None = None,
    info: dict | None = None,
) -> Survey:
    """A survey of these objects, called o0, o1 ..."""
    with SurveyWriter(
        workspace,
        name,
        bands=("g", "r") if images else (),
        cutout_size_px=12 if images else 0,
        dtype="float32",
        origin="made for a test",
        licence="none",
        grid=GRID if spectra else None,
        columns=info,
    ) as writer:
        ids = [f"o{number}" for number in range(len(columns))]
        writer.append(Batch(object_ids=ids, images=images, columns=columns, spectra=spectra))
        return writer.commit()


def row_of(number: int) -> dict:
    return {
        "ra": 360 * number / N,
        "flux": 1e6 if number == 7 else float(number),
        "counts": number // 2,
        "kind": "quasar" if number == 3 else "star",
        "name": f"J{number:04d}",
        "same": 5.0,
        "is_blue": number % 2 == 0,
        "hole": float("nan") if number % 2 else 1.5 * number,
    }


@pytest.fixture
def table(workspace: Workspace) -> Survey:
    info = {"flux": ColumnInfo(unit="mJy")}
    return write(workspace, "table", [row_of(number) for number in range(N)], info=info)


@pytest.fixture
def spectra(workspace: Workspace) -> Survey:
    columns = [{"redshift": 0.1} if number else {"redshift": None} for number in range(3)]
    return write(workspace, "spectra", columns, spectra=[spectrum(n) for n in range(3)])


@pytest.fixture
def both(workspace: Workspace) -> Survey:
    """o0 has a picture and a spectrum, o1 a picture, o2 a spectrum, o3 nothing."""
    image = np.random.default_rng(0).normal(0, 1, (2, 12, 12)).astype(np.float32)
    return write(
        workspace,
        "both",
        [{"redshift": 0.1}] * 4,
        images=[image, image + 1, None, None],
        spectra=[spectrum(0), None, spectrum(2), None],
    )


def ask(browser: Browser, survey: str, path: str, object_id: str = "o0", **more: object) -> Answer:
    query = urlencode({"survey": survey, "object_id": object_id, **more})
    return browser.get(f"/api/{path}?{query}")


def pixels_of(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def has_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((pixels == colour).all(axis=-1).any())


# Routes


@pytest.mark.parametrize(
    ("asked", "side"), [(0, 1024), (1, 64), (64, 64), (65, 128), (256, 256), (1000, 1024)]
)
def test_a_row_is_drawn_at_the_sizes_of_pictures(browser, table, asked, side):
    answer = ask(browser, "table", "image", size=asked)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-object-id"] == "o0"
    assert pixels_of(answer.body).shape == (side, side, 3)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_ground_is_that_of_the_page(browser, table, spectra, theme):
    for survey in ("table", "spectra"):
        drawn = pixels_of(ask(browser, survey, "image", size=256, theme=theme).body)
        assert tuple(drawn[0, 0]) == GROUND[theme]
    assert has_colour(
        pixels_of(ask(browser, "table", "image", "o7", theme=theme).body), OUT[theme]
    )


def test_dark_is_the_default_and_other_themes_are_refused(browser, table):
    plain = ask(browser, "table", "image")
    dark = ask(browser, "table", "image", theme="dark")
    assert plain.body == dark.body
    assert plain.headers["etag"] == dark.headers["etag"]
    assert ask(browser, "table", "image", theme="light").headers["etag"] != plain.headers["etag"]
    refused = ask(browser, "table", "image", theme="pink")
    assert (refused.status, "dark or light" in refused.json()["error"]) == (422, True)


def test_a_look_changes_nothing_that_is_drawn(browser, table):
    plain = ask(browser, "table", "image")
    for look in ({"colour": "band", "band": "g"}, {"invert": 1}, {"stretch": "no such"}):
        other = ask(browser, "table", "image", **look)
        assert (other.status, other.headers["etag"]) == (200, plain.headers["etag"])
        assert other.body == plain.body


def test_a_drawing_is_kept_by_the_browser(browser, table):
    lasting = {"hash": table.manifest.content_hash[:16]}
    answer = ask(browser, "table", "image", **lasting)
    assert "immutable" in answer.headers["cache-control"]
    query = urlencode({"survey": "table", "object_id": "o0", **lasting})
    again = browser.get(f"/api/image?{query}", **{"if-none-match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert ask(browser, "table", "image", hash="0" * 16).status == 404


def test_a_spectrum_is_drawn_with_its_redshift(browser, spectra):
    drawn = pixels_of(ask(browser, "spectra", "image", "o1", size=512).body)
    one = spectra.spectrum(1)
    parts = (GRID, one.flux, one.ivar, one.mask, 512, 512)
    np.testing.assert_array_equal(drawn, draw_spectrum(*parts, redshift=0.1))
    assert (drawn != draw_spectrum(*parts)).any()
    first = spectra.spectrum(0)  # whose redshift is not known
    drawn = pixels_of(ask(browser, "spectra", "image", "o0", size=512).body)
    expected = draw_spectrum(GRID, first.flux, first.ivar, first.mask, 512, 512)
    np.testing.assert_array_equal(drawn, expected)


def test_a_wide_place_gets_a_wide_chart(browser, spectra, table):
    plain = ask(browser, "spectra", "image", size=512)
    wide = ask(browser, "spectra", "image", size=512, wide=1)
    assert pixels_of(wide.body).shape == (307, 512, 3)
    assert wide.headers["etag"] != plain.headers["etag"]
    assert pixels_of(ask(browser, "table", "image", size=512, wide=1).body).shape == (512, 512, 3)


@pytest.mark.parametrize("side", [64, 128])
def test_a_small_spectrum_has_its_size(browser, spectra, side):
    assert pixels_of(ask(browser, "spectra", "image", size=side).body).shape == (side, side, 3)


def test_the_chart_beside_a_picture(browser, both):
    answer = ask(browser, "both", "spectrum", width=400, hash=both.manifest.content_hash)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert "immutable" in answer.headers["cache-control"]
    one = both.spectrum(0)
    expected = draw_spectrum(GRID, one.flux, one.ivar, one.mask, 480, 288, redshift=0.1)
    np.testing.assert_array_equal(pixels_of(answer.body), expected)
    light = ask(browser, "both", "spectrum", width=400, theme="light")
    assert tuple(pixels_of(light.body)[0, 0]) == GROUND["light"]
    known = urlencode({"survey": "both", "object_id": "o0", "width": 400, "theme": "light"})
    tag = {"if-none-match": light.headers["etag"]}
    assert browser.get(f"/api/spectrum?{known}", **tag).status == 304
    large = pixels_of(ask(browser, "both", "spectrum", width=5000).body)
    assert large.shape == (1152, 1920, 3)


def test_what_has_no_spectrum_has_no_chart(browser, both, table):
    for survey, object_id in (("both", "o1"), ("both", "o3"), ("table", "o0")):
        answer = ask(browser, survey, "spectrum", object_id)
        assert (answer.status, "no spectrum" in answer.json()["error"]) == (404, True)


def test_a_picture_is_shown_where_there_is_one(browser, both):
    plain = ask(browser, "both", "image", size=256)
    assert ask(browser, "both", "image", size=256, invert=1).body != plain.body
    assert ask(browser, "both", "image", size=256, band="z", colour="band").status == 422
    two = both.spectrum(2)
    expected = draw_spectrum(GRID, two.flux, two.ivar, two.mask, 256, 256, redshift=0.1)
    drawn = pixels_of(ask(browser, "both", "image", "o2", size=256, invert=1).body)
    np.testing.assert_array_equal(drawn, expected)
    nothing = ask(browser, "both", "image", "o3")
    assert (nothing.status, "no picture" in nothing.json()["error"]) == (404, True)
    assert ask(browser, "both", "image", "o4").status == 404


@pytest.mark.parametrize("survey", ["table", "spectra"])
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("levels", {"colour": "band", "band": "g"}),
        ("pixels", {}),
        ("pixels", {"x0": 0, "x1": 5, "y0": 0, "y1": 5}),
    ],
)
def test_there_are_no_pixels(browser, table, spectra, survey, path, more):
    answer = ask(browser, survey, path, **more)
    assert (answer.status, NOTHING_TO_MEASURE in answer.json()["error"]) == (404, True)


def test_nothing_is_measured(browser, workspace, table, both):
    with LabelsDB(workspace.labels) as db:
        for name in ("table", "both"):
            db.create_task(TaskSpec(f"of-{name}", name, "Odd?", ("odd", "usual"), "odd"))
    for path in ("measure?points=1,2&", "nuclei?"):
        answer = browser.get(f"/api/{path}task=of-table&object_id=o0")
        assert (answer.status, NOTHING_TO_MEASURE in answer.json()["error"]) == (404, True)
        answer = browser.get(f"/api/{path}task=of-both&object_id=o2")
        assert (answer.status, "has no picture" in answer.json()["error"]) == (404, True)


def test_the_label_page_is_told_what_there_is_to_see(browser, workspace, table, both):
    with LabelsDB(workspace.labels) as db:
        for name in ("table", "both", "tiny"):
            db.create_task(TaskSpec(f"of-{name}", name, "Odd?", ("odd", "usual"), "odd"))
    told = {
        name: browser.get(f"/api/task?task=of-{name}").json() for name in ("table", "both", "tiny")
    }
    assert {name: (one["has_pictures"], one["has_spectra"]) for name, one in told.items()} == {
        "table": (False, False),
        "both": (True, True),
        "tiny": (True, False),
    }
    seen = [
        browser.get(f"/api/object?task=of-both&object_id=o{number}").json() for number in range(4)
    ]
    assert [(one["has_picture"], one["has_spectrum"]) for one in seen] == [
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    ]


# What is unusual


def test_the_most_unusual_comes_first(table):
    found = values_of(table, 7)
    assert found[0] == Value("flux", "1.000e+06 mJy", place=(N - 0.5) / N, unusual=1 / N)
    # Words of two kinds are compared; names, what is the same for all, and positions come last.
    assert [one.name for one in found[-3:]] == ["ra", "name", "same"]
    assert all(one.place is None and one.share is None for one in found[-3:])
    assert "hole" not in {one.name for one in found}  # its cell is missing
    assert [one.unusual for one in found] == sorted(one.unusual for one in found)


def test_a_rare_kind_is_unusual(table):
    kind = values_of(table, 3)[0]
    assert (kind.name, kind.text, kind.place) == ("kind", "quasar", None)
    assert kind.share == pytest.approx(1 / N)
    usual = next(one for one in values_of(table, 4) if one.name == "kind")
    assert usual.share == pytest.approx((N - 1) / N)


def test_places_are_those_of_counting(table):
    for row in range(N):
        for value in values_of(table, row):
            if value.place is None:
                continue
            column = table.catalogue[value.name].to_numpy(dtype=float)
            known = column[np.isfinite(column)]
            below, same = (known < column[row]).sum(), (known == column[row]).sum()
            assert value.place == pytest.approx((below + same / 2) / len(known))


def test_of_two_outliers_the_farther_comes_first(workspace):
    columns = [{"near": float(n), "far": float(n)} for n in range(50)]
    columns[20] = {"near": 60.0, "far": 1e9}
    survey = write(workspace, "outliers", columns)
    assert [one.name for one in values_of(survey, 20)] == ["far", "near"]


def test_large_surveys_are_compared_with_a_sample(workspace, monkeypatch):
    monkeypatch.setattr(drawn_values, "SAMPLE_ROWS", 25)
    survey = write(workspace, "large", [{"x": float(n)} for n in range(500)])
    for row in (0, 123, 499):
        place = values_of(survey, row)[0].place
        assert place is not None
        assert (place * 50) == pytest.approx(round(place * 50))
        assert place == pytest.approx(row / 499, abs=0.05)


def test_whole_numbers_keep_their_digits(workspace):
    columns = [{"target": 2**62 + n, "n": None if n == 1 else 1234567} for n in range(3)]
    survey = write(workspace, "digits", columns)
    texts = {one.name: one.text for one in values_of(survey, 0)}
    assert texts == {"target": str(2**62), "n": "1,234,567"}
    assert {one.name for one in values_of(survey, 1)} == {"target"}


# The card


@pytest.mark.parametrize("side", [64, 128, 256, 512, 1024])
def test_nothing_runs_out_of_the_card(side):
    values = [
        Value(f"column {n} " + "with a long name " * 9, "1234.5 mJy " * 20, place=n / 40)
        for n in range(41)
    ]
    drawn = pixels_of(draw_card("object/" + "x" * 900, values, side))
    edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert (edge == GROUND["dark"]).all()
    assert (drawn != GROUND["dark"]).any(axis=-1).mean() > 0.03


def test_the_point_stands_where_the_value_lies():
    side = 64
    for place in (0.0, 0.25, 1.0):
        drawn = pixels_of(draw_card("o", [Value("x", "1", place=place, unusual=0.001)], side))
        column = np.flatnonzero((drawn == FAR["dark"]).all(axis=-1).any(axis=0))
        assert column.mean() == pytest.approx(4 + place * (side - 8), abs=4)


def test_different_rows_look_different():
    cards = {
        draw_card("a", [Value("x", "1", place=0.5)], 256),
        draw_card("b", [Value("x", "1", place=0.5)], 256),
        draw_card("a", [Value("x", "2", place=0.5)], 256),
        draw_card("a", [Value("x", "1", place=0.6)], 256),
        draw_card("a", [Value("x", "1", share=0.6)], 256),
        draw_card("a", [], 256),
    }
    assert len(cards) == 6


def test_letters_that_the_font_lacks_are_spelled_out():
    spelled = {"Sérsic α Ω²": "Sersic alpha Omega2", "星": "?", "a\n\tb\x00": "a b "}
    for given_id, drawn_id in spelled.items():
        assert draw_card(given_id, [], 256) == draw_card(drawn_id, [], 256)


KINDS = (
    *(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(width=64)),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40),
)


@settings(max_examples=30, deadline=None)
@given(st.one_of(*(st.lists(st.none() | kind, min_size=1, max_size=8) for kind in KINDS)))
def test_whatever_a_column_holds_is_drawn(tmp_path_factory, column):
    workspace = open_workspace(tmp_path_factory.mktemp("any") / "ws")
    columns = [{"x": cell, "n": number} for number, cell in enumerate(column)]
    survey = write(workspace, "any", columns)
    for row, cell in enumerate(column):
        found = {one.name: one for one in values_of(survey, row)}
        is_known = cell is not None and not (isinstance(cell, float) and not math.isfinite(cell))
        assert ("x" in found) == is_known
        for one in found.values():
            assert one.place is None or 0 <= one.place <= 1
            assert 0 <= one.unusual <= 1
        assert pixels_of(draw_card("o", list(found.values()), 128)).shape == (128, 128, 3)
