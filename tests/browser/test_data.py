"""A workspace without a survey: a folder is imported through the Data page, then labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace
from tests.browser.conftest import (
    N_OBJECTS,
    TOKEN,
    Server,
    all_saved,
    eventually,
    make_pictures,
    on_screen,
    write_runs,
)

GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty workspace beside a folder of pictures, one of which is damaged."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "given").mkdir()
    pictures = folder / "given" / "blobs"
    make_pictures(pictures)
    broken = pictures / "obj_broken.png"
    broken.write_bytes((pictures / "obj_00.png").read_bytes()[:200])
    running = Server(
        open_workspace(folder / "ws"),
        *("--theme", "auto", "--data-root", str(folder / "given")),
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    fresh = chromium.new_context(
        viewport={"width": 1280, "height": 850},
        color_scheme="light" if getattr(request, "param", "") == "light" else "dark",
        reduced_motion="reduce",
    )
    yield fresh
    fresh.close()


@cache
def script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def read(page: Page) -> list[str]:
    """What axe finds grave in what this page puts on the screen itself, as HTML.

    Streamlit's own widgets are left out, as they are not ours to mend.
    """
    page.evaluate(script())
    found: dict[str, Any] = page.evaluate(
        "axe.run({ include: ['[data-testid=stHtml]'] }, { resultTypes: ['violations'] })"
    )
    return [
        f"{rule['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] in GRAVE
    ]


def test_a_folder_is_imported_and_its_first_object_labelled(page: Page, server: Server) -> None:
    page.goto(server.origin)
    page.get_by_role("heading", name="No survey yet").wait_for(timeout=30_000)
    page.get_by_role("link", name="Import data of your own").click()
    page.get_by_role("heading", name="Data", exact=True).wait_for(timeout=30_000)

    page.get_by_role("button", name="blobs").click()
    path = page.get_by_role("textbox", name="Path of a file or folder", exact=True)
    eventually(lambda: path.input_value().endswith("/given/blobs"))
    page.get_by_text("obj_00.png, ").wait_for()
    page.get_by_role("button", name="Preview").click()
    entries = page.get_by_text(re.compile(rf"reader folder\): {N_OBJECTS + 1} entries"))
    refused = page.get_by_role("alert")
    entries.or_(refused).first.wait_for(timeout=90_000)
    assert refused.all_inner_texts() == []
    firsts = page.locator(".firsts img")
    assert firsts.count() >= 10
    assert firsts.first.evaluate("one => one.complete && one.naturalWidth > 0")
    assert read(page) == []
    name = page.get_by_role("textbox", name="Name of the survey")
    assert name.input_value() == "blobs"
    page.get_by_role("button", name="Import", exact=True).click()

    page.get_by_text(f"{N_OBJECTS} objects, 1 rejected").wait_for(timeout=60_000)
    survey = Survey.open(server.workspace, "blobs")
    assert len(survey) == N_OBJECTS
    write_runs(survey)  # an embedding without the wait

    page.get_by_role("button", name="Make a task").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("nuclei")
    dialog.get_by_label("Question").fill("How many nuclei?")
    dialog.get_by_label(re.compile("Classes, one a line")).fill("two\none")
    dialog.get_by_role("button", name="Make the task").click()
    dialog.wait_for(state="detached")
    start = page.get_by_role("link", name="Start labelling")
    start.wait_for()
    there = start.get_attribute("href")
    page.get_by_role("button", name="Open its summary").click()
    page.get_by_role("heading", name="How it came about").wait_for(timeout=30_000)
    assert start.count() == 0
    assert page.get_by_text("1 rejected.").count() == 0
    page.goto(f"{server.origin}{there}")
    page.locator(".square img").wait_for(timeout=90_000)  # a worker starts and ranks
    first = on_screen(page)
    page.keyboard.press("1")
    all_saved(page)
    assert server.labels("nuclei") == {first: "two"}


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_a_summary_can_be_read_on_a_narrow_screen(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    page.goto(f"{server.origin}/data?survey=blobs&view=surveys")
    page.get_by_role("heading", name="How it came about").wait_for(timeout=30_000)
    page.get_by_text(re.compile("^1: ")).wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    # Nothing is wider than the screen.
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth"
    assert page.evaluate(wide) <= 420
    page.locator(".thumbs img").first.scroll_into_view_if_needed()
    assert read(page) == []


def test_long_names_are_cut_and_buttons_are_not(page: Page, server: Server) -> None:
    folder = Path(server.options[-1]) / "long"
    folder.mkdir()
    Image.new("RGB", (16, 16), (90, 80, 40)).save(folder / f"{'a' * 90}.png")
    page.set_viewport_size({"width": 420, "height": 900})
    page.goto(f"{server.origin}/data?view=import")
    path = page.get_by_role("textbox", name="Path of a file or folder", exact=True)
    path.fill(str(folder))
    path.press("Enter")
    entry = page.get_by_role("button", name="a" * 90)
    entry.wait_for()
    inside = page.locator(".st-key-import-listing").bounding_box()
    words = entry.locator("p").bounding_box()
    assert inside is not None
    assert words is not None
    assert words["height"] < 30  # one line
    assert inside["x"] < words["x"] < inside["x"] + 60
    assert words["x"] + words["width"] <= inside["x"] + inside["width"]
    page.get_by_role("button", name="Preview").click()
    again = page.get_by_role("button", name="Preview again")
    again.wait_for(timeout=60_000)
    assert again.locator("p").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_the_chosen_survey_and_its_summary_are_in_sight_of_many(
    page: Page, server: Server
) -> None:
    for number in range(12):
        with SurveyWriter(
            server.workspace,
            f"more-{number:02d}",
            bands=(),
            cutout_size_px=0,
            dtype="float32",
            origin="made up",
            licence="none",
        ) as writer:
            writer.append(Batch(["a"], None, [{"x": 1}]))
            writer.commit()
    page.goto(f"{server.origin}/data?survey=more-08&view=surveys")
    heading = page.get_by_role("heading", name="more-08")
    heading.wait_for(timeout=30_000)
    for one in (heading, page.locator(".surveys a.here")):
        box = one.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 600


def test_axe_would_tell(page: Page, server: Server) -> None:
    """Words without contrast among this page's own are found."""
    page.goto(f"{server.origin}/data?survey=blobs&view=surveys")
    page.get_by_role("heading", name="How it came about").wait_for(timeout=30_000)
    page.locator(".counts b").first.evaluate(
        "one => { one.style.cssText = 'color: #999; background: #bbb'; }"
    )
    assert any(one.startswith("color-contrast") for one in read(page))
    assert TOKEN not in page.url
