"""A real server in its own process and a real Chromium in front of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    sync_playwright,
)
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as TooLate

from core.representation import DEFAULT_ENCODER
from core.survey import RunFolder, Survey, import_folder
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace
from labels_db import Event, LabelsDB, ModelRecord, QueueItem, TaskSpec

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-browser-tests"
N_OBJECTS = 60
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WEBGL_FLAGS = [
    *(flag for flag in FLAGS if flag != "--disable-gpu"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
"""WebGL by the processor, for the map."""
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The first that is there: the shell draws no window, which is half of the browser's work."""

CLASSES = ("two nuclei", "<b>one</b>", "artefact")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # Once more on a busy machine: what is broken fails twice.
            item.add_marker(pytest.mark.flaky(reruns=1))


def make_pictures(folder: Path) -> None:
    """Blobs on noise, every sixth with a second nucleus; named obj_00 ..."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48] - 23.5
    for number in range(N_OBJECTS):
        light = 180 * np.exp(-np.hypot(x, y * rng.uniform(1, 2)) / rng.uniform(3, 8))
        if number % 6 == 0:
            turn = rng.uniform(0, 2 * np.pi)
            light += 170 * np.exp(-((x - 7 * np.cos(turn)) ** 2 + (y - 7 * np.sin(turn)) ** 2) / 6)
        picture = light[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(14, 4, (48, 48, 3))
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"obj_{number:02d}.png")


def write_runs(survey: Survey) -> None:
    """A finished embedding (the principal axes of the pixels) and map, without the wait."""
    pixels = survey.images(slice(0, len(survey))).reshape(len(survey), -1).astype(np.float32)
    left, sizes, _ = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    values = (left * sizes)[:, :12].astype(np.float32)
    config = {"encoder": DEFAULT_ENCODER, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", np.ones(len(survey), bool))
        embedding_run = run.run_id
    config = {"projection": "umap", "embedding_run": embedding_run}
    with RunFolder(survey, JobKind.MAP, config) as run:
        np.save(run.path / "map.npy", values[:, :2])


class Server:
    """`python app.py` on a free port; may be killed and started again."""

    def __init__(self, workspace: Workspace, *options: str) -> None:
        self.workspace = workspace
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "app.py", "--no-browser"),
                *("--workspace", str(self.workspace.root), "--port", str(self.port)),
                *self.options,
            ],
            cwd=ROOT,
            env={**os.environ, "SKYSIFT_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if line.startswith("Open http"):
                return
        self.kill()
        pytest.fail(f"The server did not start: {''.join(seen)}")

    def kill(self) -> None:
        """As a crash does: kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def events(self, task: str) -> list[Event]:
        with LabelsDB(self.workspace.labels) as db:
            return list(db.events(task))

    def labels(self, task: str) -> dict[str, str]:
        with LabelsDB(self.workspace.labels) as db:
            return {name: one.class_name for name, one in db.current_labels(task).items()}


class Chromium:
    """A browser with the flags given, started anew where it crashed."""

    def __init__(self, playwright: Playwright, flags: Sequence[str]) -> None:
        self._playwright, self._flags = playwright, flags
        self._browser: Browser | None = None

    def living(self) -> Browser:
        if self._browser is None or not self._browser.is_connected():
            path = next(filter(None, map(shutil.which, BROWSERS)), None)
            if path is None:
                pytest.fail("These tests need Chromium; install it (apt-get install chromium).")
            self._browser = self._playwright.chromium.launch(
                executable_path=path, args=list(self._flags)
            )
        return self._browser


@pytest.fixture(scope="module")
def browsers(request: pytest.FixtureRequest) -> Iterator[Chromium]:
    """One a module: while it lives, Playwright's event loop runs in the main thread.

    A module may name flags of its own as CHROMIUM_FLAGS.
    """
    with sync_playwright() as playwright:
        yield Chromium(playwright, getattr(request.module, "CHROMIUM_FLAGS", FLAGS))


