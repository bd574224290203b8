"""The processes that work for the server: one resident worker a task, and background jobs.

The server starts them, passes on their last sentence when they die, and takes them along when
it stops. A worker also reads its standard input, whose end tells it that the server is gone
(even by kill -9).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO

from core.vocabulary import JobKind
from core.workspace import Workspace, storage_errors

__all__ = ["Children", "WorkerState", "WorkerStatus"]

SENTENCE = "skysift: "
"""What `core.run` writes before its one sentence for a person."""

APP_ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 4.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
HEALTHY_SECONDS = 30.0
"""A worker that lived this long counts as healthy: its next restart does not wait."""
KEPT_LOG_BYTES = 1_000_000
IDLE_SECONDS = 900.0
"""A worker that no page asked for this long is stopped; it starts again when one does."""


class WorkerState(StrEnum):
    """Where the process behind a task's queue stands."""

    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class WorkerStatus:
    """State of a task's worker and, unless it runs, the sentence it ended with."""

    state: WorkerState
    message: str = ""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int = 0
    started: float = field(default_factory=time.monotonic)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    arguments: tuple[str, ...] = ()


@dataclass
class _Worker:
    child: _Child | None = None
    failures: int = 0
    retry_at: float = 0.0
    asked: float = 0.0
    message: str = ""


