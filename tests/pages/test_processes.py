"""Workers start once, restart with their last sentence shown, and go when the server goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.vocabulary import JobKind
from core.workspace import open_workspace
from pages._server import processes
from pages._server.processes import Children, WorkerState

RESIDENT = "import sys; sys.stdin.read()"
DYING = "import sys; print('skysift: The survey is gone.', file=sys.stderr); sys.exit(2)"
DEAF = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Children]]:
    """Children whose `core.run` is the given script."""
    made: list[Children] = []

    def build(script: str) -> Children:
        (tmp_path / "core").mkdir()
        (tmp_path / "core" / "run.py").write_text(script)
        monkeypatch.setattr(processes, "APP_ROOT", tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        made.append(Children(open_workspace(tmp_path / "ws")))
        return made[-1]

    yield build
    for one in made:
        one.close()


def mine() -> list[psutil.Process]:
    """The living processes that were started as `core.run`."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it may end while we look
            if one.status() != psutil.STATUS_ZOMBIE and "core.run" in one.cmdline():
                found.append(one)
    return found


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_worker_a_task(start):
    children = start(RESIDENT)
    for _ in range(3):
        assert children.ensure_worker("a").state is WorkerState.RUNNING
    children.ensure_worker("b")
    assert len(mine()) == 2
    children.close()
    assert mine() == []
    assert children.ensure_worker("a").state is WorkerState.STOPPED


def test_a_worker_that_dies_is_told_and_started_again(start, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_RETRY_SECONDS", 0.3)
    children = start(DYING)
    children.ensure_worker("a")
    until(lambda: children.ensure_worker("a").state is WorkerState.RESTARTING)
    assert children.ensure_worker("a").message == "The survey is gone."
    until(lambda: children.ensure_worker("a").state is WorkerState.RUNNING)


def test_the_wait_between_restarts_grows(start, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_RETRY_SECONDS", 0.05)
    children = start(DYING)
    waits = []
    for _ in range(3):
        until(lambda: children.ensure_worker("a").state is WorkerState.RESTARTING)
        worker = children._workers["a"]
        waits.append(worker.retry_at - worker.asked)
        until(lambda: children.ensure_worker("a").state is WorkerState.RUNNING)
    assert waits == sorted(waits)
    assert waits[2] > 2 * waits[0]


def test_a_job_is_started_once_and_its_error_kept(start):
    children = start(DYING)
    assert children.job_error(JobKind.EMBED, "tiny") is None
    children.start_job(JobKind.EMBED, "tiny", ["tiny"])
    until(lambda: not children.job_running(JobKind.EMBED, "tiny"))
    assert children.job_error(JobKind.EMBED, "tiny") == "The survey is gone."
    assert children.job_error(JobKind.EMBED, "tiny", ["tiny"]) == "The survey is gone."
    assert children.job_error(JobKind.EMBED, "tiny", ["tiny", "--more"]) is None
    children.forget_job(JobKind.EMBED, "tiny")
    assert children.job_error(JobKind.EMBED, "tiny") is None


def test_a_worker_nobody_asks_for_is_stopped(start, monkeypatch):
    children = start(RESIDENT)
    children.ensure_worker("a")
    monkeypatch.setattr(processes, "IDLE_SECONDS", 0.0)
    time.sleep(0.01)
    children.ensure_worker("b")
    until(lambda: len(mine()) == 1)
    assert children.ensure_worker("a").state is WorkerState.RUNNING


def test_what_does_not_stop_is_killed(start, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    children = start(DEAF)
    children.ensure_worker("a")
    until(lambda: len(mine()) == 1)
    time.sleep(0.3)  # time to become deaf
    children.close()
    assert mine() == []


def test_what_is_at_work_is_known(start):
    children = start(RESIDENT)
    assert not children.embedding()
    assert children.tasks_at_work() == []
    children.ensure_worker("a")
    assert children.start_job(JobKind.MAP, "s", ["s"])
    assert not children.start_job(JobKind.MAP, "s", ["s", "--anew"])
    children.forget_job(JobKind.MAP, "s")
    assert children.job_running(JobKind.MAP, "s")
    assert not children.embedding()
    assert children.tasks_at_work() == ["a"]
    children.close()
    assert children.tasks_at_work() == []


def test_a_job_is_done_by_another_one(start):
    children = start("import sys; print('skysift: ' + ' '.join(sys.argv[1:3])); sys.exit(3)")
    children.start_job(JobKind.EMBED, "s", ["s", "--embed"], within=JobKind.DEMO)
    until(lambda: not children.job_running(JobKind.EMBED, "s"))
    assert children.job_error(JobKind.EMBED, "s") == "demo s"
    assert not children.embedding()
