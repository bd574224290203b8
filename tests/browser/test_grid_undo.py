"""The grid beside others: pages taken back, new rankings meanwhile, another tab of the person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from core.workspace import Workspace
from labels_db import LabelsDB
from tests.browser.conftest import Server, all_saved, eventually, on_screen, open_task, press
from tests.browser.grids import (
    ARTEFACT,
    COMMON,
    N_MANY,
    TARGET,
    answers,
    grid_task,
    grid_workspace,
    ids_by_title,
    open_grid,
    page_ids,
    rank,
    words,
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return grid_workspace(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[Server]:
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def task(server: Server) -> str:
    return grid_task(server)


def other_tab(page: Page, server: Server, task: str) -> Page:
    """Another tab of the same person, one object at a time."""
    other = page.context.new_page()
    open_task(other, server, task)
    page.bring_to_front()
    return other


def answer_in(other: Page, key: str, object_id: str) -> None:
    """Answer an object in a tab that shows it, be it that it came unasked a moment ago."""
    eventually(lambda: on_screen(other) == object_id)
    other.wait_for_function("performance.now() > window.skysiftLabeller.answers.guardedUntil")
    other.wait_for_function("window.skysiftLabeller.visible !== null")
    assert press(other, key) == object_id
    all_saved(other)


def standing(server: Server, task: str) -> list[str]:
    """The objects of all answers that were not undone, in order."""
    events = server.events(task)
    undone = {event.undoes for event in events}
    return [one.object_id for one in events if one.action != "undo" and one.event_id not in undone]


def held_twice(page: Page) -> list[str]:
    """The objects that the page holds more than once."""
    held: list[str] = page.evaluate(
        "() => window.skysiftLabeller.queue.held.map((one) => one.object_id)"
    )
    return sorted(name for name in set(held) if held.count(name) > 1)


def test_undo_brings_the_page_back_as_it_was(page, server, task):
    first = open_grid(page, server, task)
    page.locator(".cell").nth(2).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("d")
    before = words(page)
    page.keyboard.press("Enter")
    second = page_ids(page, 9)
    page.locator(".cell").nth(8).click()
    page.keyboard.press("Enter")
    third = page_ids(page, 9)
    page.keyboard.press("u")
    eventually(lambda: ids_by_title(page) == second)
    assert page_ids(page, 9) == second
    assert words(page) == [*[COMMON] * 8, TARGET]
    page.keyboard.press("u")
    eventually(lambda: ids_by_title(page) == first)
    page_ids(page, 9)
    assert words(page) == before
    page.keyboard.press("u")
    page.locator(".notice", has_text="No page of this grid is left to undo").wait_for()
    all_saved(page)
    assert server.labels(task) == {}
    for expected in (first, second, third):
        assert page_ids(page, 9) == expected
        page.keyboard.press("Enter")
    all_saved(page)
    events = [one for one in answers(server, task) if one[1] != "undo"][18:]
    assert [one[0] for one in events] == [*first, *second, *third]
    assert [one[2] for one in events[:6]] == [COMMON, COMMON, TARGET, COMMON, COMMON, None]
    assert events[17][2] == TARGET


def test_a_new_ranking_during_an_undo_doubles_nothing(page, server, task):
    first = open_grid(page, server, task)
    page.locator(".cell").nth(2).click()
    before = words(page)
    page.keyboard.press("Enter")
    second = page_ids(page, 9)
    all_saved(page)
    posts: list[Any] = []

    def serve(route: Any) -> None:
        posts.append(route)
        if len(posts) != 5:
            route.continue_()

    page.route("**/api/undo", serve)
    page.keyboard.press("u")
    page.wait_for_function(
        "() => window.skysiftLabeller.grid.undoer.under?.length === 5", timeout=15_000
    )
    eventually(lambda: len(posts) == 5)
    with LabelsDB(server.workspace.labels) as db:
        rank(db, task, list(range(N_MANY)))  # what is undone comes first in it
    page.wait_for_function("window.skysiftLabeller.queue.modelVersion === 2")
    page.wait_for_function("!window.skysiftLabeller.queue.fetching")
    assert held_twice(page) == []
    posts[4].continue_()
    eventually(lambda: ids_by_title(page) == first)
    assert page_ids(page, 9) == first
    assert words(page) == before
    assert held_twice(page) == []
    for shown in (first, second):
        assert page_ids(page, 9) == shown
        page.keyboard.press("Enter")
    third = page_ids(page, 9)
    all_saved(page)
    assert standing(server, task) == [*first, *second]
    assert not set(third) & {*first, *second}


def test_an_undo_takes_back_its_own_page_and_no_later_answer(page, server, task):
    other = other_tab(page, server, task)
    first = open_grid(page, server, task)
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)
    answer_in(other, "1", "obj_009")
    page.keyboard.press("u")
    eventually(lambda: ids_by_title(page) == first)
    page_ids(page, 9)
    all_saved(page)
    assert server.labels(task) == {"obj_009": TARGET}
    undos = [one for one in server.events(task) if one.action == "undo"]
    assert [one.object_id for one in undos] == first[::-1]  # newest first


def test_what_another_tab_undid_is_no_obstacle(page, server, task):
    other = other_tab(page, server, task)
    first = open_grid(page, server, task)
    page.locator(".cell").nth(8).click()
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)
    eventually(lambda: on_screen(other) == "obj_009")
    other.keyboard.press("u")
    eventually(lambda: on_screen(other) == "obj_008")
    other.keyboard.press("u")
    eventually(lambda: on_screen(other) == "obj_007")
    answer_in(other, "3", "obj_007")  # anew: not this page's any more
    page.wait_for_function("window.skysiftLabeller.grid.undoer.pages[0].length === 8")
    page.keyboard.press("u")
    eventually(lambda: ids_by_title(page)[:8] == [*first[:7], "obj_008"])
    page_ids(page, 9)
    assert words(page)[7] == TARGET
    all_saved(page)
    assert server.labels(task) == {"obj_007": ARTEFACT}
    assert page.locator(".alert").is_hidden()
    assert page.evaluate("window.skysiftLabeller.grid.undoer.pages.length") == 0


def test_a_refused_undo_is_told_and_leaves_the_rest_to_be_undone(page, server, task):
    first = open_grid(page, server, task)
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)

    def serve(route: Any) -> None:
        if json.loads(route.request.post_data or "{}")["object_id"] == first[6]:
            route.fulfill(status=403, json={"error": "Not now."})
        else:
            route.continue_()

    page.route("**/api/undo", serve)
    page.keyboard.press("u")
    page.locator(".alert", has_text=f"Not undone: the answer “{COMMON}” for {first[6]}").wait_for()
    eventually(lambda: ids_by_title(page)[:2] == first[7:])
    assert list(server.labels(task)) == first[:7]
    page.unroute("**/api/undo")
    page_ids(page, 9)
    page.keyboard.press("u")
    eventually(lambda: ids_by_title(page) == first)
    all_saved(page)
    assert server.labels(task) == {}
    assert held_twice(page) == []


def test_what_another_tab_answered_goes_from_the_page(page, server, task):
    other = other_tab(page, server, task)
    first = open_grid(page, server, task)
    page.locator(".cell").nth(1).click()
    answer_in(other, "1", first[0])
    eventually(lambda: ids_by_title(page)[0] == "obj_009")
    page.locator(".notice", has_text=f"{first[0]} was answered in your other tab").wait_for()
    shown = page_ids(page, 9)
    assert shown == ["obj_009", *first[1:]]
    assert words(page)[:2] == [COMMON, TARGET]
    page.wait_for_function("performance.now() > window.skysiftLabeller.grid.guardedUntil")
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)
    assert standing(server, task) == [first[0], *shown]
    assert server.labels(task)[first[0]] == TARGET
    assert first[0] not in page.evaluate(
        "window.skysiftLabeller.queue.held.map((one) => one.object_id)"
    )


def test_no_press_on_its_way_is_for_what_came_in_its_place(page, server, task):
    shown = open_grid(page, server, task)
    page.evaluate(
        """id => { const { grid } = window.skysiftLabeller;
             grid.answeredElsewhere(id);
             grid.choosing.choose({ action: "label", class_name: "artefact" });
             grid.choosing.flag(); grid.confirm(); }""",
        shown[0],
    )
    assert page_ids(page, 9) == ["obj_009", *shown[1:]]
    assert words(page) == [COMMON] * 9
    page.keyboard.press("3")
    eventually(lambda: words(page) == [ARTEFACT, *[COMMON] * 8])
    all_saved(page)
    assert server.events(task) == []


def test_what_was_set_aside_and_answered_in_another_tab_does_not_come_back(page, server, task):
    other = other_tab(page, server, task)
    missing = "obj_002"
    page.route(
        f"**/api/image*{missing}*",
        lambda route: route.fulfill(status=404, json={"error": "Gone."}),
    )
    open_task(page, server, task)
    page.keyboard.press("g")
    page.get_by_label("Size of the grid").select_option("3")
    page.locator(".tally", has_text=f"Confirm 8 {COMMON}").wait_for()
    page.wait_for_function("performance.now() > window.skysiftLabeller.grid.guardedUntil")
    page.keyboard.press("Enter")
    page_ids(page, 9)
    answer_in(other, "1", missing)
    page.wait_for_function("window.skysiftLabeller.grid.aside.length === 0")
    page.keyboard.press("g")
    assert on_screen(page) == "obj_009"
    assert missing not in page.evaluate(
        "window.skysiftLabeller.queue.held.map((one) => one.object_id)"
    )
    assert server.labels(task)[missing] == TARGET
