"""Other processes at work on a label database: run by the tests, never collected by pytest.

`crew.py crowd PATH N_PROCESSES N_THREADS N_EVENTS` writes from all of them at once.
`crew.py killed PATH ROUNDS SEED ACKS` kills a writer with -9 in each round; the event_ids that
were acknowledged before are appended to ACKS.
`crew.py killed_at PATH ACT ROUNDS SEED ACKS` does the same to a process that re-ranks, leases,
imports or migrates, and prints how many were killed in the middle of it.
`crew.py hands PATH FOLDER N_PROCESSES N_OBJECTS` lets all of them label that many objects each,
as the label page does, while one more re-ranks and another backs up into FOLDER.
`crew.py import_beside PATH N_ROWS` imports while another process labels; prints N_ROWS and how
many events the other one wrote meanwhile.
`crew.py abandon PATH` leaves a run behind whose process was killed.

One process loads the libraries and forks the others, before it opens any database.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from core.errors import AlreadyExists
from core.vocabulary import Action, JobKind
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec
from labels_db.backup import backup, inspect

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


MODEL = ModelRecord(task=SPEC.name, n_labels=1, label_seq=1, sampler="m", survey_version=1, seed=0)
QUEUE_LENGTH = 2000


def hands(path: Path, folder: Path, n_processes: int, n_objects: int) -> None:
    names = [f"object-{number}" for number in range(n_processes * n_objects)]

    def rank(db: LabelsDB) -> None:
        done = db.current_classes(SPEC.name)
        left = [name for name in names if name not in done][:QUEUE_LENGTH]
        db.replace_queue(
            SPEC.name, [QueueItem(name, n, "m") for n, name in enumerate(left)], MODEL
        )

    def rank_on() -> None:
        with LabelsDB(path) as db:
            while True:
                rank(db)
                time.sleep(0.02)

    def back_up_on() -> None:
        for number in itertools.count():
            backup(path, folder / f"{number % 2}.sqlite.new")
            inspect(folder / f"{number % 2}.sqlite.new", thorough=True)
            (folder / f"{number % 2}.sqlite.new").rename(folder / f"{number % 2}.sqlite")
            time.sleep(0.02)

    def work(annotator: str) -> None:
        left = n_objects
        with LabelsDB(path) as db:
            while left:
                handout = db.lease_next(SPEC.name, annotator, min(left, 5))
                for item in handout.items:
                    event = replace(label(item.object_id, annotator), lease=item.lease)
                    ack = db.record(event, renew_lease=True)
                    assert not ack.late
                    assert not ack.duplicate
                    left -= 1
                if not handout.items:
                    time.sleep(0.005)

    with LabelsDB(path) as db:
        rank(db)
    beside = [fork(rank_on), fork(back_up_on)]
    began = time.monotonic()
    pids = [fork(partial(work, f"annotator-{number}")) for number in range(n_processes)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    print(f"{len(names) / (time.monotonic() - began):.0f} answers a second")
    while not any(codes) and not list(folder.glob("*.sqlite")):
        time.sleep(0.02)  # the first copy may take longer than a short round
    alive = [os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in beside]
    for pid in itertools.compress(beside, alive):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert all(alive), "one ended by itself"
    assert not any(codes), codes


def import_rows(n_rows: int, source: str) -> list[tuple[int, dict[str, str]]]:
    def row(number: int) -> dict[str, str]:
        own_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{number}"))
        return {"event_id": own_id, "object_id": f"{source}/{number}", "class_name": "dual"}

    return [(number + 2, row(number)) for number in range(n_rows)]


def import_beside(path: Path, n_rows: int) -> None:
    heard, report = os.pipe()

    def write() -> None:
        with LabelsDB(path) as db:
            for number in itertools.count():
                db.record(label(f"beside/{number}", "ann"))
                os.write(report, b"!")

    with LabelsDB(path) as db:
        db.create_task(SPEC)
        pid = fork(write)
        os.close(report)
        os.read(heard, 1)
        db.import_events(
            SPEC.name, import_rows(n_rows, "file"), by="owner", source="file", survey_version=1
        )
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the writer was refused"
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(n_rows, db.n_answers(SPEC.name) - n_rows)


N_LEASED, N_RANKED, N_IMPORTED = 20, 500, 300


def act_on(path: Path, act: str, log: int, report: int) -> None:
    """Do the same act without end; each one that returned goes to `log`."""
    with LabelsDB(path) as db:
        for number in itertools.count():
            name = f"{os.getpid()}/{number}"
            if act == "rank":
                items = [QueueItem(f"{name}/{rank}", rank, name) for rank in range(N_RANKED)]
                name = str(db.replace_queue(SPEC.name, items, MODEL))
            elif act == "lease":
                assert len(db.lease_next(SPEC.name, name, N_LEASED).items) == N_LEASED
            elif act == "import":
                rows = import_rows(N_IMPORTED, name)
                db.import_events(SPEC.name, rows, by="owner", source=name, survey_version=1)
            else:
                raise SystemExit(f"unknown act {act}")
            os.write(log, f"{name}\n".encode())
            if number == 0:
                os.write(report, b"!")


def killed_at(path: Path, act: str, rounds: int, seed: int, acks: Path) -> None:
    moments = random.Random(seed)
    log = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    in_the_middle = 0
    took = 0.05
    if act == "migrate":
        old = path.with_name("old.sqlite")
        shutil.copy(path, old)
        began = time.monotonic()
        LabelsDB(path).close()
        took = time.monotonic() - began

    def migrate(report: int) -> None:
        os.write(report, b"!")
        LabelsDB(path).close()

    done = 0
    # A migration too short for the clock is tried sooner, until one was cut in the middle.
    while done < rounds or (act == "migrate" and not in_the_middle and done < 20 * rounds):
        done += 1
        heard, report = os.pipe()
        if act == "migrate":
            for file in path.parent.glob(f"{path.name}*"):
                file.unlink()
            shutil.copy(old, path)
            pid = fork(partial(migrate, report))
        else:
            pid = fork(partial(act_on, path, act, log, report))
        os.close(report)
        assert os.read(heard, 1) == b"!", "it ended by itself"
        time.sleep(moments.uniform(0, took))
        os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, -signal.SIGKILL), code
        if act == "migrate":
            took *= 0.7 if code == 0 else 1.1
        os.close(heard)
        in_the_middle += wholly_done_or_not(path, act)
    print(in_the_middle)


def wholly_done_or_not(path: Path, act: str) -> bool:
    """Check what a killed process left; return whether its last act was undone by the kill."""
    undone = False
    if act == "migrate":
        conn = sqlite3.connect(path)
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        columns = [row[1] for row in conn.execute("PRAGMA table_info(events)")]
        n_events = conn.execute("SELECT count(*) FROM events").fetchone()[0]
        conn.close()
        assert ("late" in columns) == (version > 1)
        undone = version == 1
    with LabelsDB(path) as db:
        db.check(thorough=True)
        if act == "migrate":
            assert db.n_events(SPEC.name) == n_events
            return undone
        versions = {item.model_version for item in db.next_items(SPEC.name, 10**6)}
        latest = db.latest_model(SPEC.name)
        assert latest is not None
        assert versions <= {latest.version}
        if act == "rank":
            assert len(db.next_items(SPEC.name, 10**6)) == N_RANKED
        assert set(db.n_leased(SPEC.name).values()) <= {N_LEASED}
        found = db.tables.execute("SELECT source, count(*) FROM events GROUP BY source").fetchall()
        assert {n for source, n in found if source is not None} <= {N_IMPORTED}
    return undone


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
    elif part == "killed_at":
        act, rounds, seed, acks = arguments
        killed_at(Path(path), act, int(rounds), int(seed), Path(acks))
    elif part == "hands":
        hands(Path(path), Path(arguments[0]), *map(int, arguments[1:]))
    elif part == "import_beside":
        import_beside(Path(path), int(arguments[0]))
    elif part == "abandon":
        abandon(Path(path))
    else:
        raise SystemExit(f"unknown part {part}")


if __name__ == "__main__":
    main(*sys.argv[1:])
