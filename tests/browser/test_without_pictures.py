"""Surveys of columns and of spectra are labelled as those of pictures are."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.spectra import SpectralGrid
from core.survey import Batch, RunFolder, Survey, SurveyWriter
from core.survey.batch import CatalogueValue, Spectrum
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace
from tests.browser.conftest import Server, all_saved, eventually, on_screen, open_task, press
from tests.browser.pictured import new_task

N = 5
GRID = SpectralGrid.between(4000, 7000, 1e-3)
PIXELS = ("/api/levels", "/api/pixels", "/api/colourmap", "/api/measure", "/api/nuclei")
NO_PICTURES = "This survey has no pictures"


def _spectrum(number: int) -> Spectrum:
    flux = np.random.default_rng(number).normal(1, 0.1, GRID.n).astype(np.float32)
    return Spectrum(flux, np.full(GRID.n, 100, np.float32), np.zeros(GRID.n, bool))


def _write(workspace: Workspace, name: str, encoder: str, has_spectra: bool, images) -> Survey:
    with SurveyWriter(
        workspace,
        name,
        bands=("g", "r") if images else (),
        cutout_size_px=16 if images else 0,
        dtype="float32",
        origin="made for a test",
        licence="none",
        grid=GRID if has_spectra else None,
    ) as writer:
        columns: list[dict[str, CatalogueValue]] = [
            {"flux": float(n), "redshift": 0.1, "kind": "star"} for n in range(N)
        ]
        ids = [f"o{n}" for n in range(N)]
        spectra = [_spectrum(n) for n in range(N)] if has_spectra else None
        writer.append(Batch(object_ids=ids, images=images, columns=columns, spectra=spectra))
        survey = writer.commit()
    config = {"encoder": encoder, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        values = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", np.ones(N, bool))
    return survey


def _workspace(folder: Path) -> Workspace:
    """Surveys table, spectra, and both: pictures (none of o2) beside spectra (of all)."""
    workspace = open_workspace(folder / "ws")
    _write(workspace, "table", "columns", False, None)
    _write(workspace, "spectra", "spectrum_pca", True, None)
    rng = np.random.default_rng(0)
    images = [rng.normal(0, 1, (2, 16, 16)).astype(np.float32) for _ in range(N)]
    _write(workspace, "both", "fusion", True, [None if n == 2 else images[n] for n in range(N)])
    return workspace


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(_workspace(tmp_path_factory.mktemp("without")), "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def asked(page) -> list[str]:
    """The addresses that the page asks for."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def _side(page: Page) -> list[int]:
    return page.evaluate(
        "() => { const { img } = window.skysiftLabeller.stage;"
        " return [img.naturalWidth, img.naturalHeight]; }"
    )


@pytest.mark.parametrize("survey", ["table", "spectra"])
def test_it_is_labelled_by_key(page, server, asked, survey):
    task = new_task(server, survey, N)
    assert open_task(page, server, task) == "o0"
    width, height = _side(page)
    assert width >= 512
    assert height == (width if survey == "table" else round(0.6 * width))
    for number, key in enumerate("121"):
        assert press(page, key) == f"o{number}"
        page.wait_for_function(
            "next => window.skysiftLabeller.visible === next", arg=f"o{number + 1}"
        )
    all_saved(page)
    assert server.labels(task) == {"o0": "two nuclei", "o1": "one", "o2": "two nuclei"}
    for what in ("panel", "mark"):
        expect(page.locator(f".tool[data-act={what}]")).to_be_hidden()
    expect(page.locator(".mode[data-mode=blink]")).to_be_hidden()
    expect(page.locator(".palette")).to_be_hidden()
    for key in ("p", "x", "v", "k", "e", "z", "h", "o", "m", "a", "b"):
        page.evaluate("window.skysiftLabeller.say('')")
        page.keyboard.press(key)
        expect(page.locator(".notice")).to_have_text(NO_PICTURES)
    assert page.evaluate("window.skysiftLabeller.mode") == "one"
    stage = page.locator(".square")
    stage.hover()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 120, box["y"] + 160, steps=4)
    page.mouse.up(button="right")
    page.wait_for_timeout(400)  # longer than the values under the cursor take to be asked for
    expect(page.locator(".readout")).to_be_hidden()
    expect(page.locator(".furniture")).to_be_hidden()
    assert [one for one in asked if urlsplit(one).path.endswith(PIXELS)] == []
    drawn = [parse_qs(urlsplit(one).query) for one in asked if "/api/image" in one]
    assert drawn
    names = {name for query in drawn for name in query} - {"wide"}
    assert names == {"survey", "version", "hash", "object_id", "size"}


