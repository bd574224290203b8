"""Other processes at work on a label database: run by the tests, never collected by pytest.

`crew.py crowd PATH N_PROCESSES N_THREADS N_EVENTS` writes from all of them at once.
`crew.py killed PATH ROUNDS SEED ACKS` kills a writer with -9 in each round; the event_ids that
were acknowledged before are appended to ACKS.
`crew.py abandon PATH` leaves a run behind whose process was killed.

One process loads the libraries and forks the others, before it opens any database.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from core.errors import AlreadyExists
from core.vocabulary import Action, JobKind
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec

SPEC = TaskSpec("duals", "hubble", "Is it two nuclei?", ("dual", "star", "other"), "dual")
SHARED = [str(uuid.UUID(int=n + 1, version=4)) for n in range(3)]


def label(object_id: str, annotator: str, event_id: str | None = None) -> NewEvent:
    return NewEvent(
        event_id=event_id or str(uuid.uuid4()),
        task=SPEC.name,
        object_id=object_id,
        survey_version=1,
        annotator=annotator,
        action=Action.LABEL,
        class_name="dual",
    )


def fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


def crowd(path: Path, n_processes: int, n_threads: int, n_events: int) -> None:
    def write(writer: str) -> None:
        with LabelsDB(path, busy_timeout_ms=60_000) as db:
            with contextlib.suppress(AlreadyExists):
                db.create_task(SPEC)
            for number in range(n_events):
                ack = db.record(label(f"{writer}/{number}", writer))
                assert not ack.duplicate
                if number < len(SHARED):
                    db.record(label(f"shared/{number}", "all", SHARED[number]))
            model = ModelRecord(
                task=SPEC.name, n_labels=1, label_seq=1, sampler="m", survey_version=1, seed=0
            )
            db.replace_queue(SPEC.name, [QueueItem(f"queued by {writer}", 0, "m")], model)

    def one_process(number: int) -> None:
        failures: list[BaseException] = []

        def guarded(writer: str) -> None:
            try:
                write(writer)
            except BaseException as error:
                failures.append(error)

        threads = [
            threading.Thread(target=guarded, args=(f"{number}.{n}",)) for n in range(n_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    pids = [fork(partial(one_process, number)) for number in range(n_processes)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(codes), codes


def killed(path: Path, rounds: int, seed: int, acks: Path) -> None:
    moments = random.Random(seed)

    def write(report: int, log: int) -> None:
        with LabelsDB(path) as db:
            db.check(thorough=True)
            number = 0
            while True:
                ack = db.record(label(f"{os.getpid()}/{number}", "ann"))
                os.write(log, f"{ack.event_id}\n".encode())
                if number == 0:
                    os.write(report, b"!")
                number += 1

    log = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for _ in range(rounds):
        heard, report = os.pipe()
        pid = fork(partial(write, report, log))
        os.close(report)
        assert os.read(heard, 1) == b"!", "the writer ended by itself"
        time.sleep(moments.uniform(0, 0.05))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        os.close(heard)
    os.close(log)


def abandon(path: Path) -> None:
    def start() -> None:
        with LabelsDB(path) as db:
            db.start_run("run-1", JobKind.EMBED, "hubble", {})
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(fork(start), 0)


def main(part: str, path: str, *arguments: str) -> None:
    if part == "crowd":
        crowd(Path(path), *map(int, arguments))
    elif part == "killed":
        killed(Path(path), int(arguments[0]), int(arguments[1]), Path(arguments[2]))
    elif part == "abandon":
        abandon(Path(path))
    else:
        raise SystemExit(f"unknown part {part}")


if __name__ == "__main__":
    main(*sys.argv[1:])
