"""One press is one answer, for the object on screen, and none is lost."""

from __future__ import annotations

import json
import time

import pytest

from tests.browser.conftest import (
    CLASSES,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
    until_seen,
)


def test_thirty_presses_at_ten_a_second_are_all_saved_in_order(page, server, task):
    open_task(page, server, task)
    page.wait_for_timeout(1500)  # a person looks before they hurry: pictures are decoded ahead
    # Recorded in the page, at the very moment of the press.
    page.evaluate(
        """() => { window.seen = []; window.addEventListener("keydown", () => {
             const host = [...document.querySelectorAll("*")].find((n) => n.shadowRoot
               ?.querySelector(".square img"));
             window.seen.push(host?.shadowRoot.querySelector(".square img").dataset.objectId);
           }, true); }"""
    )
    began = time.monotonic()
    for number in range(30):
        page.keyboard.press("123"[number % 3])
        time.sleep(max(0.0, began + 0.1 * (number + 1) - time.monotonic()))
    all_saved(page)
    eventually(lambda: len(server.events(task)) == 30)
    events = server.events(task)
    assert [event.object_id for event in events] == page.evaluate("window.seen")
    assert [event.class_name for event in events] == [CLASSES[i % 3] for i in range(30)]
    assert len({event.object_id for event in events}) == 30


def test_after_visits_to_other_pages_one_press_is_one_answer(page, server, task):
    open_task(page, server, task)
    for _ in range(2):
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("heading", name="Runs").wait_for()
        page.keyboard.press("1")  # not on the label page: means nothing
        page.get_by_role("link", name="Label").click()
        on_screen(page)
    shown = press(page, "2")
    all_saved(page)
    page.wait_for_timeout(300)
    assert [(e.object_id, e.class_name) for e in server.events(task)] == [(shown, CLASSES[1])]


def test_a_key_held_down_is_one_answer(page, server, task):
    shown = open_task(page, server, task)
    page.keyboard.down("1")
    for _ in range(5):
        page.keyboard.down("1")  # what auto-repeat sends
    page.keyboard.up("1")
    page.keyboard.press("Control+2")
    all_saved(page)
    page.wait_for_timeout(300)
    assert [event.object_id for event in server.events(task)] == [shown]


def test_skip_flag_note_and_help(page, server, task):
    shown = open_task(page, server, task)
    until_seen(lambda: page.keyboard.press("f"), page.locator(".chip.flag"))
    page.keyboard.press("n")
    page.keyboard.type("2 cores? <i>s</i> 1")  # keys are letters while typing
    page.keyboard.press("Enter")
    page.locator(".chip", has_text="2 cores? <i>s</i> 1").wait_for()
    page.keyboard.press("n")
    page.keyboard.type("never mind")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator("dialog.sheet[open]").wait_for()
    page.keyboard.press("1")  # the sheet is in front
    page.keyboard.press("?")
    assert on_screen(page) == shown
    page.keyboard.press("s")
    eventually(lambda: on_screen(page) != shown)
    all_saved(page)
    events = server.events(task)
    assert [str(event.action) for event in events] == ["flag", "note", "skip"]
    assert {event.object_id for event in events} == {shown}
    assert events[1].note == "2 cores? <i>s</i> 1"


def test_class_names_are_text_and_buttons_answer(page, server, task):
    shown = open_task(page, server, task)
    button = page.get_by_role("button", name="<b>one</b>, key 2")
    assert button.locator("b").count() == 0
    button.click()
    all_saved(page)
    assert server.labels(task) == {shown: "<b>one</b>"}
    second = press(page, "1")  # keys go on after a click
    all_saved(page)
    assert server.labels(task)[second] == CLASSES[0]


def test_a_link_opens_its_object(page, server, task):
    assert open_task(page, server, task, object="obj_33") == "obj_33"
    assert press(page, "3") == "obj_33"
    all_saved(page)
    assert server.labels(task) == {"obj_33": CLASSES[2]}
    page.goto(f"{server.origin}/?task={task}&object=none%3Cb%3E")
    page.locator(".alert", has_text="no object 'none<b>'").wait_for()
    assert on_screen(page) != "obj_33"


def test_neighbours_open_on_a_click(page, server, task):
    shown = open_task(page, server, task)
    near = page.locator(".near").first
    near.wait_for()
    name = (near.get_attribute("title") or "").split(",")[0]
    near.click()
    eventually(lambda: on_screen(page) == name)
    press(page, "1")
    eventually(lambda: on_screen(page) == shown)


def test_a_save_that_fails_for_good_is_unmistakable_and_comes_back(page, server, task):
    shown = open_task(page, server, task)
    refusal = json.dumps({"error": "The disk said no."})
    page.route(
        "**/api/events",
        lambda route: route.fulfill(status=422, content_type="application/json", body=refusal),
    )
    page.keyboard.press("1")
    page.locator(".alert", has_text=f"Not saved: the answer “{CLASSES[0]}” for {shown}").wait_for()
    page.locator(".alert", has_text="The disk said no.").wait_for()
    eventually(lambda: on_screen(page) == shown)
    page.unroute("**/api/events")
    page.keyboard.press("3")  # was on its way, meant for the object that was there before
    page.locator(".notice", has_text="just come on screen unasked").wait_for()
    page.wait_for_timeout(800)
    page.keyboard.press("2")
    all_saved(page)
    assert server.labels(task) == {shown: CLASSES[1]}
    assert page.locator(".alert").is_hidden()


def test_a_missing_picture_is_never_answered(page, server, task):
    page.route("**/api/image*size=512*", lambda route: route.fulfill(status=404, body="{}"))
    page.goto(f"{server.origin}/?task={task}")
    page.locator(".message", has_text="No picture of").wait_for(timeout=30_000)
    page.keyboard.press("1")
    page.locator(".notice", has_text="Not taken").wait_for()
    page.keyboard.press("s")
    all_saved(page)
    assert [str(event.action) for event in server.events(task)] == ["skip"]


def test_a_picture_of_another_object_is_refused(page, server, task):
    def swap(route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "x-object-id": "another"})

    page.route("**/api/image*size=512*", swap)
    page.goto(f"{server.origin}/?task={task}")
    page.locator(".message", has_text="the picture of another instead").wait_for(timeout=30_000)
    assert page.locator(".square img").count() == 0


@pytest.mark.parametrize("size", [(1280, 700), (1280, 1200), (1920, 1080), (760, 1400)])
def test_the_whole_picture_is_on_screen_undistorted(page, server, task, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_task(page, server, task)
    picture = page.locator(".square img").bounding_box()
    frame = page.locator(".frame").bounding_box()
    assert picture
    assert frame
    assert picture["width"] == pytest.approx(picture["height"], abs=1)
    assert picture["width"] >= 200
    for start, length in (("x", "width"), ("y", "height")):
        assert picture[start] >= frame[start] - 1
        assert picture[start] + picture[length] <= frame[start] + frame[length] + 1
    assert frame["y"] + frame["height"] <= size[1]


def test_narrow_screen_has_everything_without_sideways_scrolling(page, server, task):
    page.set_viewport_size({"width": 420, "height": 900})
    shown = open_task(page, server, task)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.locator(".answer").all():
        box = button.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 420
    page.get_by_role("button", name="artefact, key 3").click()
    all_saved(page)
    assert server.labels(task) == {shown: CLASSES[2]}
