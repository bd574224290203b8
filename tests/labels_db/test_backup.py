"""Backups and restores: among writers, killed, on full and read-only disks, of broken files."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core import run_care
from core.config import CareConfig
from core.errors import (
    AlreadyExists,
    BadInput,
    Damaged,
    InUse,
    NotFound,
    SkysiftError,
    StorageFull,
    TooNew,
)
from core.vocabulary import JobKind
from core.workspace import Workspace, hold_workspace
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec, schema
from labels_db import backup as backup_module
from labels_db.backup import backup, beside, inspect
from labels_db.restore import restore
from labels_db.retention import (
    AUTOMATIC,
    BEFORE_RESTORE,
    BY_HAND,
    _thin,
    automatic_backup,
    backup_before_migration,
    backup_into_folder,
    backups_folder,
    list_backups,
)
from pages._server.autobackup import AutoBackup
from tests.labels_db.conftest import mounted_disk

Make = Callable[..., NewEvent]
Crew = Callable[..., str]
CREW = Path(__file__).with_name("crew_backup.py")
ROOT = Path(__file__).parents[2]
NEWEST = schema.MIGRATIONS[-1].version
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def crew() -> Crew:
    """Run other processes; see crew_backup.py for the parts they can play."""

    def run(part: str, *arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(CREW), part, *map(str, arguments)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk", "8m") as folder:
        yield folder


def leave_room(disk: Path, n_bytes: int) -> None:
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - n_bytes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups go that are not the workspace's own."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    return place


def fill(db: LabelsDB, make: Make, prefix: str, count: int, size: int = 10) -> list[str]:
    return [
        db.record(make(f"{prefix}{number}", "dual", note="x" * size)).event_id
        for number in range(count)
    ]


def event_ids(path: Path) -> list[str]:
    with LabelsDB(path) as db:
        db.check(thorough=True)
        return [event.event_id for event in db.events("duals")]


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {version}")


def break_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    path.write_bytes(bytes(content))


def old_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(Path(__file__).with_name("versions").joinpath("v1.sql").read_text())


def test_every_name_is_in_the_docs() -> None:
    docs = (ROOT / "docs" / "backups.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`labels-([a-z0-9-]*)TIME\.sqlite`", docs))
    assert named == {AUTOMATIC, BY_HAND, BEFORE_RESTORE, "v1-before-v2-"}
    config = CareConfig()
    assert f"every {config.every_hours:g} hours" in docs
    assert f"the last {config.keep} " in docs


# Backup


def test_a_backup_is_one_private_file_with_everything(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    sent = fill(db, make, "obj-", 30)
    copy = folder / "copy with a ? and a #.sqlite"
    backup(path, copy)
    assert names(folder) == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    # Bytes 18 and 19 of the header: 1 says that no write-ahead log goes with the file.
    assert copy.read_bytes()[18:20] == b"\x01\x01"
    assert inspect(copy, thorough=True) == backup_module.Contents(NEWEST, 30)
    assert names(folder) == [copy.name], "looking at it left nothing"
    assert event_ids(copy) == sent
    assert db.record(make("obj-30", "dual")).seq == 31, "the source goes on"


def test_a_backup_waits_for_no_writer(db: LabelsDB, make: Make, path: Path, folder: Path) -> None:
    sent = fill(db, make, "obj-", 3)
    db.tables.execute("BEGIN IMMEDIATE")
    db.tables.execute("UPDATE tasks SET question = 'half done'")
    backup(path, folder / "copy.sqlite")
    db.tables.execute("ROLLBACK")
    assert event_ids(folder / "copy.sqlite") == sent
    with LabelsDB(folder / "copy.sqlite") as copy:
        assert copy.task("duals").question != "half done"


def test_backups_among_four_writers_hold_all_that_was_acknowledged(
    crew: Crew, db: LabelsDB, path: Path, folder: Path
) -> None:
    db.close()
    crew("busy", path, folder, 4, 3)
    for number in range(3):
        acknowledged = (folder / f"{number}.acks").read_text().split()
        kept = event_ids(folder / f"{number}.sqlite")
        assert len(acknowledged) >= 4
        assert set(acknowledged) <= set(kept)
    assert set(kept) <= set(event_ids(path))


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_backups_leave_nothing_half_done(
    crew: Crew, db: LabelsDB, make: Make, path: Path, folder: Path, tmp_path: Path, rounds: int
) -> None:
    fill(db, make, "obj-", 300, 4000)
    db.close()
    acks = tmp_path / "acks"
    crew("killed_backups", path, folder, rounds, 17, acks)
    acknowledged = acks.read_text().split()
    assert len(acknowledged) >= rounds
    assert set(acknowledged) <= set(event_ids(path))
    finished = [file for file in folder.iterdir() if ".partial" not in file.name]
    assert finished
    for file in finished:
        assert inspect(file, thorough=True).n_events >= 300


def test_what_killed_backups_left_is_removed_after_a_while(
    db: LabelsDB, path: Path, folder: Path
) -> None:
    stale, fresh, foreign = "a.sqlite.12-0a1b2c.partial", "b.sqlite.13-0a1b2c.partial", "c.partial"
    for name in (stale, fresh, foreign):
        (folder / name).touch()
    long_ago = time.time() - 2 * backup_module.STALE_S
    for name in (stale, foreign):
        os.utime(folder / name, (long_ago, long_ago))
    backup(path, folder / "copy.sqlite")
    assert names(folder) == sorted([fresh, foreign, "copy.sqlite"])


def test_where_a_backup_may_not_go(db: LabelsDB, path: Path, folder: Path) -> None:
    (folder / "link").symlink_to(path)
    for target in (path, *beside(path), folder / "link"):
        with pytest.raises(BadInput, match="the label database itself"):
            backup(path, target)
    with pytest.raises(BadInput, match="is a folder"):
        backup(path, folder)
    with pytest.raises(BadInput, match="is not there"):
        backup(path, folder / "none" / "copy.sqlite")
    with pytest.raises(BadInput, match="keeps for itself"):
        backup(path, folder / "other.sqlite-wal")
    taken = folder / "taken.sqlite"
    taken.write_text("mine")
    with pytest.raises(AlreadyExists, match="name another path"):
        backup(path, taken)
    assert taken.read_text() == "mine"
    assert names(folder) == ["link", "taken.sqlite"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_taken_meanwhile_is_not_overwritten(
    db: LabelsDB, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links on this file system")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    backup(path, folder / "free.sqlite")
    taken = folder / "taken.sqlite"
    real = backup_module._check_soundness

    def meanwhile(*arguments: object, **named: object) -> None:
        taken.write_text("mine")
        real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(backup_module, "_check_soundness", meanwhile)
    with pytest.raises(AlreadyExists):
        backup(path, taken)
    assert taken.read_text() == "mine"
    assert names(folder) == ["free.sqlite", "taken.sqlite"]


def test_what_cannot_be_backed_up(db: LabelsDB, make: Make, path: Path, folder: Path) -> None:
    fill(db, make, "obj-", 40, 1000)
    db.close()
    copy = folder / "copy.sqlite"
    with pytest.raises(NotFound, match="no label database"):
        backup(folder / "none.sqlite", copy)
    assert names(folder) == []
    with pytest.raises(BadInput, match="is a file"):
        backup(folder, copy)
    other = folder / "other.sqlite"
    with closing(sqlite3.connect(other)) as conn:
        conn.execute("CREATE TABLE events (x)")
    with pytest.raises(Damaged, match="another program"):
        backup(other, copy)
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(Damaged):
        backup(other, copy)
    break_pages(path)
    with pytest.raises(Damaged, match=r"labels\.sqlite should be"):
        backup(path, copy)
    assert names(folder) == ["other.sqlite"]


def test_a_newer_database_is_copied_all_the_same(db: LabelsDB, path: Path, folder: Path) -> None:
    db.close()
    set_version(path, NEWEST + 1)
    backup(path, folder / "copy.sqlite")
    assert inspect(folder / "copy.sqlite").version == NEWEST + 1


def test_a_source_locked_for_too_long(
    db: LabelsDB, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(path, folder / "single.sqlite")
    monkeypatch.setattr(backup_module, "WAIT_S", 0.05)
    with closing(sqlite3.connect(folder / "single.sqlite", isolation_level=None)) as holder:
        # A database without a write-ahead log, as backups are, keeps readers out like that.
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InUse, match="locked for too long"):
            backup(folder / "single.sqlite", folder / "copy.sqlite")
    assert names(folder) == ["single.sqlite"]


@ROOT_ONLY
def test_a_full_disk_takes_no_backup_and_keeps_no_part(
    db: LabelsDB, make: Make, path: Path, small_disk: Path
) -> None:
    sent = fill(db, make, "obj-", 300, 4000)
    leave_room(small_disk, 600_000)
    with pytest.raises(StorageFull, match="is full"):
        backup(path, small_disk / "copy.sqlite")
    assert names(small_disk) == ["ballast"]
    db.close()
    assert event_ids(path) == sent


@ROOT_ONLY
def test_read_only_disks(db: LabelsDB, make: Make, path: Path, small_disk: Path) -> None:
    sent = fill(db, make, "obj-", 5)
    single, logged = small_disk / "single.sqlite", small_disk / "logged.sqlite"
    backup(path, single)
    shutil.copy(single, logged)
    LabelsDB(logged).close()
    assert logged.read_bytes()[18:20] == b"\x02\x02"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(BadInput, match="may not be read or written"):
        backup(path, small_disk / "copy.sqlite")
    for file in (single, logged):
        assert inspect(file, thorough=True).n_events == 5
        fill(db, make, file.stem, 1)
        restore(file, path)
        assert [event.event_id for event in db.events("duals")] == sent
    with pytest.raises(BadInput, match="may not be read or written"):
        restore(path, small_disk / "labels.sqlite")


# Restore


def test_a_restore_brings_everything_back_and_keeps_what_was(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    first = fill(db, make, "obj-", 3)
    backup(path, folder / "copy.sqlite")
    later = fill(db, make, "more-", 4)
    version = db.data_version()
    done = restore(folder / "copy.sqlite", path)
    assert done.n_events == 3
    assert done.set_aside is None
    assert done.kept is not None
    assert event_ids(done.kept) == first + later
    # A process that had it open sees the change, and may write on.
    assert db.data_version() > version
    assert [event.event_id for event in db.events("duals")] == first
    first += fill(db, make, "after-", 1)
    db.close()
    assert event_ids(path) == first
    assert names(path.parent) == ["backups", "elsewhere", "labels.sqlite", "server.lock"]
    assert names(backups_folder(path)) == [done.kept.name]
    restore(done.kept, path)
    assert event_ids(path) == first[:3] + later


@pytest.mark.parametrize("rounds", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_restores_are_wholly_there_or_wholly_absent(
    crew: Crew, db: LabelsDB, make: Make, path: Path, folder: Path, rounds: int
) -> None:
    fill(db, make, "obj-", 200, 4000)
    backup(path, folder / "copy.sqlite")
    fill(db, make, "more-", 200, 4000)
    db.close()
    outcomes = crew("killed_restores", path, folder / "copy.sqlite", rounds, 23).split()
    assert len(outcomes) == rounds
    assert set(outcomes) <= {"there", "absent"}


def test_restores_cut_off_in_the_middle_of_writing(
    crew: Crew, db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    fill(db, make, "obj-", 200, 4000)
    backup(path, folder / "copy.sqlite")
    fill(db, make, "more-", 20)
    db.close()
    crew("cut_restores", path, folder / "copy.sqlite")


def test_a_restore_is_refused_while_somebody_is_at_work(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    sent = fill(db, make, "obj-", 2)
    backup(path, folder / "copy.sqlite")
    sent += fill(db, make, "more-", 1)
    with (
        hold_workspace(Workspace(path.parent), "the server at http://x"),
        pytest.raises(InUse, match="already open in the server at http://x"),
    ):
        restore(folder / "copy.sqlite", path)
    db.start_run("run-1", JobKind.WORKER, "duals", {})
    with pytest.raises(InUse, match=rf"worker of 'duals' is running \(process {os.getpid()} on"):
        restore(folder / "copy.sqlite", path)
    assert [event.event_id for event in db.events("duals")] == sent
    assert not backups_folder(path).exists()
    # One of another machine or container, heard of just now, then long ago.
    db.tables.execute("UPDATE runs SET host = 'elsewhere'")
    with pytest.raises(InUse, match="on elsewhere"):
        restore(folder / "copy.sqlite", path)
    db.tables.execute("UPDATE runs SET heartbeat_at = '2020-01-01T00:00:00.000+00:00'")
    assert restore(folder / "copy.sqlite", path).n_events == 2


def test_jobs_that_ran_when_the_backup_was_made_no_longer_do(
    db: LabelsDB, path: Path, folder: Path
) -> None:
    db.start_run("run-1", JobKind.WORKER, "duals", {})
    backup(path, folder / "copy.sqlite")
    db.finish_run("run-1", {})
    with closing(sqlite3.connect(folder / "copy.sqlite")) as conn, conn:
        conn.execute("UPDATE runs SET pid_started = 1")  # long gone, the pid now another's
    restore(folder / "copy.sqlite", path)
    assert [run.state for run in db.runs()] == ["orphaned"]


def test_what_cannot_be_restored(db: LabelsDB, make: Make, path: Path, folder: Path) -> None:
    sent = fill(db, make, "obj-", 40, 1000)
    copies = {name: folder / f"{name}.sqlite" for name in ("broken", "newer", "counts", "cut")}
    for copy in copies.values():
        backup(path, copy)
    break_pages(copies["broken"])
    copies["cut"].write_bytes(copies["cut"].read_bytes()[:-5000])
    set_version(copies["newer"], NEWEST + 1)
    with closing(sqlite3.connect(copies["counts"])) as conn, conn:
        conn.execute("UPDATE class_counts SET n_objects = 5 WHERE class_name = 'star'")
    foreign = folder / "foreign.sqlite"
    with closing(sqlite3.connect(foreign)) as conn:
        conn.execute("CREATE TABLE mine (x)")
    wrong: list[tuple[Path, type[SkysiftError], str]] = [
        (copies["broken"], Damaged, "broken"),
        (copies["cut"], Damaged, "cut"),
        (copies["counts"], Damaged, "not sound, so nothing was restored"),
        (copies["newer"], TooNew, f"version {NEWEST + 1}, this one reads up to {NEWEST}"),
        (foreign, Damaged, "another program"),
        (folder / "none.sqlite", NotFound, "no label database"),
        (folder, BadInput, "is a file"),
        (path, BadInput, "is the label database itself"),
    ]
    for file, kind, words in wrong:
        with pytest.raises(kind, match=words):
            restore(file, path)
        assert [event.event_id for event in db.events("duals")] == sent
    with pytest.raises(BadInput, match="is not there"):
        restore(copies["newer"], folder / "none" / "labels.sqlite")
    with pytest.raises(BadInput, match="is a folder"):
        restore(copies["newer"], path.parent)
    db.check(thorough=True)
    assert not backups_folder(path).exists() or not names(backups_folder(path))


@pytest.mark.parametrize("present", ["absent", "broken", "foreign", "empty"])
def test_a_restore_where_there_is_no_sound_database(
    db: LabelsDB, make: Make, path: Path, folder: Path, present: str
) -> None:
    sent = fill(db, make, "obj-", 40, 1000)
    backup(path, folder / "copy.sqlite")
    # As a killed process leaves it: with a log whose pages are not the backup's.
    fill(db, make, "more-", 40, 1000)
    log, stale = path.with_name("labels.sqlite-wal"), path.with_name("stale")
    shutil.copy(log, stale)
    db.close()
    if present == "absent":
        path.unlink()
    elif present == "broken":
        break_pages(path)
    elif present == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        with closing(sqlite3.connect(path)) as conn:
            conn.execute("CREATE TABLE mine (x)")
    before = path.read_bytes() if path.exists() else None
    if present != "empty":  # SQLite itself deletes a log that it finds beside an empty file
        stale.rename(log)
    done = restore(folder / "copy.sqlite", path)
    assert done.kept is None
    assert done.set_aside is not None
    assert event_ids(path) == sent
    if present in ("absent", "empty"):
        assert done.set_aside.exists() == (present == "empty")
    else:
        assert done.set_aside.stat().st_size == len(before or b"")
    if present == "absent":
        assert done.set_aside.with_name(f"{done.set_aside.name}-wal").stat().st_size > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_first_restore_into_a_new_workspace(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    sent = fill(db, make, "obj-", 3)
    done = restore(path, folder / "labels.sqlite")
    assert (done.n_events, done.kept, done.set_aside) == (3, None, None)
    assert event_ids(folder / "labels.sqlite") == sent


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    db: LabelsDB, path: Path, folder: Path
) -> None:
    old_database(folder / "old.sqlite")
    restore(folder / "old.sqlite", path)
    assert inspect(path).version == NEWEST
    assert inspect(folder / "old.sqlite").version == 1, "the backup is left as it was"
    assert db.counts("duals") == {"dual": 1, "star": 1, "other": 0}
    db.check(thorough=True)


def test_going_back_from_a_newer_version(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    sent = fill(db, make, "obj-", 3)
    backup(path, folder / "copy.sqlite")
    db.close()
    set_version(path, NEWEST + 1)
    done = restore(folder / "copy.sqlite", path)
    assert event_ids(path) == sent
    assert done.kept is not None
    assert inspect(done.kept).version == NEWEST + 1


def test_a_backup_with_pages_of_another_size(
    db: LabelsDB, make: Make, path: Path, folder: Path
) -> None:
    sent = fill(db, make, "obj-", 3)
    copy = folder / "copy.sqlite"
    backup(path, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as conn:
        conn.execute("PRAGMA page_size = 8192")
        conn.execute("VACUUM")
    fill(db, make, "more-", 3)
    with pytest.raises(InUse, match="locked"):
        restore(copy, path)  # nobody else may have the file open for this one
    db.close()
    restore(copy, path)
    assert event_ids(path) == sent


@ROOT_ONLY
@pytest.mark.parametrize("phase", ["trying", "writing"])
def test_a_full_disk_leaves_the_present_database(
    small_disk: Path, tmp_path: Path, db: LabelsDB, make: Make, path: Path, phase: str
) -> None:
    fill(db, make, "obj-", 150, 4000)
    target = small_disk / "labels.sqlite"
    with LabelsDB(target) as small:
        small.create_task(TaskSpec("duals", "hubble", "?", ("dual", "star"), "dual"))
        sent = fill(small, make, "own-", 5)
    if phase == "writing":
        elsewhere = tmp_path / "roomy"
        elsewhere.mkdir()
        backups_folder(target).symlink_to(elsewhere)
    leave_room(small_disk, 300_000)
    with pytest.raises(StorageFull, match="is full"):
        restore(path, target)
    assert event_ids(target) == sent
    kept = list_backups(backups_folder(target))
    assert [file.contents is not None for file in kept] == [True] * (phase == "writing")
    assert not list(backups_folder(target).glob("*.partial"))
    (small_disk / "ballast").unlink()
    if phase == "writing":
        restore(path, target)
        assert len(event_ids(target)) == 150


# Retention


def test_an_automatic_backup_only_when_labels_changed(
    db: LabelsDB, make: Make, path: Path, model: Callable[..., ModelRecord]
) -> None:
    assert automatic_backup(path, 7) is not None
    assert automatic_backup(path, 7) is None
    db.start_run("run-1", JobKind.WORKER, "duals", {})
    db.replace_queue("duals", [QueueItem("first", 0, "m")], model())
    assert automatic_backup(path, 7) is None, "a ranking is made anew from the labels"
    owner = db.ensure_owner("ann")
    assert automatic_backup(path, 7) is not None
    db.note_sign_in(owner.id)
    assert db.person("ann").last_seen_at
    assert automatic_backup(path, 7) is None, "so may be each visit"
    fill(db, make, "obj-", 1)
    made = automatic_backup(path, 7)
    assert made is not None
    assert inspect(made).n_events == 1
    assert automatic_backup(path, 7) is None
    db.create_task(TaskSpec("lenses", "hubble", "A lens?", ("lens", "other"), "lens"))
    assert automatic_backup(path, 7) is not None
    assert automatic_backup(path, 7) is None


def test_only_the_last_automatic_backups_are_kept(db: LabelsDB, make: Make, path: Path) -> None:
    folder = backups_folder(path)
    by_hand = backup_into_folder(path, BY_HAND)
    others = ["labels-20200101T000000Z.sqlite.old", "labels-2020.sqlite", "notes.txt"]
    others.append("labels-by-hand-20200231T000000Z.sqlite")
    for name in others:
        (folder / name).write_text("not ours")
    made = []
    for number in range(5):
        fill(db, make, f"round-{number}-", 1)
        made.append(automatic_backup(path, 3))
    kept = [file.name for file in made[-3:] if file is not None]
    assert len(kept) == 3
    assert names(folder) == sorted([by_hand.name, *others, *kept])
    listed = list_backups(folder)
    assert [file.contents.n_events for file in listed if file.contents][:3] == [5, 4, 3]


def test_the_newest_whole_backup_is_never_deleted(db: LabelsDB, make: Make, path: Path) -> None:
    fill(db, make, "obj-", 1)
    whole = automatic_backup(path, 7)
    assert whole is not None
    folder = backups_folder(path)
    old = folder / "labels-20200101T000000Z.sqlite"
    whole.rename(old)
    later = [folder / f"labels-2020010{day}T000000Z.sqlite" for day in range(2, 6)]
    for file in later:
        file.write_bytes(b"cut short")
    _thin(folder, 2)
    assert names(folder) == [old.name, *(file.name for file in later[-2:])]
    # One that can no longer be read is no reason to make none.
    made = automatic_backup(path, 1)
    assert made is not None
    assert names(folder) == [made.name]
    assert inspect(made).n_events == 1


def test_backups_of_a_clock_gone_wrong_do_not_push_out_new_ones(
    db: LabelsDB, make: Make, path: Path
) -> None:
    folder = backups_folder(path)
    for number in range(3):
        fill(db, make, f"obj-{number}-", 1)
        made = automatic_backup(path, 7)
        assert made is not None
        made.rename(folder / f"labels-2999010{number + 1}T000000Z.sqlite")
    fill(db, make, "obj-", 1)
    new = automatic_backup(path, 2)
    assert new is not None
    assert names(folder) == [new.name, "labels-29990103T000000Z.sqlite"]
    assert automatic_backup(path, 2) is None


def test_a_backup_before_each_migration(tmp_path: Path) -> None:
    path = tmp_path / "labels.sqlite"
    LabelsDB(tmp_path / "new.sqlite").close()
    path.touch()
    assert backup_before_migration(path, 1) is None
    path.unlink()
    old_database(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("BEGIN IMMEDIATE")
        made = backup_before_migration(path, 2)
        conn.execute("DELETE FROM queue")
        conn.execute("ROLLBACK")
    assert made is not None
    assert made.name.startswith("labels-v1-before-v2-")
    assert inspect(made).version == 1
    assert [file.path for file in list_backups(backups_folder(path))] == [made]
    assert automatic_backup(path, 1) is not None
    assert made.exists(), "it does not count among the automatic ones"
    assert backup_before_migration(path, 2) == made, (
        "begun again, one of the same labels is enough"
    )


def test_settings() -> None:
    assert CareConfig().as_dict() == {"keep": 7, "every_hours": 6.0}
    for wrong in ({"keep": 0}, {"every_hours": 0.0}, {"every_hours": float("nan")}):
        with pytest.raises(BadInput, match=f"{next(iter(wrong))} must be"):
            CareConfig(**wrong)


# The server's thread


def test_the_server_backs_up_by_itself(db: LabelsDB, make: Make, path: Path) -> None:
    fill(db, make, "obj-", 1)
    thread = AutoBackup(Workspace(path.parent), CareConfig(every_hours=0.2 / 3600))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while thread.status.made is None and time.monotonic() < deadline:
            time.sleep(0.01)
        first = thread.status.made
        assert first is not None
        fill(db, make, "more-", 1)
        while thread.status.made == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert thread.status.made != first
        assert not thread.status.problem
    finally:
        thread.close()
    assert not thread._thread.is_alive()


def test_a_backup_of_the_server_that_fails_is_told(
    db: LabelsDB, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = AutoBackup(Workspace(path.parent))
    (path.parent / "backups").write_text("a file where the folder should be")
    thread.look()
    assert "cannot be used here" in thread.status.problem
    monkeypatch.setattr("pages._server.autobackup.automatic_backup", lambda *_: 1 / 0)
    thread.look()
    assert "unforeseen error (ZeroDivisionError" in thread.status.problem
    monkeypatch.undo()
    (path.parent / "backups").unlink()
    thread.look()
    assert not thread.status.problem
    assert thread.status.made is not None
    thread.close()


# The jobs


def test_the_jobs_in_their_own_words(db: LabelsDB, make: Make, path: Path, folder: Path) -> None:
    workspace = Workspace(path.parent)
    assert "There is no backup in" in run_care.run_backups(workspace)
    fill(db, make, "obj-", 2)
    copy = folder / "copy.sqlite"
    assert "2 events of" in run_care.run_backup(workspace, copy)
    made = run_care.run_backup(workspace)
    name = names(backups_folder(path))[0]
    assert name.startswith("labels-by-hand-")
    assert name in made
    fill(db, make, "more-", 1)
    (backups_folder(path) / "labels-20200101T000000Z.sqlite").write_bytes(b"no")
    listed = run_care.run_backups(workspace).splitlines()
    assert listed[0].startswith("2 backups in")
    assert [line.split()[-2:] for line in listed[2:]] == [
        ["sound", name],
        ["damaged", "labels-20200101T000000Z.sqlite"],
    ]
    assert listed[3].startswith("2020-01-01 00:00:00")
    for thorough in (False, True):
        assert "is sound, checked" in run_care.run_check(workspace, thorough=thorough)
    restored = run_care.run_restore(workspace, Path(name))
    assert ": 2 events, checked thoroughly. What it was until now is kept in" in restored
    assert db.last_seq("duals") == 2
    with pytest.raises(NotFound):
        run_care.run_restore(workspace, Path("none.sqlite"))


@pytest.mark.parametrize("state", ["absent", "broken", "counts"])
def test_a_check_that_fails_names_the_way_out(
    db: LabelsDB, make: Make, path: Path, state: str
) -> None:
    workspace = Workspace(path.parent)
    fill(db, make, "obj-", 40, 1000)
    if state == "counts":
        db.tables.execute("UPDATE class_counts SET n_objects = 5 WHERE class_name = 'star'")
    db.close()
    with_backup = state != "counts"
    if with_backup:
        run_care.run_backup(workspace)
    if state == "absent":
        path.unlink()
    elif state == "broken":
        break_pages(path)
    way_out = r"core\.run restore labels-by-hand-" if with_backup else "There is no sound backup"
    with pytest.raises((NotFound, Damaged), match=way_out):
        run_care.run_check(workspace, thorough=True)
    assert path.exists() == (state != "absent")
    if state == "broken":
        name = names(backups_folder(path))[0]
        assert "damaged database was moved to" in run_care.run_restore(workspace, Path(name))
        assert len(event_ids(path)) == 40


def test_a_network_file_system_is_told_of(
    db: LabelsDB,
    path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_care.run_backup(Workspace(path.parent), folder / "local.sqlite")
    assert not capsys.readouterr().err

    def mounts(all: bool = False) -> list[SimpleNamespace]:
        return [SimpleNamespace(mountpoint="/", fstype="nfs4")]

    monkeypatch.setattr(psutil, "disk_partitions", mounts)
    run_care.run_backup(Workspace(path.parent), folder / "copy.sqlite")
    assert "network file system (nfs4), where labels can be lost" in capsys.readouterr().err
    run_care.run_check(Workspace(path.parent))
    assert "network file system (nfs4)" in capsys.readouterr().err
