"""A server in its own process and a real Chromium before it, to time what a person sees."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from playwright.sync_api import Browser, Page, sync_playwright

from core.errors import NotReady
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TOKEN = "token-of-the-benchmarks"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise NotReady("This benchmark needs Chromium; install it (apt install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(command: Sequence[str], announced: str) -> Iterator[None]:
    """Run a server command until the block ends; enters when it has printed `announced`."""
    process = subprocess.Popen(
        list(command),
        env={**os.environ, "SKYSIFT_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if announced in line:
                break
        else:
            raise NotReady(f"The command `{' '.join(command)}` ended before it served.")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def app_command(workspace: str, port: int, *options: str) -> list[str]:
    return [
        *(sys.executable, "app.py", "--no-browser", "--workspace", workspace),
        *("--port", str(port), *options),
    ]


def first_picture(page: Page, address: str, timeout_s: float = 180) -> None:
    """Open the address and wait until the label page shows a picture."""
    page.goto(address)
    page.locator(".square img").wait_for(timeout=timeout_s * 1000)


def seconds_since(began: float) -> float:
    return time.perf_counter() - began


def fresh_task(workspace: Workspace, survey: str) -> str:
    """Make a task on the survey that nobody has answered anything of."""
    with LabelsDB(workspace.labels) as database:
        name = f"bench-{len(database.tasks())}"
        classes = ("two nuclei", "ordinary", "artefact")
        database.create_task(TaskSpec(name, survey, "How many nuclei?", classes, classes[0]))
    return name
