"""The server is killed; another site tries to write."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from core.workspace import Workspace, open_workspace
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)


@pytest.fixture
def server(workspace: Workspace, tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, with workers."""
    shutil.copytree(workspace.root, tmp_path / "ws", ignore=shutil.ignore_patterns("labels*"))
    running = Server(open_workspace(tmp_path / "ws"))
    running.start()
    yield running
    running.stop()


def test_killed_between_labels_nothing_is_lost_and_the_page_goes_on(page, server, task):
    open_task(page, server, task)
    page.wait_for_timeout(800)
    answered = []
    for _round in range(2):
        answered += [press(page, "1"), press(page, "2")]
        all_saved(page)
        acknowledged = list(answered)
        server.kill()
        # Pictures already decoded are there to be answered while nobody listens.
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
    page.locator(".model", has_text="trained on 7 answers").wait_for(timeout=30_000)


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
    statuses: list[int] = []
    page.on("response", lambda r: statuses.append(r.status) if "/api/" in r.url else None)
    page.goto(elsewhere)
    statuses.clear()
    page.evaluate(
        """async ([origin, task, object]) => {
             const body = JSON.stringify({event_id: crypto.randomUUID(), task,
               object_id: object, action: "label", class_name: "artefact"});
             const quiet = {mode: "no-cors", credentials: "include"};
             await fetch(origin + "/api/events", {method: "POST", body, ...quiet}).catch(() => 0);
             await fetch(origin + "/api/task?task=" + task, quiet).catch(() => 0);
           }""",
        [server.origin, task, shown],
    )
    eventually(lambda: len(statuses) == 2)
    assert statuses == [403, 403]
    assert server.events(task) == []
