"""A flag, a note and marks are taken back: by key, in the history, and over a bad network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent
from tests.browser.conftest import CLASSES, Server, all_saved, open_task, press
from tests.browser.modes import forget_preferences

FLAG = ".chip.flag"
REFUSAL = json.dumps({"error": "The disk said no."})


@pytest.fixture(autouse=True)
def _afresh(server: Server) -> Iterator[None]:
    """Leave no mode and no unfolded panel to the tests that follow."""
    forget_preferences(server)
    yield
    forget_preferences(server)


def say(server: Server, task: str, object_id: str, who: str, action: Action, **more) -> str:
    """Record an event as somebody else's browser, or another tab, would."""
    event = NewEvent(str(uuid4()), task, object_id, 1, who, action, **more)
    with LabelsDB(server.workspace.labels) as db:
        db.record(event)
    return event.event_id


def done(server: Server, task: str) -> list[tuple[str, str | None]]:
    """What happened, in order, an undo with the kind of what it took back."""
    events = server.events(task)
    kinds = {event.event_id: str(event.action) for event in events}
    return [(str(event.action), kinds.get(event.undoes or "")) for event in events]


def notice(page: Page, text: str) -> None:
    expect(page.locator(".notice")).to_contain_text(text)


def refuse(route: Route) -> None:
    route.fulfill(status=422, content_type="application/json", body=REFUSAL)


def mark(page: Page, *places: tuple[float, float]) -> None:
    """Mark companions at pixels of the picture and save them, already while marking."""
    page.keyboard.press("3")
    for x, y in places:
        place = page.evaluate("([x, y]) => skysiftLabeller.stage.placeOf({x, y})", [x, y])
        page.locator(".frame").click(position=place)
    page.keyboard.press("Enter")
    notice(page, "saved")


def history(page: Page) -> Locator:
    """The lines of the history, unfolded."""
    fold = page.locator("details", has=page.get_by_role("heading", name="History"))
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    return page.locator(".past li")


def test_f_once_more_takes_the_flag_back(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("f")
    notice(page, f"{name} flagged")
    expect(page.locator(FLAG)).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator(FLAG)).to_have_count(0)
    notice(page, f"{name}: flag taken back")
    page.keyboard.press("f")
    notice(page, f"{name} flagged")
    assert done(server, task) == [("flag", None), ("undo", "flag"), ("flag", None)]
    # It is known of an object that comes from the queue, too.
    assert open_task(page, server, task) == name
    expect(page.locator(FLAG)).to_be_visible()
    page.keyboard.press("f")
    notice(page, "flag taken back")
    with LabelsDB(server.workspace.labels) as db:
        assert not db.is_flagged(task, name)
    page.keyboard.press("r")
    notice(page, "nothing to redo")


