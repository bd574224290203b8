"""The server is killed between labels; pictures are put off. See also test_outbox.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    on_screen,
    open_task,
    press,
)

KILLS = 10


@pytest.fixture
def server(own_server: Server) -> Server:
    return own_server


def test_killed_between_labels_nothing_is_lost_and_the_page_goes_on(page, server, task):
    open_task(page, server, task)
    page.wait_for_timeout(800)
    answered = []
    for number in range(KILLS):
        answered += [press(page, "1"), press(page, "2")]
        all_saved(page)
        on_screen(page)
        page.wait_for_timeout(500)  # the next pictures are decoded ahead
        acknowledged = list(answered)
        server.kill()
        # Pictures already decoded are there to be answered while nobody listens, also after
        # Streamlit noticed, whose dialog must not be in the way.
        page.locator(".saving", has_text="The server is not answering").wait_for()
        page.wait_for_timeout(3000 if number == 0 else 100)
        answered += [press(page, "2")]
        page.locator(".saving", has_text="1 unsaved answer, kept here").wait_for()
        assert set(acknowledged) <= set(server.labels(task))
        server.start()
        all_saved(page)
        on_screen(page)
    labels = [event.object_id for event in server.events(task)]
    assert labels == answered
    shown = press(page, "3")
    all_saved(page)
    assert server.labels(task)[shown] == CLASSES[2]
    # The worker is back as well: a model that knows the last answers.
    page.locator(".model", has_text=f"trained on {3 * KILLS + 1} answers").wait_for(timeout=30_000)


def test_a_picture_that_is_put_off_is_shown_once_it_may_be(page, server, task):
    put_off: list[str] = []

    def not_yet(route: Route) -> None:
        if len(put_off) < 3:
            put_off.append(route.request.url)
            headers = {"retry-after": "1", "content-type": "application/json"}
            route.fulfill(status=429, headers=headers, body='{"error": "Too many pictures."}')
        else:
            route.continue_()

    page.route("**/api/image*size=*", not_yet)
    open_task(page, server, task)
    assert len(put_off) == 3
    shown = press(page, "2")
    all_saved(page)
    assert server.labels(task) == {shown: CLASSES[1]}


def test_a_picture_that_fails_while_it_is_waited_for_is_asked_for_again(page, server, task):
    """The server is away for longer than the attempts at one picture take."""
    failed: list[str] = []

    def away(route: Route) -> None:
        url = route.request.url
        if len(failed) < 5 and (not failed or url == failed[0]):
            failed.append(url)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/image*size=*", away)
    shown = open_task(page, server, task)
    assert len(failed) == 5
    assert f"object_id={shown}&" in failed[0]