class Children:
    """Starts, watches and stops the server's processes; safe to use from many threads.

    dask: the scheduler whose workers go over large surveys for those that rank them
    """

    def __init__(self, workspace: Workspace, dask: str | None = None) -> None:
        self._workspace = workspace
        self._for_workers = [] if dask is None else ["--dask", dask]
        self._lock = threading.Lock()
        self._workers: dict[str, _Worker] = {}
        self._jobs: dict[tuple[str, str], _Child] = {}
        self._retired: list[_Child] = []
        self._closed = False

    def ensure_worker(self, task: str) -> WorkerStatus:
        """Have the task's worker running, or say why it is not; cheap, called at every poll."""
        with self._lock:
            worker = self._workers.setdefault(task, _Worker())
            now = worker.asked = time.monotonic()
            self._stop_idle(now)
            if worker.child is not None:
                code = worker.child.process.poll()
                if code is None:
                    return WorkerStatus(WorkerState.RUNNING)
                self._note_death(worker, code, now)
            if self._closed:
                return WorkerStatus(WorkerState.STOPPED, "The server is stopping.")
            if now < worker.retry_at:
                return WorkerStatus(WorkerState.RESTARTING, worker.message)
            worker.child = self._start(
                [JobKind.WORKER.value, task, *self._for_workers],
                f"{JobKind.WORKER.value}-{task}",
                subprocess.PIPE,
            )
            return WorkerStatus(WorkerState.RUNNING)

    def _stop_idle(self, now: float) -> None:
        for worker in self._workers.values():
            if worker.child is not None and now - worker.asked > IDLE_SECONDS:
                _close_input(worker.child.process)
                self._retired.append(worker.child)
                worker.child = None
        # poll() reaps those that have ended.
        self._retired = [one for one in self._retired if one.process.poll() is None]

    def _note_death(self, worker: _Worker, code: int, now: float) -> None:
        assert worker.child is not None
        if now - worker.child.started > HEALTHY_SECONDS:
            worker.failures = 0
        wait = min(FIRST_RETRY_SECONDS * 2**worker.failures, LAST_RETRY_SECONDS)
        worker.failures += 1
        worker.retry_at = now + wait
        worker.message = _last_words(worker.child) or f"The worker ended with code {code}."
        _close_input(worker.child.process)
        worker.child = None

    def start_job(
        self,
        kind: JobKind,
        subject: str,
        arguments: Sequence[str],
        *,
        within: JobKind | None = None,
    ) -> bool:
        """Start `core.run KIND ARGUMENTS` unless the same job of the same subject runs; whether it
        was started.

        within: the job to start instead, which does this one among other things.
        """
        with self._lock:
            running = self._jobs.get((kind, subject))
            if self._closed or (running and running.process.poll() is None):
                return False
            started = self._start(
                [(within or kind).value, *arguments], f"{kind.value}-{subject}", subprocess.DEVNULL
            )
            started.arguments = tuple(arguments)
            self._jobs[(kind, subject)] = started
            return True

    def job_running(self, kind: JobKind, subject: str) -> bool:
        """True while a job that this server started runs."""
        with self._lock:
            job = self._jobs.get((kind, subject))
            return job is not None and job.process.poll() is None

    def embedding(self) -> bool:
        """True while a job of this server embeds a survey."""
        with self._lock:
            return any(
                kind == JobKind.EMBED and job.process.poll() is None
                for (kind, _), job in self._jobs.items()
            )

    def tasks_at_work(self) -> list[str]:
        """Tasks whose worker runs."""
        with self._lock:
            return [
                task
                for task, worker in self._workers.items()
                if worker.child is not None and worker.child.process.poll() is None
            ]

    def job_error(
        self, kind: JobKind, subject: str, arguments: Sequence[str] | None = None
    ) -> str | None:
        """The last sentence of a job of this server that failed; None if it did not, or was
        started with other arguments than those."""
        with self._lock:
            job = self._jobs.get((kind, subject))
            if job is None or job.process.poll() in (None, 0):
                return None
            if arguments is not None and job.arguments != tuple(arguments):
                return None
            return _last_words(job) or f"It ended with code {job.process.returncode}."

    def forget_job(self, kind: JobKind, subject: str) -> None:
        """Know no longer how a job ended; nothing if it runs."""
        with self._lock:
            job = self._jobs.get((kind, subject))
            if job is not None and job.process.poll() is not None:
                del self._jobs[(kind, subject)]

    def job_began(self, kind: JobKind, subject: str) -> datetime | None:
        """When this server last started the job; None if it did not."""
        with self._lock:
            job = self._jobs.get((kind, subject))
            return None if job is None else job.began

    def stop_job(self, kind: JobKind, subject: str) -> None:
        """End a job that this server started, in order, as by Ctrl-C; nothing if none runs."""
        with self._lock:
            job = self._jobs.get((kind, subject))
            if job is not None and job.process.poll() is None:
                job.process.terminate()

    def _start(self, arguments: Sequence[str], name: str, stdin: int) -> _Child:
        logs = self._workspace.logs
        log = logs / f"{name}.log"
        with storage_errors(logs):
            logs.mkdir(exist_ok=True)
            if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))
            handle: IO[bytes] = open(log, "ab")  # noqa: SIM115 (closed below)
            log_start = log.stat().st_size
        with handle:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "core.run",
                    *arguments,
                    "--workspace",
                    str(self._workspace.root),
                ],
                stdin=stdin,
                stdout=handle,
                stderr=handle,
                cwd=APP_ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                # Ctrl-C in the terminal goes to the server, which stops its children in order.
                start_new_session=True,
            )
        return _Child(process, log, log_start)

    def close(self) -> None:
        """Stop every worker and job, by force after a few seconds."""
        with self._lock:
            self._closed = True
            children = [w.child for w in self._workers.values() if w.child is not None]
            children += [*self._jobs.values(), *self._retired]
        for child in children:
            _close_input(child.process)
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _last_words(child: _Child) -> str:
    """Why a process ended, in one sentence: what it said, or the signal that killed it."""
    code = child.process.returncode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        why = " (often because memory ran out)" if -code == signal.SIGKILL else ""
        return f"It was killed by {name}{why}; what was finished before is kept. Start it again."
    try:
        with open(child.log, "rb") as handle:
            # What it wrote itself: the log goes on from earlier processes of the same name.
            handle.seek(max(child.log_start, child.log.stat().st_size - 4096))
            lines = handle.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip().startswith(SENTENCE)]
    return said[-1].removeprefix(SENTENCE) if said else ""
