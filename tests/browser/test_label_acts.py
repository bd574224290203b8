"""What the label page does beyond classes: don't know, redo, tags, own keys, questions, leases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from core.vocabulary import Action
from labels_db import ClassDetail, LabelsDB
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)

TREE = {
    "start": "smooth",
    "questions": [
        {
            "id": "smooth",
            "text": "Is it smooth?",
            "answers": [{"text": "Yes", "class": CLASSES[1]}, {"text": "No", "next": "nuclei"}],
        },
        {
            "id": "nuclei",
            "text": "Are there two nuclei?",
            "answers": [
                {"text": "Yes", "class": CLASSES[0]},
                {"text": "No", "class": CLASSES[2]},
            ],
        },
    ],
}


def change(server: Server, task: str, **changes: object) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.change_task(task, "owner", **changes)


def test_do_not_know_and_redo(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    first = press(page, "d")
    second = press(page, "1")
    all_saved(page)
    page.keyboard.press("u")
    expect(page.locator(".square img")).to_have_attribute("data-object-id", second)
    page.keyboard.press("r")
    expect(page.locator(".notice")).to_contain_text(f"Redone: {second}")
    assert on_screen(page) not in (first, second)
    all_saved(page)
    page.keyboard.press("r")
    expect(page.locator(".notice")).to_contain_text("nothing to redo")
    said = [(event.action, event.object_id) for event in server.events(task)]
    assert said == [
        (Action.UNSURE, first),
        (Action.LABEL, second),
        (Action.UNDO, second),
        (Action.LABEL, second),
    ]
    assert server.labels(task) == {second: CLASSES[0]}


def test_tags_go_with_the_answer_and_rest_for_the_next(
    page: Page, server: Server, task: str
) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.set_tags(task, ["tidal tail", "<i>ring</i>"], "owner")
    open_task(page, server, task)
    tag = page.get_by_role("button", name="<i>ring</i>")
    page.keyboard.press("Shift+Digit2")
    expect(tag).to_have_attribute("aria-pressed", "true")
    press(page, "1")
    expect(tag).to_have_attribute("aria-pressed", "false")
    press(page, "2")
    all_saved(page)
    assert [event.payload for event in server.events(task)] == [{"tags": ["<i>ring</i>"]}, None]


def test_a_class_on_a_key_of_its_own(page: Page, server: Server, task: str) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.change_class(task, CLASSES[2], "owner", key="0", colour="#00ff88")
        db.add_class(task, ClassDetail("ring", key="q", guideline="A closed ring."), "owner")
    open_task(page, server, task)
    expect(page.locator(".guidelines")).to_contain_text("A closed ring.")
    zero, ring = press(page, "0"), press(page, "q")
    all_saved(page)
    assert server.labels(task) == {zero: CLASSES[2], ring: "ring"}


def test_a_class_that_comes_while_one_labels(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    with LabelsDB(server.workspace.labels) as db:
        db.add_class(task, ClassDetail("ring"), "owner")
        db.retire_class(task, CLASSES[2], "owner")
    page.get_by_role("button", name="ring, key 3").wait_for(timeout=10_000)
    ring = press(page, "3")
    all_saved(page)
    assert server.labels(task) == {ring: "ring"}


def test_questions_of_a_tree(page: Page, server: Server, tree_task: str) -> None:
    open_task(page, server, tree_task)
    question = page.locator(".question")
    expect(question).to_have_text("Is it smooth?")
    first = on_screen(page)
    page.keyboard.press("2")
    expect(question).to_have_text("Are there two nuclei?")
    page.keyboard.press("Backspace")
    expect(question).to_have_text("Is it smooth?")
    page.keyboard.press("2")
    expect(question).to_have_text("Are there two nuclei?")
    assert on_screen(page) == first
    page.keyboard.press("1")
    expect(question).to_have_text("Is it smooth?")
    all_saved(page)
    (event,) = server.events(tree_task)
    assert (event.object_id, event.class_name) == (first, CLASSES[0])
    assert event.payload == {"path": [["smooth", "No"], ["nuclei", "Yes"]]}


def test_a_blind_task_shows_no_score(page: Page, server: Server, task: str) -> None:
    change(server, task, blind=True)
    open_task(page, server, task)
    expect(page.locator(".why")).to_contain_text("does not say why")
    expect(page.locator(".why meter, .why .score")).to_have_count(0)
    press(page, "1")
    all_saved(page)
    assert [event.prediction_visible for event in server.events(task)] == [False]


def test_closing_the_page_gives_its_objects_back(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    with LabelsDB(server.workspace.labels) as db:
        assert sum(db.n_leased(task).values()) > 10
        page.goto("about:blank")
        for _ in range(100):
            if not db.n_leased(task):
                break
            page.wait_for_timeout(50)
        assert db.n_leased(task) == {}


def test_what_went_to_somebody_else_is_kept_as_late(page: Page, server: Server, task: str) -> None:
    first = open_task(page, server, task)
    with LabelsDB(server.workspace.labels) as db:
        db.tables.execute("UPDATE leases SET expires_at = 1")
        taken = db.lease_next(task, "bob", 60)
        assert first in {item.object_id for item in taken.items}
    press(page, "1")
    expect(page.locator(".alert")).to_contain_text("Kept, not counted")
    expect(page.locator(".alert")).to_contain_text(first)
    assert [(event.object_id, event.late) for event in server.events(task)] == [(first, True)]
    assert server.labels(task) == {}


@pytest.fixture
def tree_task(server: Server, task: str) -> str:
    """The same task with questions; its queue is that of `task`."""
    with LabelsDB(server.workspace.labels) as db:
        spec = replace(db.task(task), name=f"{task}-tree", tree=TREE)
        made = db.create_task(spec)
        items = [replace(item, model_version=None) for item in db.next_items(task, 60)]
        (model,) = db.models(task)
        db.replace_queue(made.name, items, replace(model, task=made.name))
    return f"{task}-tree"


def test_another_task_with_the_same_classes(page: Page, server: Server, task: str) -> None:
    """The sidebar changes the task without a reload; keys answer in the new one at once."""
    with LabelsDB(server.workspace.labels) as db:
        other = db.create_task(replace(db.task(task), name=f"{task}-twin"))
        items = [replace(item, model_version=None) for item in db.next_items(task, 60)]
        (model,) = db.models(task)
        db.replace_queue(other.name, items, replace(model, task=other.name))
    open_task(page, server, task)
    press(page, "1")
    all_saved(page)
    page.get_by_role("combobox", name="Task").click()
    page.keyboard.type(other.name)  # of many tasks only the first are in the list
    page.get_by_role("option", name=other.name, exact=True).click()
    page.wait_for_function(f"window.skysiftLabeller.task?.task === '{other.name}'")
    shown = press(page, "2")
    all_saved(page)
    assert server.labels(other.name) == {shown: CLASSES[1]}


def test_what_somebody_else_left_unsaved_holds_up_nobody(
    page: Page, server: Server, task: str
) -> None:
    first = open_task(page, server, task)
    page.evaluate(
        """([task, name, chosen]) => { window.skysiftOutbox.add(`${location.origin}/api/events`, {
             event_id: crypto.randomUUID(), task, object_id: name, action: "label",
             class_name: chosen}, "person:999"); }""",
        [task, first, CLASSES[2]],
    )
    expect(page.locator(".saving")).to_contain_text("1 of somebody else wait")
    shown = press(page, "1")
    eventually(lambda: server.labels(task) == {shown: CLASSES[0]})
    page.evaluate("window.skysiftOutbox.entries = []")