def test_an_answer_and_its_undo_keep_the_flag(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("f")
    press(page, "1")
    page.keyboard.press("u")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", name)
    expect(page.locator(FLAG)).to_be_visible()
    page.keyboard.press("f")
    notice(page, "flag taken back")
    assert [kind for kind, _ in done(server, task)] == ["flag", "label", "undo", "undo"]
    assert done(server, task)[-1] == ("undo", "flag")


def test_it_waits_for_a_flag_in_flight(page: Page, server: Server, task: str) -> None:
    held: list[Route] = []
    page.route("**/api/events", lambda route: held.append(route))
    open_task(page, server, task)
    page.keyboard.press("f")
    page.keyboard.press("f")
    expect(page.locator(FLAG)).to_have_count(0)
    expect(page.locator(".saving")).to_contain_text("2 unsaved answers")
    assert len(held) == 1
    held[0].continue_()
    all_saved(page)
    assert done(server, task) == [("flag", None), ("undo", "flag")]
    page.unroute("**/api/events")


def test_it_outlives_a_dead_network_and_a_closed_tab(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    name = open_task(page, server, task)
    page.route("**/api/events", lambda route: route.abort())
    page.keyboard.press("f")
    press(page, "2")
    page.keyboard.press("u")
    page.evaluate(f"skysiftLabeller.open('{name}')")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", name)
    page.wait_for_function("skysiftOutbox.size === 3 && skysiftOutbox.safe")
    flag = page.evaluate("skysiftOutbox.entries[0].body.event_id")
    page.evaluate(
        "id => { skysiftLabeller.answers.remarks.takeBack({event_id: id, action: 'flag'},"
        " skysiftLabeller.current); }",
        flag,
    )
    page.wait_for_function("skysiftOutbox.size === 4 && skysiftOutbox.safe")
    page.close()
    later = context.new_page()
    open_task(later, server, task)
    all_saved(later)
    assert done(server, task) == [
        *[("flag", None), ("label", None)],
        *[("undo", "label"), ("undo", "flag")],
    ]


def test_a_flag_that_was_refused_is_told_once(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    held: list[Route] = []
    page.route("**/api/events", lambda route: held.append(route))
    page.keyboard.press("f")
    page.keyboard.press("f")
    expect(page.locator(".saving")).to_contain_text("2 unsaved answers")
    refuse(held[0])
    all_saved(page)
    notice(page, "flag taken back")
    expect(page.locator(".alert p")).to_have_text(
        [f"Not saved: the flag for {name}. The disk said no."]
    )
    expect(page.locator(FLAG)).to_have_count(0)
    assert server.events(task) == []
    page.unroute("**/api/events")


def test_what_cannot_be_taken_back_stands_and_is_told(
    page: Page, server: Server, task: str
) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("f")
    notice(page, "flagged")
    page.route("**/api/undo", refuse)
    page.keyboard.press("f")
    expect(page.locator(".alert")).to_contain_text(f"Not taken back: the flag for {name}")
    expect(page.locator(".alert")).to_contain_text("The disk said no.")
    expect(page.locator(FLAG)).to_be_visible()
    page.unroute("**/api/undo")
    page.keyboard.press("f")
    notice(page, "flag taken back")
    expect(page.locator(FLAG)).to_have_count(0)


def test_what_another_tab_took_back_is_gone(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("f")
    notice(page, "flagged")
    (flag,) = server.events(task)
    say(server, task, name, flag.annotator, Action.UNDO, undoes=flag.event_id)
    page.keyboard.press("f")
    notice(page, "flag taken back")
    expect(page.locator(FLAG)).to_have_count(0)
    expect(page.locator(".alert")).to_be_hidden()
    page.keyboard.press("f")
    notice(page, "flagged")
    expect(page.locator(FLAG)).to_be_visible()


def test_the_flag_of_somebody_else_stands(page: Page, server: Server, task: str) -> None:
    say(server, task, "obj_07", "bob", Action.FLAG)
    open_task(page, server, task, object="obj_07")
    expect(page.locator(FLAG)).to_be_visible()
    page.keyboard.press("f")
    notice(page, "obj_07 flagged")
    page.keyboard.press("f")
    notice(page, "that of somebody else stands")
    expect(page.locator(FLAG)).to_be_visible()
    assert done(server, task) == [("flag", None), ("flag", None), ("undo", "flag")]


def test_f_in_the_grid_takes_the_flag_back(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("g")
    expect(page.locator(".cell:has(img[data-object-id])")).not_to_have_count(0)
    cell = page.locator(".cell").first
    page.keyboard.press("f")
    notice(page, "flagged")
    flagged = re.compile("flagged")
    expect(cell).to_have_attribute("aria-label", flagged)
    page.keyboard.press("f")
    notice(page, "flag taken back")
    expect(cell).not_to_have_attribute("aria-label", flagged)
    assert done(server, task) == [("flag", None), ("undo", "flag")]


def test_the_history_takes_back_what_is_ones_own(page: Page, server: Server, task: str) -> None:
    name = "obj_11"
    say(server, task, name, "bob", Action.NOTE, note="of bob")
    open_task(page, server, task, object=name)
    page.keyboard.press("m")
    mark(page, (20, 20), (30, 30))
    page.keyboard.press("n")
    page.get_by_label("Note", exact=True).fill("<i>mine")
    page.keyboard.press("Enter")
    page.keyboard.press("f")
    notice(page, "flagged")
    press(page, "1")
    open_task(page, server, task, object=name)
    expect(page.locator(".mark.own")).to_have_count(2)
    lines = history(page)
    expect(lines).to_have_count(5)
    expect(lines.get_by_role("button")).to_have_count(3)  # the answer and bob's note have none
    for what, gone in (("flagged", FLAG), ("wrote a note", ".chip"), ("marked", ".mark")):
        line = lines.filter(has_text=f"you {what}")
        line.get_by_role("button", name="Take back").focus()
        page.keyboard.press("Enter")
        expect(line).to_contain_text("(taken back)")
        expect(line.get_by_role("button")).to_have_count(0)
        expect(page.locator(".past")).to_be_focused()
        left = page.locator(gone)
        expect(left.filter(has_text="mine") if gone == ".chip" else left).to_have_count(0)
    notice(page, "Marks taken back")
    expect(page.locator(".notes li")).to_have_count(1)
    expect(page.locator(".notes li")).to_contain_text("of bob")
    all_saved(page)
    undone = [("undo", "flag"), ("undo", "note"), ("undo", "mark")]
    assert [one for one in done(server, task) if one[0] == "undo"] == undone
    assert server.labels(task) == {name: CLASSES[0]}
    open_task(page, server, task, object=name)
    expect(history(page).filter(has_text="(taken back)")).to_have_count(3)
    expect(page.locator(f"{FLAG}, .mark")).to_have_count(0)


def test_a_note_is_taken_back_where_it_stands(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    for _ in range(2):
        page.keyboard.press("n")
        page.get_by_label("Note", exact=True).fill("twice")
        page.keyboard.press("Enter")
    notes = page.locator(".notes li")
    expect(notes.get_by_role("button", name="Take back")).to_have_count(2)
    notes.get_by_role("button", name="Take back").first.click()
    notice(page, "Note taken back")
    expect(notes).to_have_count(1)
    expect(page.locator(".chip")).to_have_text(["“twice”"])
    page.wait_for_timeout(1200)  # the history is read again
    expect(notes).to_have_count(1)
    with LabelsDB(server.workspace.labels) as db:
        assert len(db.notes(task, server.events(task)[0].object_id)) == 1


def test_backspace_while_marking_takes_back_what_was_saved_last(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    mark(page, (20, 20))
    page.keyboard.press("m")
    mark(page, (30, 30), (34, 34))
    page.keyboard.press("m")
    place = page.evaluate("skysiftLabeller.stage.placeOf({x: 10, y: 10})")
    page.locator(".frame").click(position=place)
    expect(page.locator(".mark.fresh")).to_have_count(1)
    remove = page.locator(".markbar").get_by_role("button", name="Remove last")
    page.keyboard.press("Backspace")
    expect(page.locator(".mark.fresh")).to_have_count(0)
    expect(page.locator(".mark.own")).to_have_count(3)  # what is saved is not touched yet
    expect(remove).to_have_count(0)
    page.keyboard.down("Backspace")
    notice(page, "2 marks taken back")
    page.keyboard.down("Backspace")  # held down
    page.keyboard.up("Backspace")
    page.wait_for_timeout(200)
    expect(page.locator(".mark.own")).to_have_count(1)
    page.locator(".markbar").get_by_role("button", name="Take back saved").click()
    notice(page, "1 mark taken back")
    expect(page.locator(".mark")).to_have_count(0)
    expect(remove).to_be_disabled()
    page.keyboard.press("Delete")
    notice(page, "Nothing is marked yet")
    all_saved(page)
    assert done(server, task) == [*[("mark", None)] * 2, *[("undo", "mark")] * 2]


def test_saved_marks_are_drawn_after_a_reload_an_answer_and_its_undo(
    page: Page, server: Server, task: str
) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("m")
    mark(page, (20, 20))
    all_saved(page)
    assert open_task(page, server, task) == name
    expect(page.locator(".mark.own")).to_have_count(1)
    press(page, "1")
    expect(page.locator(".mark")).to_have_count(0)
    page.keyboard.press("u")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", name)
    expect(page.locator(".mark.own")).to_have_count(1)
    page.keyboard.press("m")
    page.keyboard.press("Backspace")
    notice(page, "1 mark taken back")
    page.keyboard.press("Escape")
    press(page, "2")
    page.keyboard.press("u")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", name)
    page.wait_for_timeout(300)
    expect(page.locator(".mark")).to_have_count(0)


def test_marks_taken_back_before_they_were_refused_do_not_come_back(
    page: Page, server: Server, task: str
) -> None:
    held: list[Route] = []
    page.route("**/api/events", lambda route: held.append(route))
    open_task(page, server, task)
    page.keyboard.press("m")
    page.keyboard.press("3")
    place = page.evaluate("skysiftLabeller.stage.placeOf({x: 20, y: 20})")
    page.locator(".frame").click(position=place)
    page.keyboard.press("Enter")
    expect(page.locator(".mark.own")).to_have_count(1)
    page.keyboard.press("m")
    page.keyboard.press("Backspace")
    expect(page.locator(".mark")).to_have_count(0)
    expect(page.locator(".saving")).to_contain_text("2 unsaved answers")
    refuse(held[0])
    all_saved(page)
    expect(page.locator(".mark")).to_have_count(0)
    expect(page.locator(".alert p")).to_have_count(1)
    assert server.events(task) == []
    page.unroute("**/api/events")
