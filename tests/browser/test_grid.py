"""The grid: all start as the common class, exceptions are pressed, one key confirms the page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from core.vocabulary import Role
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    sign_in,
)
from tests.browser.grids import (
    ARTEFACT,
    COMMON,
    N_MANY,
    TARGET,
    answers,
    grid_task,
    grid_workspace,
    ids,
    ids_by_title,
    open_grid,
    page_ids,
    rank,
    words,
)
from tests.browser.modes import go_on


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


def test_a_page_is_confirmed_in_reading_order_with_its_exceptions(page, server, task):
    shown = open_grid(page, server, task)
    assert shown == [f"obj_{number:03d}" for number in range(9)]
    # The class of most answers that is not the target; with none, the first such.
    assert page.get_by_label("Class that all start as").input_value() == COMMON
    assert words(page) == [COMMON] * 9
    page.locator(".cell").nth(4).click()
    page.locator(".cell").nth(7).click(modifiers=["Shift"])
    page.locator(".tally", has_text=f"Confirm 1 {TARGET}, 7 {COMMON}, 1 {ARTEFACT}").wait_for()
    page.keyboard.press("Enter")
    after = page_ids(page, 9)
    assert after == [f"obj_{number:03d}" for number in range(9, 18)]
    assert words(page) == [COMMON] * 9
    all_saved(page)
    expected = [COMMON] * 9
    expected[4], expected[7] = TARGET, ARTEFACT
    assert answers(server, task) == [
        (name, "label", word) for name, word in zip(shown, expected, strict=True)
    ]
    for event in server.events(task):
        assert event.shown_at
        assert event.answered_at
        assert event.shown_at < event.answered_at
        assert event.sampler == "anomaly"  # under the lease that each was given by


def test_keys_are_for_the_outlined_cell(page, server, task):
    shown = open_grid(page, server, task)
    outlined = page.locator(".cell.at")
    assert outlined.get_attribute("title") == shown[0]
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert outlined.get_attribute("title") == shown[4]
    page.keyboard.press("d")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # there is no row below
    assert outlined.get_attribute("title") == shown[7]
    page.keyboard.press("s")
    page.keyboard.press("End")
    page.keyboard.press("f")
    page.locator(".cell.at .cellflag:visible").wait_for()
    page.keyboard.press("Home")
    page.keyboard.press("3")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("3")
    page.keyboard.press("2")  # back to what all start as
    page.locator(".cell").nth(2).hover()
    assert outlined.get_attribute("title") == shown[2]
    page.keyboard.press("3")
    assert page.evaluate("window.skysiftLabeller.shadow.activeElement.title") == shown[2]
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)
    expected: dict[str, tuple[str, str | None]] = dict.fromkeys(shown, ("label", COMMON))
    expected[shown[0]] = ("label", TARGET)
    expected[shown[2]] = ("label", ARTEFACT)
    expected[shown[4]] = ("unsure", None)
    expected[shown[6]] = ("label", ARTEFACT)
    expected[shown[7]] = ("skip", None)
    events = answers(server, task)
    assert events[0] == (shown[8], "flag", None)
    assert events[1:] == [(name, *expected[name]) for name in shown]


def test_a_cell_has_the_name_and_its_picture_keeps_its_own_for_the_stage(page, server, task):
    shown = open_grid(page, server, task)
    cell = page.locator(".cell").first
    assert cell.get_attribute("aria-label") == f"{shown[0]}, {COMMON}"
    assert cell.locator("img").evaluate("img => img.closest('[aria-hidden=true]') !== null")
    assert cell.locator("img").get_attribute("alt") == f"Object {shown[0]}"


def test_the_common_class_and_the_size_are_chosen_and_kept(page, server, task):
    shown = open_grid(page, server, task, side=4)
    page.locator(".cell").nth(1).click()
    page.get_by_label("Class that all start as").select_option(ARTEFACT)
    assert words(page) == [ARTEFACT, TARGET, *[ARTEFACT] * 14]
    page.get_by_label("Size of the grid").select_option("3")
    assert page_ids(page, 9) == shown[:9]
    assert words(page) == [ARTEFACT, TARGET, *[ARTEFACT] * 7]
    page.wait_for_timeout(800)  # preferences are kept a moment later
    page.reload()
    assert page_ids(page, 9) == shown[:9]
    assert words(page) == [ARTEFACT] * 9
    assert page.get_by_role("button", name="Grid").get_attribute("aria-pressed") == "true"


def test_the_common_class_is_that_of_most_answers_so_far(page, server, task):
    open_task(page, server, task)
    for _ in range(2):
        go_on(page, "3")
    page.keyboard.press("1")
    all_saved(page)
    page.keyboard.press("g")
    page.locator(".cell").first.wait_for()
    assert page.get_by_label("Class that all start as").input_value() == ARTEFACT


def test_nothing_is_confirmed_unseen(page, server, task):
    held: list[Any] = []
    missing = "obj_004"

    def serve(route: Any) -> None:
        if missing in route.request.url and "size=512" not in route.request.url:
            route.fulfill(status=404, content_type="application/json", body='{"error": "Gone."}')
        elif "obj_002" in route.request.url and "size=512" not in route.request.url:
            held.append(route)
        else:
            route.continue_()

    open_task(page, server, task)
    page.route("**/api/image*", serve)
    page.keyboard.press("g")
    page.get_by_label("Size of the grid").select_option("3")
    page.locator(".gridleft", has_text="1 not seen yet").wait_for()
    page.locator(".gridleft", has_text="1 without a picture").wait_for()
    assert page.locator(".cell.faulty").get_attribute("title") == missing
    page.locator(".tally", has_text=f"Confirm 7 {COMMON}").wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    eventually(lambda: len(server.labels(task)) == 7)
    assert set(server.labels(task)) == {f"obj_{n:03d}" for n in (0, 1, 3, 5, 6, 7, 8)}
    # What is not seen yet comes first on the next page, what has no picture not at all.
    assert ids_by_title(page)[:2] == ["obj_002", "obj_009"]
    assert missing not in ids_by_title(page)
    for route in held:
        route.continue_()
    page.unroute("**/api/image*")
    page_ids(page, 9)
    page.keyboard.press("Enter")
    eventually(lambda: "obj_002" in server.labels(task))
    page.keyboard.press("g")  # given back: one at a time shows what the grid has left
    page.locator(".square img").wait_for()
    left = page.evaluate("window.skysiftLabeller.queue.items.map((one) => one.object_id)")
    assert missing in left
    assert page.evaluate("window.skysiftLabeller.queue.taken.size") == 0


def test_a_second_enter_at_once_confirms_nothing(page, server, task):
    shown = open_grid(page, server, task)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page_ids(page, 9)
    all_saved(page)
    assert list(server.labels(task)) == shown


def test_a_new_ranking_leaves_the_page_and_changes_the_next(page, server, task):
    shown = open_grid(page, server, task)
    page.locator(".cell").nth(3).click()
    with LabelsDB(server.workspace.labels) as db:
        rank(db, task, list(range(N_MANY - 1, -1, -1)))
    eventually(lambda: page.evaluate("window.skysiftLabeller.queue.modelVersion") == 2)
    page.wait_for_timeout(300)
    assert ids(page) == shown
    assert words(page)[3] == TARGET
    page.keyboard.press("Enter")
    after = page_ids(page, 9)
    # All but the next two of the old ranking are replaced.
    assert after == ["obj_009", "obj_010", *(f"obj_{n}" for n in range(199, 192, -1))]
    all_saved(page)
    assert list(server.labels(task)) == shown


def test_sixty_four_at_once_with_the_server_killed_are_all_saved_in_order(
    page: Page, workspace: Workspace, server: Server, task: str
):
    first = open_grid(page, server, task, side=8)
    exceptions = [5, 40, 63]
    for index in exceptions:
        page.locator(".cell").nth(index).click()
    page.wait_for_timeout(1500)  # the next page is decoded ahead
    page.keyboard.press("Enter")
    second = page_ids(page, 64)
    page.keyboard.press("Enter")
    eventually(lambda: len(server.labels(task)) > 70)
    server.kill()
    page.locator(".saving", has_text="kept here").wait_for()
    time.sleep(0.5)
    server.start()
    all_saved(page)
    events = answers(server, task)
    assert [one[0] for one in events] == [*first, *second]
    expected = [TARGET if index in exceptions else COMMON for index in range(64)]
    assert [one[2] for one in events] == [*expected, *[COMMON] * 64]
    page.locator(".cell").first.wait_for()


def test_a_refused_answer_comes_back_with_its_choice(page, server, task):
    shown = open_grid(page, server, task)
    page.locator(".cell").nth(1).click()
    refuse = f'"object_id":"{shown[1]}"'

    def serve(route: Any) -> None:
        if refuse in (route.request.post_data or ""):
            route.fulfill(status=422, content_type="application/json", body='{"error": "No."}')
        else:
            route.continue_()

    page.route("**/api/events", serve)
    page.keyboard.press("Enter")
    page.locator(".alert", has_text=f"Not saved: the answer “{TARGET}” for {shown[1]}").wait_for()
    page.unroute("**/api/events")
    all_saved(page)
    assert set(server.labels(task)) == set(shown) - {shown[1]}
    page_ids(page, 9)
    page.keyboard.press("Enter")
    eventually(lambda: shown[1] in ids_by_title(page))
    page_ids(page, 9)
    assert words(page)[ids(page).index(shown[1])] == TARGET


def test_a_queue_that_runs_dry_says_so_and_goes_on(page, server, task):
    with LabelsDB(server.workspace.labels) as db:
        rank(db, task, list(range(5)))
    open_task(page, server, task)
    page.keyboard.press("g")
    page.get_by_label("Size of the grid").select_option("3")
    page.locator(".tally", has_text=f"Confirm 5 {COMMON}").wait_for()
    assert ids_by_title(page)[5:] == [""] * 4
    page.locator(".gridleft", has_text="no more objects for the free places").wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.locator(".gridmessage", has_text="Nothing left").wait_for()
    all_saved(page)
    assert list(server.labels(task)) == [f"obj_{number:03d}" for number in range(5)]
    with LabelsDB(server.workspace.labels) as db:
        rank(db, task, list(range(5, N_MANY)))
    assert page_ids(page, 9) == [f"obj_{number:03d}" for number in range(5, 14)]
    assert page.locator(".gridmessage").is_hidden()


def test_a_viewer_looks_and_confirms_nothing(server, chromium, task):
    with LabelsDB(server.workspace.labels) as db:
        db.add_person("Looker", Role.VIEWER, "owner")
        secret = db.invite("Looker", "owner")
    context = chromium.new_context(viewport={"width": 1280, "height": 850})
    page = context.new_page()
    sign_in(page, server, secret)
    open_task(page, server, task)
    page.keyboard.press("g")
    page.locator(".cell img").first.wait_for()
    page.locator(".cell").first.click()
    page.locator(".notice", has_text="You are here to look").wait_for()
    page.keyboard.press("Enter")
    assert page.locator(".confirm").is_disabled()
    assert server.events(task) == []
    context.close()


def test_a_task_with_a_tree_has_no_grid(page, server, task):
    tree = {
        "start": "a",
        "questions": [
            {
                "id": "a",
                "text": "Is it round?",
                "answers": [
                    {"text": "yes", "class": CLASSES[0]},
                    {"text": "no", "class": CLASSES[1]},
                    {"text": "not at all", "class": CLASSES[2]},
                ],
            }
        ],
    }
    name = f"{task}-tree"
    with LabelsDB(server.workspace.labels) as db:
        db.create_task(TaskSpec(name, "blobs", "How?", CLASSES, CLASSES[0], tree=tree))
        rank(db, name, list(range(N_MANY)))
    shown = open_task(page, server, name)
    page.keyboard.press("g")
    page.locator(".notice", has_text="one at a time").wait_for()
    assert page.locator(".cell").count() == 0
    assert on_screen(page) == shown


def test_by_touch_on_a_narrow_screen(server, chromium, task):
    context = chromium.new_context(
        viewport={"width": 420, "height": 900}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    sign_in(page, server)
    open_task(page, server, task)
    page.get_by_role("button", name="Grid").tap()
    page.get_by_label("Size of the grid").select_option("8")
    shown = page_ids(page, 64)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator(".cell").first.bounding_box()
    assert box
    assert box["width"] >= 38.4  # 2.4 rem: a finger's width
    page.locator(".cell").nth(9).tap()
    page.locator(".cell").nth(10).tap()
    page.locator(".brushes").get_by_role("button", name=ARTEFACT).tap()
    page.locator(".confirm").tap()
    page.wait_for_function("window.skysiftLabeller.grid.undoer.pages.length === 1")
    all_saved(page)
    labels = server.labels(task)
    assert list(labels) == shown
    assert labels[shown[9]] == TARGET
    assert labels[shown[10]] == ARTEFACT
    assert sum(word == COMMON for word in labels.values()) == 62
    context.close()