@pytest.mark.parametrize(
    ("survey", "width"), [("spectra", 1280), ("spectra", 420), ("table", 1280)]
)
def test_zoom_keeps_what_lies_under_the_cursor(page, server, survey, width):
    page.set_viewport_size({"width": width, "height": 850})
    open_task(page, server, new_task(server, survey, N))
    frame = page.locator(".frame").bounding_box()
    img = page.locator(".square img")

    def under(x: float, y: float) -> tuple[float, float]:
        box = img.bounding_box()
        return (x - box["x"]) / box["width"], (y - box["y"]) / box["height"]

    is_wide = survey == "spectra" and width == 1280
    before = img.bounding_box()
    assert before["width"] == pytest.approx(frame["width"] if is_wide else before["height"], abs=1)
    point = frame["x"] + frame["width"] * 0.6, frame["y"] + frame["height"] * 0.4
    place = under(*point)
    page.mouse.move(*point)
    page.mouse.wheel(0, -240)
    eventually(lambda: img.bounding_box()["width"] > 1.5 * before["width"])
    assert under(*point) == pytest.approx(place, abs=0.01)
    page.mouse.down()
    page.mouse.move(point[0] - 40, point[1] + 30, steps=4)
    page.mouse.up()
    assert under(point[0] - 40, point[1] + 30) == pytest.approx(place, abs=0.02)
    page.keyboard.press("0")
    eventually(lambda: img.bounding_box() == pytest.approx(before, abs=1))


def test_the_kept_settings_of_pictures_do_no_harm(page, server, asked):
    task = new_task(server, "table", N)
    open_task(page, server, task)
    page.evaluate(
        "async () => { const { skysiftLabeller: page } = window;"
        " page.prefer('mode', 'blink'); page.prefer('panels', { palette: true });"
        " page.prefer('look:table', { colour: 'band', band: 'g', map: 'viridis' });"
        " page.prefer('view', { pixels: true, crosshair: true }); await page.kept.save(); }"
    )
    page.reload()
    assert on_screen(page) == "o0"
    assert page.evaluate("window.skysiftLabeller.mode") == "one"
    expect(page.locator(".palette")).to_be_hidden()
    expect(page.locator(".look")).to_be_hidden()
    assert _side(page)[0] >= 512
    assert [one for one in asked if urlsplit(one).path.endswith(PIXELS)] == []
    page.evaluate(
        "async () => { const { skysiftLabeller: page } = window;"
        " for (const name of ['mode', 'panels', 'look:table', 'view']) page.prefer(name, null);"
        " await page.kept.save(); }"
    )


def test_the_help_sheet_leaves_out_what_needs_pictures(page, server):
    open_task(page, server, new_task(server, "table", N))
    page.keyboard.press("?")
    sheet = page.locator("dialog.keysheet")
    expect(sheet.get_by_text("Larger")).to_be_visible()
    for words in ("Dark on light and back", "Alternate bands"):
        expect(sheet.get_by_text(words)).to_be_hidden()
    expect(sheet.get_by_role("heading", name="Marking")).to_be_hidden()


def test_the_grid_shows_drawings(page, server, asked):
    task = new_task(server, "table", N)
    open_task(page, server, task)
    page.keyboard.press("g")
    expect(page.locator(".cellpicture img")).to_have_count(N)
    assert [one for one in asked if urlsplit(one).path.endswith(PIXELS)] == []
    page.keyboard.press("g")
    on_screen(page)


def test_a_spectrum_stands_beside_a_picture(page, server, asked):
    task = new_task(server, "both", N)
    assert open_task(page, server, task) == "o0"
    chart = page.locator(".chart img")
    expect(chart).to_be_visible()
    page.wait_for_function(
        "() => { const img = window.skysiftLabeller.shadow.querySelector('.chart img');"
        " return img.complete && img.naturalWidth > 0; }"
    )
    query = parse_qs(urlsplit(chart.get_attribute("src")).query)
    assert (query["object_id"], query["survey"]) == (["o0"], ["both"])
    page.locator(".chart").click()
    large = page.locator("dialog.largechart img")
    expect(large).to_be_visible()
    eventually(lambda: large.evaluate("img => img.naturalWidth") == 1280)
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    page.keyboard.press("1")
    eventually(lambda: on_screen(page) == "o1")
    eventually(lambda: "object_id=o1" in (chart.get_attribute("src") or ""))
    # Folded away it stays so, and nothing is fetched for it.
    page.get_by_role("heading", name="Spectrum", exact=True).click()
    expect(chart).to_be_hidden()
    page.evaluate("window.skysiftLabeller.kept.save()")
    page.reload()
    assert on_screen(page) == "o1"
    expect(page.locator(".chart")).to_be_hidden()
    page.get_by_role("heading", name="Spectrum", exact=True).click()
    expect(chart).to_be_visible()


def test_an_object_without_its_picture_shows_its_spectrum(page, server, asked):
    task = new_task(server, "both", N)
    assert open_task(page, server, task, object="o2") == "o2"
    expect(page.locator(".frame.drawing")).to_be_visible()
    expect(page.locator(".chart")).to_be_hidden()  # it is on the stage already
    page.keyboard.press("m")
    expect(page.locator(".notice")).to_have_text("This object has no picture to mark")
    page.keyboard.press("1")
    eventually(lambda: on_screen(page) == "o0")
    expect(page.locator(".frame.drawing")).to_have_count(0)
    page.keyboard.press("m")
    expect(page.locator(".markbar")).to_be_visible()
    page.keyboard.press("Escape")
    all_saved(page)
    assert server.labels(task) == {"o2": "two nuclei"}
