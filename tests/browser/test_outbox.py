"""Answers outlive the network, the server and the tab, and reach the right workspace only."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, Route, expect

from core.vocabulary import Action, Role
from core.workspace import open_workspace
from labels_db import LabelsDB, TaskSpec
from tests.browser.conftest import (
    CLASSES,
    N_OBJECTS,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
    sign_in,
)

EVENTS = "**/api/events"
WATCH = """() => { window.seen = []; window.addEventListener("keydown", (event) => {
    const host = [...document.querySelectorAll("*")].find((n) => n.shadowRoot
      ?.querySelector(".saving"));
    const shown = host.shadowRoot.querySelector(".square img")?.dataset.objectId;
    if (shown) window.seen.push([shown, event.key]); }, true); }"""
"""Records, at the very moment of a press, the object on screen and the key."""

SLOW_POSTS = """(() => { const real = window.fetch; window.fetch = async (url, options) => {
    if (options?.method === "POST" && /events$/.test(url))
      await new Promise((go) => setTimeout(go, DELAY));
    return real(url, options); }; })()"""

NO_STORAGE = "Object.defineProperty(window, 'indexedDB', { value: undefined });"
NO_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined });"


def unsaved(page: Page, text: str) -> None:
    expect(page.locator(".saving")).to_contain_text(text, timeout=15_000)


def safe(page: Page) -> None:
    """Wait until what is unsaved would outlive the tab."""
    page.wait_for_function("window.skysiftOutbox.size && window.skysiftOutbox.safe")


def ready(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.wait_for_timeout(1000)  # pictures are decoded ahead


def given(server: Server, task: str) -> list[tuple[str, str | None]]:
    return [(event.object_id, event.class_name) for event in server.events(task)]


class TestServerGone:
    """The server dies while somebody labels."""

    @pytest.fixture
    def server(self, own_server: Server) -> Server:
        return own_server

    def test_presses_go_on_while_it_is_killed_and_started_again(
        self, page: Page, server: Server, task: str
    ) -> None:
        ready(page, server, task)
        page.evaluate(WATCH)

        def end_and_begin() -> None:
            server.kill()
            server.start()

        restart = threading.Thread(target=end_and_begin)
        # The server's start is waited for, however long it takes; by presses, not by the clock,
        # which may leap on a machine that was asleep.
        for number in range(2400):
            if number == 20:
                restart.start()
            page.keyboard.press("123"[number % 3])
            time.sleep(0.1)
            if number >= 60 and page.evaluate("window.seen.length") >= 40:
                break
        restart.join()
        all_saved(page)
        seen = [(shown, CLASSES[int(key) - 1]) for shown, key in page.evaluate("window.seen")]
        assert len(seen) >= 40
        assert given(server, task) == seen

    def test_the_tab_is_closed_meanwhile(
        self, page: Page, context: BrowserContext, server: Server, task: str
    ) -> None:
        ready(page, server, task)
        server.kill()
        answered = [press(page, key) for key in "132"]
        page.keyboard.press("u")
        unsaved(page, "4 unsaved answers")
        safe(page)
        page.close()
        server.start()
        later = context.new_page()
        shown = open_task(later, server, task)
        all_saved(later)
        events = server.events(task)
        assert [event.object_id for event in events] == [*answered, answered[2]]
        assert [event.action for event in events] == [*[Action.LABEL] * 3, Action.UNDO]
        assert shown not in answered[:2], "an answer on its way is no open question"

    def test_another_person_and_their_answers_wait(
        self, page: Page, context: BrowserContext, server: Server, task: str
    ) -> None:
        with LabelsDB(server.workspace.labels) as db:
            db.add_person("Ann", Role.ANNOTATOR, "owner")
            secret = db.invite("Ann", "owner")
        ready(page, server, task)
        server.kill()
        shown = press(page, "1")
        safe(page)
        page.close()
        server.start()
        ann = context.new_page()
        sign_in(ann, server, secret)
        open_task(ann, server, task)
        unsaved(ann, "1 of somebody else wait")
        hers = press(ann, "2")
        eventually(lambda: len(server.events(task)) == 1)
        ann.close()
        owner = context.new_page()
        sign_in(owner, server)
        open_task(owner, server, task)
        all_saved(owner)
        events = server.events(task)
        assert [event.object_id for event in events] == [hers, shown]
        assert [event.annotator == "Ann" for event in events] == [True, False]

    def test_another_workspace_at_the_same_address_gets_nothing(
        self, page: Page, context: BrowserContext, server: Server, task: str, tmp_path: Path
    ) -> None:
        """Tasks, survey, objects and token have the same names in both."""
        root = tmp_path / "other"
        ignored = shutil.ignore_patterns("labels*", "workspace.id", "server.lock")
        shutil.copytree(server.workspace.root, root, ignore=ignored)
        other = Server(open_workspace(root), "--no-workers")
        other.port = server.port
        with LabelsDB(other.workspace.labels) as db:
            db.create_task(TaskSpec(task, "blobs", "How many nuclei?", CLASSES, CLASSES[0]))
        ready(page, server, task)
        server.kill()
        shown = press(page, "1")
        safe(page)
        try:
            # The page that was left open, before and after it has noticed, and a new one.
            page.route("**/api/task*", lambda route: route.abort())
            other.start()
            unsaved(page, "Another workspace is served at this address now")
            page.unroute("**/api/task*")
            unsaved(page, "1 of another workspace waits")
            page.close()
            later = context.new_page()
            later.goto(f"{other.origin}/?task={task}")
            unsaved(later, "All answers saved")
            later.wait_for_timeout(1000)
            assert other.events(task) == []
            later.close()
        finally:
            other.kill()
        server.start()
        back = context.new_page()
        open_task(back, server, task)
        all_saved(back)
        assert given(server, task) == [(shown, CLASSES[0])]


@pytest.mark.parametrize("without_locks", [False, True])
def test_two_tabs_send_their_own_and_one_takes_over_from_the_other(
    page: Page, context: BrowserContext, server: Server, task: str, without_locks: bool
) -> None:
    if without_locks:  # as with http on a local network
        context.add_init_script(NO_LOCKS)
    ready(page, server, task)
    other = context.new_page()
    other.goto(f"{server.origin}/?task={task}")
    on_screen(other)
    page.route(EVENTS, lambda route: route.abort())
    kept = [(press(page, "1"), CLASSES[0]), (press(page, "2"), CLASSES[1])]
    unsaved(page, "2 unsaved answers")
    safe(page)
    other.wait_for_timeout(1000)  # it went on with the first, and takes no press for a moment
    theirs = (press(other, "3"), CLASSES[2])
    all_saved(other)
    other.evaluate("window.skysiftOutbox.retry()")
    other.wait_for_timeout(500)
    assert given(server, task) == [theirs], "the first tab lives and sends its own"
    page.close(run_before_unload=False)
    other.bring_to_front()
    for _ in range(20):
        other.evaluate("window.skysiftOutbox.retry()")
        other.wait_for_timeout(100)
    all_saved(other)
    assert given(server, task) == [theirs, *kept]


def test_an_undo_of_a_dead_tab_takes_no_answer_that_came_since(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    ready(page, server, task)
    first = press(page, "1")
    all_saved(page)
    page.reload()  # of what an earlier page answered only the server knows which is the latest
    on_screen(page)
    page.route("**/api/undo", lambda route: route.abort())
    page.keyboard.press("u")
    unsaved(page, "1 unsaved answer")
    safe(page)
    other = context.new_page()
    open_task(other, server, task)
    second = press(other, "2")
    all_saved(other)
    page.close()
    for _ in range(20):
        other.evaluate("window.skysiftOutbox.retry()")
        other.wait_for_timeout(100)
    expect(other.locator(".alert")).to_contain_text("other answers have come since")
    assert given(server, task) == [(first, CLASSES[0]), (second, CLASSES[1])]


def test_a_refusal_is_shown_until_it_is_dismissed(page: Page, server: Server, task: str) -> None:
    refusal = json.dumps({"error": "<b>You</b> may not."})
    page.route(
        EVENTS,
        lambda route: route.fulfill(status=403, content_type="application/json", body=refusal),
    )
    ready(page, server, task)
    shown = press(page, "1")
    alert = page.locator(".alert")
    expect(alert).to_contain_text(shown)
    page.unroute(EVENTS)
    for _ in range(2):  # told again, until the person says that it was read
        page.reload()
        on_screen(page)
        expect(alert).to_contain_text(shown)
        expect(alert).to_contain_text("<b>You</b> may not.")
    alert.get_by_role("button").click()
    expect(alert).to_be_hidden()
    page.reload()
    on_screen(page)
    page.wait_for_timeout(500)
    expect(alert).to_be_hidden()
    assert server.events(task) == []


def test_without_storage_it_goes_on_in_memory_and_says_so(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    context.add_init_script(NO_STORAGE)
    ready(page, server, task)
    shown = press(page, "1")
    eventually(lambda: given(server, task) == [(shown, CLASSES[0])])
    unsaved(page, "This browser keeps nothing")
    page.route(EVENTS, lambda route: route.abort())
    press(page, "2")
    unsaved(page, "1 unsaved answer")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    with page.expect_event("dialog"):
        page.on("dialog", stay)
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    assert not page.is_closed()


def test_with_storage_the_tab_may_be_closed_unasked(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    ready(page, server, task)
    page.route(EVENTS, lambda route: route.abort())
    shown = press(page, "2")
    safe(page)
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    later = context.new_page()
    open_task(later, server, task)
    all_saved(later)
    assert given(server, task) == [(shown, CLASSES[1])]


def test_storage_that_is_cleared_is_filled_again(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    ready(page, server, task)
    page.route(EVENTS, lambda route: route.abort())
    answered = [press(page, "2"), press(page, "1")]
    safe(page)
    page.evaluate(
        """() => new Promise((done) => {
             indexedDB.deleteDatabase("skysift").onsuccess = done; })"""
    )
    page.wait_for_function(
        """async () => { const { outbox } = await window.skysiftOutbox.store.all();
             return outbox.length === 2; }"""
    )
    page.close()
    later = context.new_page()
    open_task(later, server, task)
    all_saved(later)
    assert given(server, task) == [(answered[0], CLASSES[1]), (answered[1], CLASSES[0])]


class TestBadAnswers:
    """What comes back from the server, or from what stands before it, is no use."""

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 500, "content_type": "application/json", "body": '{"error": "Oh."}'},
            {
                "status": 429,
                "headers": {"retry-after": "1", "content-type": "application/json"},
                "body": '{"error": "Slowly."}',
            },
            {"status": 404, "content_type": "text/html", "body": "<h1>A proxy knows nothing</h1>"},
            {"status": 200, "content_type": "text/html", "body": "<h1>Log in, please</h1>"},
        ],
        ids=["500", "429", "another program", "a proxy's page"],
    )
    def test_it_is_sent_again(
        self, page: Page, server: Server, task: str, answer: dict[str, object]
    ) -> None:
        sent: list[str] = []

        def refuse_twice(route: Route) -> None:
            body = json.loads(route.request.post_data or "{}")
            sent.append(body["event_id"])
            if len(sent) < 3:
                route.fulfill(**answer)  # type: ignore[arg-type]
            else:
                route.continue_()

        page.route(EVENTS, refuse_twice)
        ready(page, server, task)
        answered = [press(page, "1"), press(page, "2")]
        unsaved(page, "2 unsaved answers, kept here")
        all_saved(page)
        assert given(server, task) == list(zip(answered, CLASSES, strict=False))
        assert len(set(sent[:3])) == 1
        expect(page.locator(".alert")).to_be_hidden()

    def test_an_answer_cut_short_is_counted_once(
        self, page: Page, server: Server, task: str
    ) -> None:
        cut: list[str] = []

        def half(route: Route) -> None:
            answer = route.fetch()
            text = answer.text()
            if len(cut) < 2:
                cut.append(text)
                text = text[: len(text) // 2]
            route.fulfill(status=200, content_type="application/json", body=text)

        page.route(EVENTS, half)
        ready(page, server, task)
        answered = [press(page, "3"), press(page, "1")]
        all_saved(page)
        assert len(cut) == 2
        assert given(server, task) == [(answered[0], CLASSES[2]), (answered[1], CLASSES[0])]

    def test_a_server_that_takes_five_seconds_holds_up_nobody(
        self, page: Page, server: Server, task: str
    ) -> None:
        page.add_init_script(SLOW_POSTS.replace("DELAY", "5000"))
        ready(page, server, task)
        answered = [press(page, "1"), press(page, "2"), press(page, "3")]
        assert len(set(answered)) == 3
        unsaved(page, "3 unsaved answers")
        assert server.events(task) == []
        all_saved(page)
        assert given(server, task) == list(zip(answered, CLASSES, strict=True))


def test_offline_and_online_again(
    page: Page, context: BrowserContext, server: Server, task: str
) -> None:
    ready(page, server, task)
    context.set_offline(True)
    answered = [press(page, "1"), press(page, "2")]
    unsaved(page, "2 unsaved answers, kept here")
    assert server.events(task) == []
    context.set_offline(False)
    all_saved(page)
    assert given(server, task) == list(zip(answered, CLASSES, strict=False))


def test_after_a_sleep_a_dead_socket_is_given_up(page: Page, server: Server, task: str) -> None:
    """The post hangs for good; the clock has jumped when the timers run again."""
    held: list[Route] = []

    def hang_once(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(EVENTS, hang_once)
    ready(page, server, task)
    shown = press(page, "2")
    unsaved(page, "1 unsaved answer")
    page.evaluate("(() => { const real = Date.now; Date.now = () => real() + 3600e3; })()")
    page.wait_for_function("window.skysiftOutbox.trouble?.status === 0", timeout=9_000)
    all_saved(page)
    assert given(server, task) == [(shown, CLASSES[1])]


def test_the_queue_runs_dry_while_posts_are_on_their_way(
    page: Page, server: Server, task: str
) -> None:
    page.add_init_script(SLOW_POSTS.replace("DELAY", "150"))
    ready(page, server, task)
    page.evaluate(WATCH)
    for _ in range(4 * N_OBJECTS):
        page.keyboard.press("1")
        time.sleep(0.05)
        if len(page.evaluate("window.seen")) >= N_OBJECTS:
            break
    all_saved(page)
    page.locator(".message", has_text="Every object has an answer").wait_for(timeout=15_000)
    seen = [shown for shown, _ in page.evaluate("window.seen")]
    assert [event.object_id for event in server.events(task)] == seen
    assert len(set(seen)) == N_OBJECTS
