"""Two people at work in two windows, a third who settles, and those who may not write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.vocabulary import Action, Role, Settled
from labels_db import LabelsDB
from tests.browser.conftest import (
    CLASSES,
    TOKEN,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
    sign_in,
)

Invite = Callable[[str, Role], Page]


@pytest.fixture
def invite(chromium: Browser, server: Server) -> Iterator[Invite]:
    """Give a window of their own to somebody who was invited as such."""
    contexts: list[BrowserContext] = []

    def window(name: str, role: Role) -> Page:
        with LabelsDB(server.workspace.labels) as db:
            name = f"{name} {len(db.people())}"
            db.add_person(name, role, "owner")
            secret = db.invite(name, "owner")
        context = chromium.new_context(viewport={"width": 1280, "height": 850})
        contexts.append(context)
        page = context.new_page()
        sign_in(page, server, secret)
        return page

    yield window
    for context in contexts:
        context.close()


def held(server: Server, task: str, page: Page) -> set[str]:
    """The objects in the hands of the person whose page this is."""
    who = page.evaluate("window.skysiftLabeller.task.annotator")
    with LabelsDB(server.workspace.labels) as db:
        sql = "SELECT object_id FROM leases WHERE annotator = ? AND expires_at > ?"
        rows = db.tables.execute(sql, (who, time.time()))
        return {object_id for (object_id,) in rows.fetchall()}


def test_two_windows_get_different_objects_and_a_third_settles_what_they_differ_on(
    page: Page, server: Server, task: str, invite: Invite
) -> None:
    ann, bob = invite("Ann", Role.ANNOTATOR), invite("Bob", Role.ANNOTATOR)
    first, second = open_task(ann, server, task), open_task(bob, server, task)
    assert first != second
    assert held(server, task, ann)
    assert not held(server, task, ann) & held(server, task, bob)
    press(ann, "2")
    press(bob, "2")
    all_saved(ann)
    all_saved(bob)
    assert server.labels(task) == {first: CLASSES[1], second: CLASSES[1]}

    with LabelsDB(server.workspace.labels) as db:
        db.change_task(task, "owner", answers_per_object=2)
    shared = open_task(bob, server, task)
    assert shared == first, "what somebody began comes first"
    press(bob, "1")
    all_saved(bob)
    assert server.labels(task) == {second: CLASSES[1]}, "a tie is no label"

    page.goto(f"{server.origin}/review?task={task}")
    picture = page.locator(f'.review-picture img[data-object-id="{shared}"]')
    picture.wait_for(timeout=30_000)
    page.wait_for_timeout(1000)  # a person looks; a press before that is not taken
    page.keyboard.press("3")
    with LabelsDB(server.workspace.labels) as db:
        eventually(lambda: db.current_label(task, shared) is not None)
        label = db.current_label(task, shared)
        assert label is not None
        assert (label.class_name, label.how) == (CLASSES[2], Settled.ADJUDICATED)
        said = [(event.action, event.class_name) for event in db.history(task, shared)]
    assert said == [
        (Action.LABEL, CLASSES[1]),
        (Action.LABEL, CLASSES[0]),
        (Action.ADJUDICATE, CLASSES[2]),
    ]


def test_a_viewer_looks_but_cannot_write(server: Server, task: str, invite: Invite) -> None:
    viewer = invite("Vera", Role.VIEWER)
    shown = open_task(viewer, server, task)
    expect(viewer.get_by_role("button", name=CLASSES[0])).to_be_disabled()
    viewer.keyboard.press("1")
    expect(viewer.locator(".notice")).to_contain_text("You are here to look")
    assert on_screen(viewer) == shown
    answer = viewer.evaluate(
        """async (body) => (await fetch("/api/events", {method: "POST", body: JSON.stringify(body),
             headers: {"content-type": "application/json"}})).status""",
        {
            "event_id": "7a0c6a35-6b1f-4a53-9f57-0d9f6a9f4c11",
            "task": task,
            "object_id": shown,
            "action": "label",
            "class_name": CLASSES[0],
        },
    )
    assert answer == 403
    assert server.events(task) == []


def test_a_forged_identity_is_not_believed(server: Server, task: str, invite: Invite) -> None:
    """What a browser says of itself counts for nothing; what is another's is refused."""
    ann, bob = invite("Ann", Role.ANNOTATOR), invite("Bob", Role.ANNOTATOR)
    shown = open_task(ann, server, task)
    open_task(bob, server, task)
    lease = ann.evaluate("window.skysiftLabeller.current.lease")
    body = {
        "event_id": "7a0c6a35-6b1f-4a53-9f57-0d9f6a9f4c12",
        "task": task,
        "object_id": shown,
        "action": "label",
        "class_name": CLASSES[0],
        "lease": lease,
        "annotator": "Ann",
    }
    post = """async ([body, user]) => (await fetch("/api/events", {method: "POST",
        headers: {"content-type": "application/json", ...(user ? {"x-skysift-user": user} : {})},
        body: JSON.stringify(body)})).status"""
    assert bob.evaluate(post, [body, None]) == 422, "the lease is Ann's"
    assert bob.evaluate(post, [body | {"lease": None}, "owner"]) == 401, "Bob is not the owner"
    assert server.events(task) == []
    assert bob.evaluate(post, [body | {"lease": None}, None]) == 200
    (event,) = server.events(task)
    assert event.annotator.startswith("Bob"), "the name is the server's, not the body's"


def test_the_owner_of_the_start_token_needs_nothing_set_up(
    page: Page, server: Server, task: str
) -> None:
    shown = open_task(page, server, task)
    assert TOKEN not in page.url
    press(page, "1")
    all_saved(page)
    assert server.labels(task) == {shown: CLASSES[0]}


def test_two_tabs_of_one_person_do_not_ask_the_same_twice(page, server, task):
    shown = open_task(page, server, task)
    other = page.context.new_page()
    assert open_task(other, server, task) == shown
    for tab in (page, other):
        tab.locator(".tabs", has_text="open in another tab of yours").wait_for()
    press(page, "1")
    other.locator(".notice", has_text=f"{shown} was answered in your other tab").wait_for()
    other.wait_for_timeout(1000)  # until presses are taken again
    then = on_screen(page)
    assert on_screen(other) == then != shown
    press(other, "2")
    eventually(lambda: on_screen(page) not in (shown, then))
    all_saved(page)
    all_saved(other)
    assert server.labels(task) == {shown: CLASSES[0], then: CLASSES[1]}
    other.close()
    page.locator(".tabs").wait_for(state="hidden")
