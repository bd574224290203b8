"""Blink: frames of one object take turns; an answer is for the object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page

from core.workspace import Workspace
from labels_db import LabelsDB
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
    sign_in,
)
from tests.browser.modes import N_FIVE, five_band_workspace, new_task
from tests.browser.pictured import BANDS, write


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = five_band_workspace(tmp_path_factory.mktemp("blink"))
    rng = np.random.default_rng(2)
    pictures = [rng.integers(0, 255, (3, 32, 32), dtype=np.uint8) for _ in range(N_FIVE)]
    write(made, "three", pictures, ("R", "G", "B"), {})
    return made


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[Server]:
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def task(server: Server) -> str:
    return new_task(server)


def pause(page: Page) -> None:
    """Let the frames rest on the first."""
    ready(page)
    page.locator(".blinkbar").get_by_role("button", name="Pause").click()
    page.locator(".blinkbar").get_by_role("button", name="Go on").wait_for()
    page.locator(".frameword").first.click()


def ready(page: Page) -> None:
    """Wait until the frames of the object on screen are all decoded."""
    page.wait_for_function("window.skysiftLabeller?.blink.ready")


def frame(page: Page) -> tuple[str, dict[str, str]]:
    """The name on the picture, and the look of the picture that is really on the stage."""
    name = page.locator(".blinkname").inner_text()
    address = page.evaluate(
        """() => { const { pictures, stage } = window.skysiftLabeller;
             return [...pictures.kept.values()].find((one) => one.img === stage.img).url; }"""
    )
    return name, {key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}


def test_bands_take_turns_and_their_names_are_on_the_picture(page, server, task):
    shown = open_task(page, server, task)
    page.evaluate("window.skysiftLabeller.blink.choose({ interval: 350 })")
    page.keyboard.press("b")
    page.evaluate(
        """() => { window.turns = []; const { stage } = window.skysiftLabeller;
             const put = stage.picture.bind(stage);
             stage.picture = (img, item) => { put(img, item);
               window.turns.push(stage.element.querySelector(".blinkname")?.textContent); }; }"""
    )
    eventually(lambda: page.evaluate("window.turns.length") >= 8)
    assert set(page.locator(".frameword").all_inner_texts()) == set(BANDS)
    assert on_screen(page) == shown
    pause(page)
    for band in (*BANDS, BANDS[0]):
        name, look = frame(page)
        assert (name, look["band"], look["colour"]) == (band, band, "band")
        assert look["object_id"] == shown
        page.keyboard.press(".")


def test_space_pauses_and_goes_on_and_arrows_step_while_paused(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("b")
    ready(page)
    page.keyboard.press("Space")
    page.get_by_role("button", name="Go on").wait_for()
    page.locator(".frameword").first.click()
    page.wait_for_timeout(1500)
    assert frame(page)[0] == BANDS[0]
    page.keyboard.press("ArrowRight")
    assert frame(page)[0] == BANDS[1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert frame(page)[0] == BANDS[-1]
    page.keyboard.press("Space")
    eventually(lambda: frame(page)[0] != BANDS[-1])
    assert page.get_by_role("button", name="Pause").is_visible()


def test_an_answer_is_for_the_object_and_the_mode_stays(page, server, task):
    first = open_task(page, server, task)
    page.keyboard.press("b")
    page.get_by_role("button", name=f"{CLASSES[1]}, key 2").click()
    eventually(lambda: on_screen(page) != first)
    second = on_screen(page)
    # The space bar pauses; it does not press the answer's button again.
    ready(page)
    page.keyboard.press("Space")
    page.get_by_role("button", name="Go on").wait_for()
    assert on_screen(page) == second
    assert frame(page)[1]["object_id"] == second
    page.keyboard.press("ArrowRight")
    assert press(page, "1") == second
    eventually(lambda: on_screen(page) not in (first, second))
    page.locator(".frameword").nth(4).wait_for()
    page.locator(".blinkname", has_text=BANDS[0]).wait_for()  # paused still, on the first frame
    all_saved(page)
    assert server.labels(task) == {first: CLASSES[1], second: CLASSES[0]}


def test_the_sets_and_the_speed_are_chosen_and_kept(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("b")
    pause(page)
    choice = page.get_by_label("What takes turns")
    choice.select_option("stretches")
    page.locator(".frameword", has_text="histogram").wait_for()
    ready(page)
    seen: list[str | None] = []
    for index in range(4):
        page.locator(".frameword").nth(index).click()
        seen.append(frame(page)[1].get("stretch", "asinh"))
        assert frame(page)[1]["colour"] == "channels"
    assert seen == ["linear", "log", "asinh", "histogram"]
    choice.select_option("residuals")
    page.locator(".frameword", has_text="unsharp mask").wait_for()
    ready(page)
    seen = []
    for index in range(4):
        page.locator(".frameword").nth(index).click()
        seen.append(frame(page)[1].get("residual"))
    assert seen == [None, "unsharp", "symmetric", "sersic"]
    page.get_by_label("Seconds a frame").fill("1500")
    page.locator("output", has_text="1.50 s").wait_for()
    page.wait_for_timeout(800)
    page.reload()
    on_screen(page)
    page.locator(".frameword", has_text="unsharp mask").wait_for()
    assert page.get_by_label("Seconds a frame").input_value() == "1500"
    assert page.get_by_role("button", name="Blink").get_attribute("aria-pressed") == "true"


def test_own_looks_are_added_and_taken_away(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("b")
    page.get_by_label("What takes turns").select_option("custom")
    page.locator(".blink", has_text="two or more take turns").wait_for()
    add = page.get_by_role("button", name="Add the present look")
    add.click()
    page.evaluate("window.skysiftLabeller.look.set({ colour: 'band', band: 'i', invert: 1 })")
    add.click()
    add.click()
    page.locator(".notice", has_text="among the frames already").wait_for()
    assert page.locator(".frameword").count() == 2
    pause(page)
    assert "colour" not in frame(page)[1]
    page.keyboard.press(".")
    assert frame(page)[1]["band"] == "i"
    assert frame(page)[1]["invert"] == "1"
    page.get_by_role("button", name="Take away as the survey draws it").click()
    eventually(lambda: page.locator(".frameword").count() == 1)


def test_own_looks_are_those_of_the_survey_and_only_what_it_can_draw(page, server, task):
    other = new_task(server, "three")
    looks = {
        "blink": {"set": "custom", "interval": 350, "looks": [look("old", band="u")]},
        "blink:five": [look("of five", band="u"), look("all", stretch="log")],
        "blink:three": [
            *(look("of three", band="G"), look("gone", band="u"), look("odd", percent="x")),
            *({"name": 5, "look": {}}, {"name": "none", "look": None}, "x", None),
        ],
    }
    keep(server, **looks)
    open_task(page, server, task)
    page.keyboard.press("b")
    ready(page)
    assert page.locator(".frameword").all_inner_texts() == ["of five", "all"]
    drawn: list[str] = []
    page.on("request", lambda request: drawn.append(request.url))
    open_task(page, server, other)
    ready(page)
    assert page.locator(".frameword").all_inner_texts() == ["of three"]
    page.locator(".blink", has_text="cannot be drawn so: gone; odd.").wait_for()
    pictures = [parse_qs(urlsplit(url).query) for url in drawn if "/api/image" in url]
    assert {one["band"][0] for one in pictures if "band" in one} == {"G"}
    page.get_by_role("button", name="Add the present look").click()
    eventually(lambda: page.locator(".frameword").count() == 2)
    page.wait_for_function("!window.skysiftLabeller.kept.unsaved.size")
    eventually(lambda: len(kept(page, "blink:three")) == 2)
    assert [one["name"] for one in kept(page, "blink:five")] == ["of five", "all"]
    assert "looks" not in kept(page, "blink")


def keep(server: Server, **values: Any) -> None:
    """Keep preferences as another browser of the person would have."""
    with LabelsDB(server.workspace.labels) as db:
        for name, value in values.items():
            db.set_preference("owner", name, value)


def kept(page: Page, name: str) -> Any:
    return page.evaluate(
        "async (name) => (await window.skysiftLabeller.get('preferences')).preferences[name]", name
    )


def look(name: str, **settings: Any) -> dict[str, Any]:
    """A look as it is kept: of one band if one is named."""
    colour = {"colour": "band"} if "band" in settings else {}
    return {"name": name, "look": {**colour, **settings}}


def test_a_change_of_the_look_reaches_every_frame(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("b")
    pause(page)
    page.keyboard.press("i")
    page.wait_for_function("window.skysiftLabeller.look.get('invert') === 1")
    ready(page)
    for index in range(len(BANDS)):
        page.locator(".frameword").nth(index).click()
        name, look = frame(page)
        assert (name, look["band"], look["invert"]) == (BANDS[index], BANDS[index], "1")


def test_frames_wait_until_all_are_decoded_and_one_lost_is_told(page, server, task):
    held: list[Any] = []

    def serve(route: Any) -> None:
        if "band=z" in route.request.url:
            held.append(route)
        elif "band=u" in route.request.url:
            route.fulfill(status=422, json={"error": "No such band today."})
        else:
            route.continue_()

    shown = open_task(page, server, task)
    page.route("**/api/image*", serve)
    page.keyboard.press("b")
    page.locator(".blinkname", has_text="4 of 5 frames").wait_for()
    page.wait_for_timeout(1000)
    assert page.locator(".blinkname").inner_text() == "4 of 5 frames"
    assert "band" not in page.evaluate("window.skysiftLabeller.stage.img.src")
    assert page.locator(".answer").first.is_enabled()  # the page's own picture can be answered
    for route in held:
        route.continue_()
    page.locator(".blinkname", has_text=BANDS[1]).wait_for()
    page.locator(".blink", has_text="Left out. u: No such band today.").wait_for()
    assert page.locator(".frameword").all_inner_texts() == list(BANDS[1:])
    assert on_screen(page) == shown


def test_the_next_objects_frames_are_decoded_ahead(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("b")
    page.wait_for_function(
        """() => { const { pictures, queue } = window.skysiftLabeller;
             const next = queue.items[0]?.object_id;
             return [...pictures.kept.values()].filter((one) => one.objectId === next
               && one.url.includes("colour=band") && one.state === "ready").length === 5; }"""
    )


def test_leaving_shows_the_pages_own_picture_again(page, server, task):
    shown = open_task(page, server, task)
    page.keyboard.press("b")
    pause(page)
    page.keyboard.press("b")
    page.wait_for_function(
        """() => { const { pictures, stage, current } = window.skysiftLabeller;
             return stage.img === pictures.get(current.object_id).img; }"""
    )
    assert on_screen(page) == shown
    assert page.locator(".blinkname").count() == 0
    page.wait_for_timeout(1200)
    assert page.locator(".blinkname").count() == 0


def test_who_wants_little_motion_starts_paused(server, chromium, task):
    context = chromium.new_context(
        viewport={"width": 420, "height": 900}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    sign_in(page, server)
    open_task(page, server, task)
    page.get_by_role("button", name="Blink").tap()
    page.locator(".blinkname", has_text=BANDS[0]).wait_for()
    page.wait_for_timeout(1500)
    assert page.locator(".blinkname").inner_text() == BANDS[0]
    page.locator(".blinkbar").get_by_role("button", name="Step").tap()
    assert page.locator(".blinkname").inner_text() == BANDS[1]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
