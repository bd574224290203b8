"""Compare: the object beside its nearest answered examples of each class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from core.survey import Survey
from core.workspace import Workspace
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)
from tests.browser.modes import N_FIVE, answer, five_band_workspace, go_on, new_task

TARGET, COMMON, ARTEFACT = CLASSES
ANSWERED = {f"o{n}": TARGET if n % 8 == 0 else COMMON for n in range(40, N_FIVE)}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return five_band_workspace(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[Server]:
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def task(server: Server) -> str:
    name = new_task(server)
    answer(server, name, ANSWERED)
    return name


def nearest(workspace: Workspace, object_id: str, k: int) -> dict[str, list[str]]:
    """The `k` answered objects of each class with the smallest angle, straight from the file."""
    survey = Survey.open(workspace, "five")
    vectors = np.load(next(survey.folder.glob("runs/*/embedding.npy"))).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    away = {name: -vectors[survey.row(name)] @ vectors[survey.row(object_id)] for name in ANSWERED}
    return {
        word: sorted((n for n, w in ANSWERED.items() if w == word), key=away.__getitem__)[:k]
        for word in (TARGET, COMMON)
    }


def columns(page: Any) -> dict[str, list[str]]:
    """What is on screen: class -> object ids."""
    page.locator(".compare:not(.stale) .examplecolumn").first.wait_for()
    return {
        column.get_attribute("aria-label"): column.locator(".exampleid").all_inner_texts()
        for column in page.locator(".examplecolumn").all()
    }


def test_the_nearest_of_each_class_stand_in_class_order(page, server, workspace, task):
    shown = open_task(page, server, task)
    page.keyboard.press("c")
    assert list(columns(page)) == list(CLASSES)
    assert columns(page) == {**nearest(workspace, shown, 3), ARTEFACT: []}
    assert (
        page.locator(".examplecolumn", has_text=ARTEFACT).get_by_text("None answered yet").count()
        == 1
    )
    assert page.locator(".examplecolumn kbd").all_inner_texts() == ["1", "2", "3"]
    assert on_screen(page) == shown  # the object itself stays
    page.get_by_label("Examples of each class").select_option("5")
    eventually(lambda: columns(page) == {**nearest(workspace, shown, 5), ARTEFACT: []})
    page.wait_for_timeout(800)
    page.reload()  # the mode and the number are kept
    on_screen(page)
    eventually(lambda: columns(page) == {**nearest(workspace, shown, 5), ARTEFACT: []})
    page.keyboard.press("c")
    assert page.locator(".compare").is_hidden()


def test_answers_go_on_and_the_examples_follow(page, server, workspace, task):
    open_task(page, server, task)
    page.keyboard.press("c")
    for key in "2232":
        go_on(page, key)
    shown = on_screen(page)
    all_saved(page)
    artefact = next(name for name, word in server.labels(task).items() if word == ARTEFACT)
    # The first of its class is there although the next objects' examples were fetched before.
    eventually(lambda: columns(page)[ARTEFACT] == [artefact])
    assert columns(page)[TARGET] == nearest(workspace, shown, 3)[TARGET]


def test_examples_never_hold_up_the_picture_and_a_late_one_is_dropped(page, server, task):
    held: list[Any] = []

    def asked(object_id: str) -> bool:
        page.wait_for_timeout(50)  # routes are served while the test waits for the page
        return any(f"object_id={object_id}&" in one.request.url for one in held)

    first = open_task(page, server, task)
    page.route("**/api/compare*", lambda route: held.append(route))
    page.keyboard.press("c")
    eventually(lambda: asked(first))
    assert press(page, "2") == first
    eventually(lambda: on_screen(page) != first)
    second = on_screen(page)
    eventually(lambda: asked(second))
    for route in held:  # the first object's answer comes now, made unmistakable
        if f"object_id={first}&" in route.request.url:
            route.fulfill(
                json={
                    "classes": [
                        {"name": TARGET, "items": [{"object_id": "late", "distance": 0.1}]}
                    ],
                    "state": "",
                }
            )
    page.wait_for_timeout(400)
    assert page.locator(".exampleid", has_text="late").count() == 0
    for route in held:
        if f"object_id={second}&" in route.request.url:
            route.continue_()
    columns(page)


def test_examples_are_drawn_in_the_look_of_the_object(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("c")
    columns(page)
    page.evaluate("window.skysiftLabeller.look.set({ colour: 'band', band: 'z', map: 'heat' })")

    def looks() -> set[tuple[str, ...]]:
        found = page.locator(".example img").evaluate_all("all => all.map((one) => one.src)")
        queries = [parse_qs(urlsplit(one).query) for one in found]
        return {tuple(one.get(name, [""])[0] for name in ("colour", "band")) for one in queries}

    eventually(lambda: looks() == {("band", "z")})


def test_an_example_opens_on_a_click_and_what_was_there_comes_next(page, server, task):
    shown = open_task(page, server, task)
    page.keyboard.press("c")
    columns(page)
    example = page.locator(".example").first
    name = example.locator(".exampleid").inner_text()
    example.click()
    eventually(lambda: on_screen(page) == name)
    page.locator(".chip", has_text=f"answered: {TARGET}").wait_for()
    page.keyboard.press("s")
    eventually(lambda: on_screen(page) == shown)


def test_without_answers_it_says_so(page, server):
    task = new_task(server)
    open_task(page, server, task)
    page.keyboard.press("c")
    assert columns(page) == {name: [] for name in CLASSES}
    assert page.locator(".examplecolumn").get_by_text("None answered yet").count() == len(CLASSES)


def test_a_failure_is_a_sentence_and_the_next_object_tries_again(page, server, task):
    page.route(
        "**/api/compare*",
        lambda route: route.fulfill(status=500, json={"error": "The disk hiccups."}),
    )
    open_task(page, server, task)
    page.keyboard.press("c")
    page.locator(".compare", has_text="The disk hiccups.").wait_for()
    page.unroute("**/api/compare*")
    press(page, "2")
    assert columns(page)[TARGET]


def test_on_a_narrow_screen_nothing_is_cut_off(page, server, task):
    page.set_viewport_size({"width": 420, "height": 900})
    open_task(page, server, task)
    page.keyboard.press("c")
    columns(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for example in page.locator(".example").all():
        box = example.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 420


def test_names_have_room_and_the_answers_keep_their_place(page, server, task):
    open_task(page, server, task)
    page.keyboard.press("c")
    place = page.locator(".answers").bounding_box()
    columns(page)
    for name in page.locator(".examplecolumn h3 span").all():
        assert name.evaluate("node => node.scrollWidth <= node.clientWidth"), name.inner_text()
    for _ in range(2):
        go_on(page, "2")
        columns(page)
        assert page.locator(".answers").bounding_box() == place
    assert all(
        ", distance " in (one.get_attribute("title") or "")
        for one in page.locator(".example").all()
    )


def test_nothing_is_read_out_in_compare_and_nothing_stays_at_a_change_of_mode(page, server, task):
    open_task(page, server, task)
    readout = page.locator(".readout")
    page.locator(".frame").hover()
    readout.wait_for()
    page.keyboard.press("c")
    assert readout.is_hidden()
    columns(page)
    page.mouse.move(2, 2)
    page.locator(".frame").hover()
    assert readout.is_hidden()
    page.keyboard.press("c")
    assert readout.is_hidden()
    page.mouse.move(2, 2)
    page.locator(".frame").hover()
    readout.wait_for()