@pytest.fixture
def chromium(browsers: Chromium) -> Browser:
    return browsers.living()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one embedded and mapped survey."""
    folder = tmp_path_factory.mktemp("browser")
    make_pictures(folder / "pictures")
    made = open_workspace(folder / "ws")
    write_runs(import_folder(made, folder / "pictures", "blobs"))
    return made


@pytest.fixture(scope="session")
def shared_server(workspace: Workspace) -> Iterator[Server]:
    """One server without workers for all tests of the session."""
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def own_server(workspace: Workspace, tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, with workers."""
    shutil.copytree(workspace.root, tmp_path / "ws", ignore=shutil.ignore_patterns("labels*"))
    running = Server(open_workspace(tmp_path / "ws"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The server that `page` is signed in to; a test module may have one of its own."""
    return shared_server


@pytest.fixture
def task(server: Server) -> str:
    """A new task, ranked once as a worker would."""
    with LabelsDB(server.workspace.labels) as db:
        name = f"task-{len(db.tasks())}"
        db.create_task(TaskSpec(name, "blobs", "How many nuclei?", CLASSES, CLASSES[0]))
        order = np.random.default_rng(0).permutation(N_OBJECTS)
        db.replace_queue(
            name,
            [
                QueueItem(f"obj_{number:02d}", rank, "anomaly", 0.5, 1.0)
                for rank, number in enumerate(order.tolist())
            ],
            ModelRecord(
                task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
            ),
        )
    return name


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    fresh = chromium.new_context(viewport={"width": 1280, "height": 850})
    yield fresh
    with contextlib.suppress(PlaywrightError):  # a browser that crashed has nothing to close
        fresh.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test says what stood on its page and what else the machine was doing."""
    report = yield
    page = item.funcargs.get("page") if isinstance(item, pytest.Function) else None
    if report.when == "call" and report.failed and isinstance(page, Page):
        try:
            words = page.locator("body").inner_text(timeout=5_000)
        except PlaywrightError as error:
            words = f"(no answer: {error})"
        report.sections.append((f"page {page.url}", words[:4000]))
        busy = subprocess.run(
            ["ps", "-eo", "pid,ppid,ni,pcpu,etimes,args", "--sort=-pcpu"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.splitlines()
        report.sections.append(("processes", "\n".join(line[:180] for line in busy[:12])))
    return report


@pytest.fixture
def page(server: Server, context: BrowserContext) -> Iterator[Page]:
    """A signed-in page that shows nothing yet; errors in its scripts fail the test."""
    fresh = context.new_page()
    # A machine that runs several browsers at once may take longer than the usual 30 seconds.
    fresh.set_default_navigation_timeout(90_000)
    fresh.set_default_timeout(60_000)
    errors: list[str] = []
    fresh.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(fresh, server)
    yield fresh
    assert errors == []


def sign_in(page: Page, server: Server, token: str = TOKEN) -> None:
    """Open a link with a token at the app's icon: the cookie without the wait for a page."""
    page.goto(f"{server.origin}/favicon.png?token={token}")


def on_screen(page: Page) -> str:
    """The object whose picture is on screen, once there is one."""
    picture = page.locator(".square img")
    picture.wait_for(timeout=30_000)
    name = picture.get_attribute("data-object-id")
    assert name
    return name


def open_task(page: Page, server: Server, task: str, **more: str) -> str:
    """Open the label page of a task and wait for its first picture."""
    query = "&".join(f"{name}={value}" for name, value in {"task": task, **more}.items())
    page.goto(f"{server.origin}/?{query}")
    return on_screen(page)


def press(page: Page, key: str) -> str:
    """Press a key; the object that was on screen."""
    before = on_screen(page)
    page.keyboard.press(key)
    return before


def until_seen(act: Callable[[], None], what: Locator, tries: int = 4) -> None:
    """Do it until `what` is there: a page that is just drawn anew, on a busy machine, may lose one
    press, as a person's, who then presses again."""
    for _ in range(tries):
        act()
        with contextlib.suppress(TooLate):
            what.wait_for(timeout=15_000)
            return
    what.wait_for(timeout=1)


def all_saved(page: Page) -> None:
    page.locator(".saving", has_text="All answers saved").wait_for(timeout=20_000)


def eventually(what: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
