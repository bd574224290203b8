"""Other processes that back up, restore and write at once: run by the tests, like crew.py.

`crew_backup.py busy PATH FOLDER N_WRITERS N_BACKUPS` backs PATH up into FOLDER/N.sqlite while
others write; FOLDER/N.acks has the event_ids that were acknowledged before each backup began.
`crew_backup.py killed_backups PATH FOLDER ROUNDS SEED ACKS` kills a process with -9 that backs
up while another writes, which is killed too; ACKS gets what was acknowledged.
`crew_backup.py killed_restores PATH BACKUP ROUNDS SEED` kills restores of BACKUP and of the
present state in turn, and checks after each one; it prints how each ended.
`crew_backup.py cut_restores PATH BACKUP` ends restores at chosen bytes of what they write into
the live database, as -9 does: the kernel kills a process that passes its limit of a file's size.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import sys
import time
import uuid
from functools import partial
from pathlib import Path

import labels_db.restore
from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem
from labels_db.backup import backup, inspect
from labels_db.restore import restore
from labels_db.retention import backups_folder, list_backups
from tests.labels_db.crew import fork

TASK = "duals"


def label(object_id: str) -> NewEvent:
    return NewEvent(
        event_id=str(uuid.uuid4()),
        task=TASK,
        object_id=object_id,
        survey_version=1,
        annotator="ann",
        action=Action.LABEL,
        class_name="dual",
    )


def event_ids(path: Path) -> list[str]:
    with LabelsDB(path) as db:
        db.check(thorough=True)
        return [event.event_id for event in db.events(TASK)]


def kill(pid: int) -> bool:
    """Kill with -9; False if the process had already ended well."""
    os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def write(path: Path, log: int, report: int) -> None:
    """Label without end and re-rank now and then; each acknowledged event_id goes to `log`."""
    with LabelsDB(path, busy_timeout_ms=60_000) as db:
        for number in itertools.count():
            ack = db.record(label(f"{os.getpid()}/{number}"))
            os.write(log, f"{ack.event_id}\n".encode())
            if number == 0:
                os.write(report, b"!")
            if number % 7 == 0:
                model = ModelRecord(
                    task=TASK, n_labels=1, label_seq=1, sampler="m", survey_version=1, seed=0
                )
                items = [QueueItem(f"{os.getpid()}-{rank}", rank, "m") for rank in range(50)]
                db.replace_queue(TASK, items, model)


def busy(path: Path, folder: Path, n_writers: int, n_backups: int) -> None:
    acks = folder / "acks"
    log = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    heard, report = os.pipe()
    pids = [fork(partial(write, path, log, report)) for _ in range(n_writers)]
    for _ in range(n_writers):
        assert os.read(heard, 1) == b"!"
    for number in range(n_backups):
        known = acks.read_text()
        backup(path, folder / f"{number}.sqlite")
        (folder / f"{number}.acks").write_text(known)
    for pid in pids:
        assert kill(pid), "a writer ended by itself"


def killed_backups(path: Path, folder: Path, rounds: int, seed: int, acks: Path) -> None:
    moments = random.Random(seed)
    began = time.monotonic()
    backup(path, folder / "first.sqlite")
    took = time.monotonic() - began
    log = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def back_up(number: int, report: int) -> None:
        for again in itertools.count():
            os.write(report, b"!")
            backup(path, folder / f"{number}-{again}.sqlite")

    for number in range(rounds):
        heard, report = os.pipe()
        writer = fork(partial(write, path, log, report))
        assert os.read(heard, 1) == b"!", "the writer ended by itself"
        copier = fork(partial(back_up, number, report))
        assert os.read(heard, 1) == b"!", "the backup ended by itself"
        time.sleep(moments.uniform(0, 2 * took))
        assert kill(copier)
        assert kill(writer)
        os.close(heard)
        os.close(report)


def killed_restores(path: Path, other: Path, rounds: int, seed: int) -> None:
    """Even rounds are killed anywhere, odd ones while the pages go into the live database."""
    moments = random.Random(seed)
    copied = labels_db.restore._write_into
    spans = [0.0, 0.0]

    def timed(tried: Path, target: Path) -> None:
        began = time.monotonic()
        copied(tried, target)
        spans[1] = time.monotonic() - began

    labels_db.restore._write_into = timed
    before = path.with_name("before.sqlite")
    backup(path, before)
    restore(other, path)  # the first is slower
    began = time.monotonic()
    restore(other, path)
    spans[0] = time.monotonic() - began
    present, wanted = other, before

    def bring_back(wanted: Path, is_late: bool, report: int) -> None:
        def tell(tried: Path, target: Path) -> None:
            os.write(report, b"!")
            copied(tried, target)

        if is_late:
            labels_db.restore._write_into = tell
        else:
            os.write(report, b"!")
        restore(wanted, path)

    for number in range(rounds):
        with LabelsDB(path) as db:
            db.record(label(f"between/{number}"))
        old, new = event_ids(path), event_ids(wanted)
        heard, report = os.pipe()
        pid = fork(partial(bring_back, wanted, number % 2 == 1, report))
        assert os.read(heard, 1) == b"!", "the restore ended by itself"
        time.sleep(moments.uniform(0, spans[number % 2]))
        kill(pid)
        os.close(heard)
        os.close(report)
        found = event_ids(path)
        assert found in (old, new), "neither wholly there nor wholly absent"
        kept = list_backups(backups_folder(path))
        assert all(file.contents is not None for file in kept), kept
        if found == new:
            # What it replaced, with the event acknowledged last, is in the backup made first.
            assert event_ids(kept[0].path) == old
            present, wanted = wanted, present
        inspect(path, thorough=True)
        print("there" if found == new else "absent")


def cut_restores(path: Path, wanted: Path) -> None:
    copied = labels_db.restore._write_into
    old, size = event_ids(path), wanted.stat().st_size

    def restore_up_to(limit: int) -> None:
        def limited(tried: Path, target: Path) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            copied(tried, target)

        labels_db.restore._write_into = limited
        restore(wanted, path)

    for share in (0.01, 0.3, 0.6, 0.97):
        pid = fork(partial(restore_up_to, int(share * size)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGXFSZ
        assert event_ids(path) == old
    restore(wanted, path)
    assert event_ids(path) == event_ids(wanted) != old


def main(part: str, path: str, *arguments: str) -> None:
    if part == "busy":
        busy(Path(path), Path(arguments[0]), int(arguments[1]), int(arguments[2]))
    elif part == "killed_backups":
        rounds, seed = int(arguments[1]), int(arguments[2])
        killed_backups(Path(path), Path(arguments[0]), rounds, seed, Path(arguments[3]))
    elif part == "killed_restores":
        killed_restores(Path(path), Path(arguments[0]), int(arguments[1]), int(arguments[2]))
    elif part == "cut_restores":
        cut_restores(Path(path), Path(arguments[0]))
    else:
        raise SystemExit(f"unknown part {part}")


if __name__ == "__main__":
    main(*sys.argv[1:])
