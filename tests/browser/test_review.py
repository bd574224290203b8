"""Two annotators differ; the owner settles it by key, on the Review page."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from core.vocabulary import Action, Role, Settled
from labels_db import LabelsDB, NewEvent
from tests.browser.conftest import CLASSES, Server, eventually, sign_in

PEOPLE = ("Reviewed Rita", "Reviewed Raj")


@pytest.fixture
def disputed(server: Server, task: str) -> list[str]:
    """Objects of the task on which two annotators differ, in the order of their disputes."""
    names = ["obj_03", "obj_08", "obj_21"]
    with LabelsDB(server.workspace.labels) as db:
        db.change_task(task, "owner", answers_per_object=2)
        for name in names:
            for who, class_name in zip(PEOPLE, CLASSES, strict=False):
                event = NewEvent(
                    str(uuid4()), task, name, 1, who, Action.LABEL, class_name, confidence=0.5
                )
                db.record(event)
    return names


@pytest.fixture
def annotator(chromium: Browser, server: Server) -> Iterator[Page]:
    """A page of somebody who was invited to answer."""
    with LabelsDB(server.workspace.labels) as db:
        name = f"Guest {len(db.people())}"
        db.add_person(name, Role.ANNOTATOR, "owner")
        secret = db.invite(name, "owner")
    context = chromium.new_context(viewport={"width": 1280, "height": 850})
    page = context.new_page()
    sign_in(page, server, secret)
    yield page
    context.close()


def open_review(page: Page, server: Server, task: str, query: str = "") -> None:
    page.goto(f"{server.origin}/review?task={task}{query}")
    page.get_by_role("heading", name="Review").wait_for(timeout=30_000)


def on_review(page: Page, object_id: str) -> None:
    """Wait until this object's picture is drawn, and decoded."""
    page.locator(f'.review-picture img[data-object-id="{object_id}"]').wait_for(timeout=20_000)
    page.wait_for_function(
        "name => { const one = document.querySelector('.review-picture img');"
        " return one?.dataset.objectId === name && one.complete && one.naturalWidth > 0; }",
        arg=object_id,
    )
    page.wait_for_timeout(600)  # a person looks; a press before that is not taken


def at_once(page: Page, keys: str) -> None:
    """Press keys faster than anything can be drawn between them."""
    page.evaluate(
        """keys => { for (const key of keys) {
             const code = key > "9" ? `Key${key.toUpperCase()}` : `Digit${key}`;
             for (const type of ["keydown", "keyup"])
               document.body.dispatchEvent(new KeyboardEvent(type, {key, code, bubbles: true}));
           } }""",
        keys,
    )


def adjudications(server: Server, task: str) -> list[tuple[str, str | None]]:
    return [
        (event.object_id, event.class_name)
        for event in server.events(task)
        if event.action is Action.ADJUDICATE
    ]


def test_the_owner_settles_a_dispute_by_its_key(page, server, task, disputed):
    open_review(page, server, task)
    on_review(page, disputed[0])
    for who in PEOPLE:
        page.locator(".review-said li", has_text=who).wait_for()
    page.keyboard.press("2")
    on_review(page, disputed[1])
    with LabelsDB(server.workspace.labels) as db:
        label = db.current_label(task, disputed[0])
        assert label is not None
        assert (label.class_name, label.how) == (CLASSES[1], Settled.ADJUDICATED)
        assert [one.object_id for one in db.disputes(task)] == disputed[1:]
    page.get_by_role("button", name="Undo the last").wait_for()
    page.keyboard.press("u")
    on_review(page, disputed[0])
    assert disputed[0] not in server.labels(task)
    page.get_by_role("button", name="Undo the last").wait_for(state="detached")
    page.keyboard.press("d")
    on_review(page, disputed[1])
    assert adjudications(server, task) == [(disputed[0], CLASSES[1]), (disputed[0], None)]


def test_a_second_press_before_the_next_picture_settles_nothing_more(page, server, task, disputed):
    open_review(page, server, task)
    on_review(page, disputed[0])
    at_once(page, "131")  # but for the first, meant for pictures that nobody has seen
    page.wait_for_timeout(2000)
    # Two keys that reach the server in one message are not taken at all.
    assert adjudications(server, task) in ([], [(disputed[0], CLASSES[0])])
    taken = adjudications(server, task)
    at_once(page, "s1")
    page.wait_for_timeout(2000)
    assert adjudications(server, task) == taken
    shown = page.locator(".review-picture img").get_attribute("data-object-id")
    at_once(page, "3")
    eventually(lambda: adjudications(server, task) == [*taken, (shown, CLASSES[2])])


def test_who_is_not_the_owner_looks_and_settles_nothing(annotator, server, task, disputed):
    open_review(annotator, server, task)
    on_review(annotator, disputed[0])
    annotator.get_by_role("button", name="Next").wait_for()
    assert annotator.get_by_role("button", name=CLASSES[0]).count() == 0
    assert annotator.get_by_role("button", name="Cannot be told").count() == 0
    annotator.keyboard.press("1")
    annotator.keyboard.press("s")
    on_review(annotator, disputed[1])
    assert adjudications(server, task) == []


def test_typing_an_object_id_presses_no_button(page, server, task, disputed):
    open_review(page, server, task, "&part=history")
    box = page.get_by_label("Object", exact=True)
    box.fill(disputed[2])
    box.press("Enter")
    on_review(page, disputed[2])
    page.get_by_text("No label: 2 answers, tied.").wait_for()
    assert f"object={disputed[2]}" in page.url
    page.reload()
    on_review(page, disputed[2])
    page.get_by_text("Settle it", exact=True).click()
    page.get_by_role("button", name="artefact").click()
    page.get_by_text("Label: artefact, settled by").wait_for()
    eventually(lambda: server.labels(task)[disputed[2]] == "artefact")
