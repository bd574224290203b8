"""Three hundred answers at ten a second, beside a training job and one more busy process: how many
are saved, in order, each with the object that was on screen at the press.

Once undisturbed, once with the server killed (kill -9) and started again in the middle; beside
them the page of plain Streamlit buttons, clicked as fast and beside the same load.

python -m benchmarks.label_storm
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.big_survey import NAME, big_survey_arguments, make
from benchmarks.browser import TOKEN, app_command, chromium, first_picture, free_port, fresh_task
from benchmarks.common import demo_workspace, report
from core.errors import NotReady
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB

CLASSES = ("two nuclei", "ordinary", "artefact")
RECORD_PRESSES = """
() => { window.pressed = []; window.addEventListener("keydown", () => {
  const host = [...document.querySelectorAll("*")].find((n) => n.shadowRoot
    ?.querySelector(".square img"));
  window.pressed.push(host?.shadowRoot.querySelector(".square img").dataset.objectId ?? null);
}, true); }
"""
CLICK = """
() => [...document.querySelectorAll('button')].find((b) => b.innerText === 'ordinary')?.click()
"""


class Serving:
    """A server that may be killed and started again on its port."""

    def __init__(self, command: list[str], announced: str) -> None:
        self.command, self.announced = command, announced
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, "SKYSIFT_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if self.announced in line:
                return
        raise NotReady(f"The command `{' '.join(self.command)}` ended before it served.")

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)


@contextlib.contextmanager
def busy(workspace: Workspace, minutes: float) -> Iterator[None]:
    """A training job and a process that does nothing but turn."""
    run = [sys.executable, "-m", "core.run", "pretrain", "hubble", "--minutes", str(minutes)]
    quiet = subprocess.DEVNULL
    load = [
        subprocess.Popen([*run, "--workspace", str(workspace.root)], stdout=quiet, stderr=quiet),
        subprocess.Popen([sys.executable, "-c", "while True: pass"]),
    ]
    time.sleep(15)  # until it trains
    if load[0].poll() is not None:
        raise NotReady("The training job ended at once; run it by hand to see why.")
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


def storm(count: int, act: Callable[[int], None], each_s: float) -> float:
    """Act `count` times at that rhythm; the seconds it really took."""
    began = time.monotonic()
    for number in range(count):
        act(number)
        time.sleep(max(0.0, began + each_s * (number + 1) - time.monotonic()))
    return time.monotonic() - began


def ours(
    browser: Browser, workspace: Workspace, *, kill: bool, count: int, each_s: float
) -> list[object]:
    port = free_port()
    server = Serving(app_command(str(workspace.root), port), "Open http")
    server.start()
    page: Page = browser.new_page()
    task = fresh_task(workspace, NAME)
    first_picture(page, f"http://127.0.0.1:{port}/?token={TOKEN}&task={task}")
    page.wait_for_timeout(3000)
    page.evaluate(RECORD_PRESSES)

    def restart() -> None:
        server.end(signal.SIGKILL)
        server.start()

    restarting = threading.Thread(target=restart)

    def press(number: int) -> None:
        if kill and number == count // 2:
            restarting.start()
        page.keyboard.press("123"[number % 3])

    took = storm(count, press, each_s)
    if kill:
        restarting.join()
    page.locator(".saving", has_text="All answers saved").wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    pressed = page.evaluate("window.pressed")
    page.close()
    with LabelsDB(workspace.labels) as database:
        events = [one for one in database.events(task) if one.action == "label"]
        models = database.models(task)
    server.end(signal.SIGTERM)
    # A press that came when no picture was on screen is not an answer, and is not taken: while
    # the server is away a page runs out of pictures.
    wanted = [(one, CLASSES[number % 3]) for number, one in enumerate(pressed) if one]
    saved = [(one.object_id, one.class_name) for one in events]
    right = len(set(wanted) & set(saved))
    older = 0
    for event in events:
        newest = max((m.version for m in models if m.created_at <= event.recorded_at), default=0)
        older += event.model_version is not None and event.model_version < newest
    name = "Skysift, server killed in the middle" if kill else "Skysift"
    in_order = "yes" if wanted == saved else "no"
    return [name, count, len(wanted), len(events), right, in_order, older, took]


def plain(
    browser: Browser, workspace: Workspace, folder: Path, count: int, each_s: float
) -> list[object]:
    port = free_port()
    database = folder / "plain.sqlite"
    os.environ["SKYSIFT_BENCH_WORKSPACE"] = str(workspace.root)
    os.environ["SKYSIFT_BENCH_SURVEY"] = NAME
    os.environ["SKYSIFT_BENCH_DB"] = str(database)
    os.environ["PYTHONPATH"] = os.getcwd()
    command = [sys.executable, "-m", "streamlit", "run", "benchmarks/plain_button_page.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    server = Serving(command, "URL: http")
    server.start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("[data-testid=stImage] img").wait_for(timeout=120_000)
    page.wait_for_timeout(3000)
    took = storm(count, lambda _number: page.evaluate(CLICK), each_s)
    page.wait_for_timeout(5000)
    page.close()
    with contextlib.closing(sqlite3.connect(database)) as opened:
        saved = opened.execute("select count(*) from labels").fetchone()[0]
    server.end(signal.SIGTERM)
    return ["plain st.button", count, "-", saved, "-", "-", "-", took]


def main() -> None:
    parser = big_survey_arguments(__doc__)
    parser.add_argument("--presses", type=int, default=300)
    parser.add_argument("--each-ms", type=int, default=100)
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    make(workspace, a.objects)
    each_s = a.each_ms / 1000
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        training = demo_workspace(str(folder / "training"), "hubble")
        rows = []
        with busy(training, 30):
            for kill in (False, True):
                rows.append(ours(browser, workspace, kill=kill, count=a.presses, each_s=each_s))
            rows.append(plain(browser, workspace, folder, a.presses, each_s))
    columns = [
        *("page", "presses", "with a picture on screen", "saved", "right object and class"),
        "all in order",
        *("from an older model", "seconds"),
    ]
    report("label_storm", columns, rows, {"objects": a.objects, "each_ms": a.each_ms})


if __name__ == "__main__":
    main()
