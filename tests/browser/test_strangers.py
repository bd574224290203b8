"""Who holds no token, and pages of other sites, can neither read nor write."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest

from tests.browser.conftest import TOKEN, on_screen, open_task


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another web server on this machine."""

    class Blank(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Blank) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_another_origin_can_neither_write_nor_read(page, server, task, elsewhere):
    """Its cookie is sent along (same site, other port), and still nothing happens."""
    shown = open_task(page, server, task)
    page.goto(elsewhere)
    outcomes = page.evaluate(
        """async ([origin, task, object]) => {
             const body = JSON.stringify({event_id: crypto.randomUUID(), task,
               object_id: object, action: "label", class_name: "artefact"});
             const done = (promise) => promise.then(() => "answered", () => "refused");
             return [
               await done(fetch(origin + "/api/events", {method: "POST", body,
                 mode: "no-cors", credentials: "include"})),
               await done(fetch(origin + "/api/events", {method: "POST", body,
                 headers: {"content-type": "application/json"}, credentials: "include"})),
               await done(fetch(origin + "/api/task?task=" + task, {credentials: "include"})),
             ];
           }""",
        [server.origin, task, shown],
    )
    assert outcomes == ["refused"] * 3
    assert server.events(task) == []


def test_the_origin_decides_and_not_the_cookie_alone(page, server, task):
    shown = open_task(page, server, task)
    event = {
        "event_id": str(uuid4()),
        "task": task,
        "object_id": shown,
        "action": "label",
        "class_name": "artefact",
    }
    statuses = [
        page.context.request.post(
            f"{server.origin}/api/events",
            data=json.dumps(event),
            headers={"origin": origin, "content-type": "application/json"},
        ).status
        for origin in ("http://evil.example", f"{server.origin}0", server.origin)
    ]
    assert statuses == [403, 403, 200]
    assert server.labels(task) == {shown: "artefact"}


def test_reached_without_a_token_it_asks_for_it(server, task, context):
    stranger = context.new_page()
    answer = stranger.goto(f"{server.origin}/?task={task}")
    assert answer
    assert answer.status == 401
    stranger.get_by_label("Token").fill("wrong")
    stranger.keyboard.press("Enter")
    stranger.get_by_text("not the one of this server").wait_for()
    stranger.get_by_label("Token").fill(TOKEN)
    stranger.keyboard.press("Enter")
    on_screen(stranger)
    assert TOKEN not in stranger.url
    assert f"task={task}" in stranger.url
