"""The label page is read by axe-core: in every mode, with everything open that can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from labels_db import ClassDetail, LabelsDB
from tests.browser.catalogued import catalogued_server
from tests.browser.conftest import Server, all_saved, open_task, press, sign_in

GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A survey with a catalogue and positions, so that every panel has something in it."""
    with catalogued_server(tmp_path_factory.mktemp("axe")) as running:
        running.stop()
        running.options = ("--no-workers", "--theme", "auto")
        running.start()
        yield running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, server: Server, chromium: Browser) -> Iterator[Page]:
    """A signed-in page of a person whose system is dark or light."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 850}, color_scheme=request.param
    )
    fresh = context.new_page()
    sign_in(fresh, server)
    yield fresh
    context.close()


@pytest.fixture
def task(server: Server, task: str) -> str:
    """A task with a guideline, tags and a class of a colour of its own; habits as they come."""
    with LabelsDB(server.workspace.labels) as db:
        db.add_class(
            task,
            ClassDetail("ring", key="q", colour="#00ff88", guideline="A closed ring."),
            "owner",
        )
        db.set_tags(task, ["tidal tail", "dust"], "owner")
        for name in db.preferences("owner"):
            db.set_preference("owner", name, None)
    return task


@cache
def script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def read(page: Page) -> tuple[list[str], int]:
    """What is serious or critical inside the component, and how much was read there.

    Only the component lies in a shadow root: there axe gives the way to an element as a list.
    Streamlit's own frame, outside it, is left out, as it is not ours to mend; that of 1.67.0 has
    nothing serious on this page.
    """
    # Colours on their way from one to another would be read as neither.
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(script())
    found: dict[str, Any] = page.evaluate(
        "axe.run(document, { resultTypes: ['violations', 'passes'] })"
    )
    ours = [
        f"{rule['id']}: {node['target'][0]}: {node['html'][:160]}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] in GRAVE and isinstance(node["target"][0], list)
    ]
    n_read = sum(
        isinstance(node["target"][0], list) for rule in found["passes"] for node in rule["nodes"]
    )
    return ours, n_read


def fine(page: Page) -> None:
    ours, n_read = read(page)
    assert n_read > 50
    assert ours == []


def note(page: Page) -> None:
    page.keyboard.press("n")
    expect(page.get_by_role("textbox", name="Note")).to_be_focused()


def panel(page: Page) -> None:
    page.keyboard.press("p")


def sheet(page: Page) -> None:
    page.keyboard.press("?")
    page.locator("dialog.keysheet[open]").wait_for()


def recording(page: Page) -> None:
    sheet(page)
    page.get_by_role("button", name="Change: Skip", exact=True).click()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Swap: Skip")).to_be_visible()


def jump(page: Page) -> None:
    page.keyboard.press("j")
    page.locator(".jumpfield").fill("150.5 -4")
    page.get_by_role("option").first.wait_for()


def settings(page: Page) -> None:
    page.keyboard.press(",")
    page.locator("dialog.settings[open]").wait_for()


def summary(page: Page) -> None:
    for key in "1223":
        press(page, key)
    all_saved(page)
    page.locator(".sessionline").click()
    page.locator(".plotlabels").wait_for()


def marking(page: Page) -> None:
    page.keyboard.press("m")
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_timeout(500)  # the answer of the server moves the points


def history(page: Page) -> None:
    """Everything beside the picture unfolded, of an object with an answer and a note."""
    first = press(page, "1")
    page.keyboard.press("u")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", first)
    page.keyboard.press("n")
    page.keyboard.type("two cores")
    page.keyboard.press("Enter")
    page.keyboard.press("f")
    all_saved(page)
    for fold in page.locator("details:not([open]) > summary").all():
        fold.click()


def failed(page: Page) -> None:
    page.route("**/api/image?**", lambda route: route.fulfill(status=404, json={"error": "Gone."}))
    page.reload()
    page.locator(".message .title").wait_for()


def grid(page: Page) -> None:
    page.keyboard.press("g")
    page.get_by_role("gridcell").first.wait_for()
    page.keyboard.press("1")


def compare(page: Page) -> None:
    press(page, "1")
    press(page, "2")
    all_saved(page)
    page.keyboard.press("c")
    page.locator(".compare img").first.wait_for()


def blink(page: Page) -> None:
    page.keyboard.press("b")
    page.locator('.skysift[data-mode="blink"] .square img').wait_for()


OPENED: tuple[Callable[[Page], None], ...] = (
    *(note, panel, sheet, recording, jump, settings, summary, marking, history, failed),
    *(grid, compare, blink),
)


def test_as_it_opens(
    page: Page, server: Server, task: str, request: pytest.FixtureRequest
) -> None:
    open_task(page, server, task)
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    is_light = min(int(one) for one in re.findall(r"\d+", ground)[:3]) > 128
    assert is_light == ("[light]" in request.node.name)
    fine(page)


@pytest.mark.parametrize("opened", OPENED, ids=lambda one: one.__name__)
def test_with_this_open(
    page: Page, server: Server, task: str, opened: Callable[[Page], None]
) -> None:
    open_task(page, server, task)
    opened(page)
    fine(page)


def test_on_a_narrow_screen(page: Page, server: Server, task: str) -> None:
    page.set_viewport_size({"width": 420, "height": 850})
    open_task(page, server, task)
    fine(page)


def test_axe_would_tell(page: Page, server: Server, task: str) -> None:
    """A button without a name and words without contrast, put into the component, are found."""
    open_task(page, server, task)
    page.evaluate("""() => {
      const { root, view } = window.skysiftLabeller;
      root.append(document.createElement("button"));
      view.saving.style.cssText = "color: #999; background: #bbb";
    }""")
    ours, _ = read(page)
    assert {one.split(":")[0] for one in ours} == {"button-name", "color-contrast"}
