"""What happens when many write, a process is killed, the disk is full, the file is broken."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import BadInput, Damaged, InUse, StorageFull
from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec
from labels_db.faults import explained
from tests.labels_db.conftest import mounted_disk

Make = Callable[..., NewEvent]
Crew = Callable[..., str]
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def sound(path: Path) -> None:
    with LabelsDB(path) as db:
        db.check(thorough=True)


def test_eight_writers_at_once_lose_nothing(crew: Crew, path: Path) -> None:
    """They also race to create the file and the task, and send three events in common."""
    processes, threads, events = 4, 2, 6
    crew("crowd", processes, threads, events)
    sound(path)
    with LabelsDB(path) as db:
        labels = db.current_labels("duals")
        writers = [f"{p}.{t}" for p in range(processes) for t in range(threads)]
        expected = {f"{writer}/{number}" for writer in writers for number in range(events)}
        assert labels.keys() == expected | {f"shared/{number}" for number in range(3)}
        assert len(list(db.events("duals"))) == len(labels)
        assert db.counts("duals")["dual"] == db.n_answers("duals") == len(labels)
        assert [model.version for model in db.models("duals")] == list(range(1, 9))
        assert [item.model_version for item in db.next_items("duals", 9)] == [8]
        assert len(db.tables.execute("SELECT * FROM migrations").fetchall()) == len(
            {row[0] for row in db.tables.execute("SELECT version FROM migrations")}
        )


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_acknowledged(
    crew: Crew, path: Path, spec: TaskSpec, tmp_path: Path, rounds: int
) -> None:
    with LabelsDB(path) as db:
        db.create_task(spec)
    acks = tmp_path / "acks"
    crew("killed", rounds, 11, acks)
    acknowledged = acks.read_text().split()
    assert len(acknowledged) >= rounds
    sound(path)
    with LabelsDB(path) as db:
        kept = [event.event_id for event in db.events("duals")]
        assert set(acknowledged) <= set(kept)
        # Each writer may have committed one more event than it lived to tell.
        assert len(kept) - len(acknowledged) <= rounds


@pytest.mark.parametrize(
    ("processes", "objects"), [(8, 60), pytest.param(16, 1000, marks=pytest.mark.slow)]
)
def test_many_hands_lose_nothing_and_do_nothing_twice(
    crew: Crew, path: Path, spec: TaskSpec, tmp_path: Path, processes: int, objects: int
) -> None:
    with LabelsDB(path) as db:
        db.create_task(spec)
    folder = tmp_path / "copies"
    folder.mkdir()
    crew("hands", folder, processes, objects, timeout_s=1200)
    sound(path)
    with LabelsDB(path) as db:
        events = list(db.events("duals"))
        assert len(events) == processes * objects
        assert len({event.object_id for event in events}) == len(events), "none was done twice"
        given = Counter(event.annotator for event in events)
        assert given == {f"annotator-{number}": objects for number in range(processes)}
        assert not [event for event in events if event.late or event.sampler != "m"]
        assert db.counts("duals")["dual"] == db.n_answers("duals") == len(events)
        assert db.n_leased("duals") == {}
        assert len(db.models("duals")) > 2
    copies = list(folder.glob("*.sqlite"))
    assert copies
    for copy in copies:
        sound(copy)


def before_many_hands(path: Path) -> None:
    """A database of version 1 with 20,000 events more."""
    conn = sqlite3.connect(path)
    conn.executescript((Path(__file__).with_name("versions") / "v1.sql").read_text())
    conn.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO events (event_id, task_id, object_id, survey_version, annotator, action,"
        " class_name, recorded_at) SELECT printf('%08x-0000-4000-8000-000000000000', i), 1,"
        " 'o' || (i / 2), 1, 'ann' || (i % 3), CASE i % 10 WHEN 0 THEN 'skip' ELSE 'label' END,"
        " CASE i % 10 WHEN 0 THEN NULL ELSE 'dual' END, '2026-01-01' FROM n"
    )
    conn.commit()
    conn.close()


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("act", ["rank", "lease", "import", "migrate"])
def test_kill_9_leaves_an_act_wholly_done_or_not(
    crew: Crew,
    path: Path,
    spec: TaskSpec,
    model: Callable[..., ModelRecord],
    tmp_path: Path,
    act: str,
    rounds: int,
) -> None:
    """crew.py looks at the database after each kill; here is what was acknowledged in all."""
    if act == "migrate":
        before_many_hands(path)
    else:
        with LabelsDB(path) as db:
            db.create_task(spec)
            queue = [QueueItem(f"o{number}", number, "m") for number in range(20_000)]
            db.replace_queue("duals", queue, model())
    acks = tmp_path / "acks"
    undone = int(crew("killed_at", act, rounds, 5, acks, timeout_s=1200))
    acknowledged = acks.read_text().split()
    with LabelsDB(path) as db:
        if act == "migrate":
            assert undone > 0, "some were killed in the middle"
        elif act == "rank":
            assert db.models("duals")[-1].version >= int(acknowledged[-1])
        elif act == "lease":
            assert set(acknowledged) <= db.n_leased("duals").keys()
        else:
            assert {event.source for event in db.events("duals")} >= set(acknowledged)
        assert act == "migrate" or len(acknowledged) >= rounds


def test_a_full_disk_hands_out_nothing(
    db: LabelsDB, model: Callable[..., ModelRecord], make: Make
) -> None:
    queue = [QueueItem(f"o{number}", number, "m" * 100) for number in range(1000)]
    db.replace_queue("duals", queue, model())
    handed = db.lease_next("duals", "ann", 3).items
    limit = db.tables.execute("PRAGMA page_count").fetchone()[0] + 4
    db.tables.execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StorageFull, match="is full, so nothing was saved"):
        db.lease_next("duals", "bob", 200)
    assert db.n_leased("duals") == {"ann": 3}
    assert db.record(make("o0", "dual", lease=handed[0].lease)).n_answers == 1
    db.tables.execute("PRAGMA max_page_count = 1000000")
    assert len(db.lease_next("duals", "bob", 200).items) == 200
    db.check(thorough=True)


def fill(db: LabelsDB, make: Make) -> list[str]:
    """Record long notes until the disk is full; return the acknowledged event_ids."""
    acknowledged = []
    for number in range(2000):
        event = make(f"obj-{number}", action=Action.NOTE, note="x" * 4000)
        try:
            acknowledged.append(db.record(event).event_id)
        except StorageFull:
            return acknowledged
    raise AssertionError("the disk did not fill up")


def kept(db: LabelsDB) -> list[str]:
    return [event.event_id for event in db.events("duals")]


def test_a_full_disk_is_told_and_loses_nothing(
    db: LabelsDB, make: Make, path: Path, model: Callable[..., ModelRecord]
) -> None:
    db.replace_queue("duals", [QueueItem("first", 0, "m")], model())
    limit = db.tables.execute("PRAGMA page_count").fetchone()[0] + 8
    db.tables.execute(f"PRAGMA max_page_count = {limit}")
    acknowledged = fill(db, make)
    assert kept(db) == acknowledged
    big = [QueueItem(f"{number}" * 50, number, "m") for number in range(2000)]
    with pytest.raises(StorageFull, match="is full, so nothing was saved"):
        db.replace_queue("duals", big, model())
    assert [item.object_id for item in db.next_items("duals", 3)] == ["first"]
    assert len(db.models("duals")) == 1
    db.tables.execute("PRAGMA max_page_count = 1000000")
    assert db.record(make("obj-1", "dual")).counts["dual"] == 1
    assert len(kept(db)) == len(acknowledged) + 1
    db.close()
    sound(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk", "1m") as folder:
        yield folder


@ROOT_ONLY
def test_a_really_full_disk_is_told_and_loses_nothing(
    small_disk: Path, spec: TaskSpec, make: Make
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    path = small_disk / "labels.sqlite"
    with LabelsDB(path) as db:
        db.create_task(spec)
        acknowledged = fill(db, make)
        assert kept(db) == acknowledged
        with pytest.raises(StorageFull):
            db.record(make("obj-1", action=Action.NOTE, note="x" * 4000))
        ballast.unlink()
        acknowledged.append(db.record(make("obj-1", "dual")).event_id)
        assert kept(db) == acknowledged
    sound(path)


@ROOT_ONLY
def test_a_disk_with_no_room_for_a_new_database(small_disk: Path) -> None:
    with open(small_disk / "ballast", "wb") as file, pytest.raises(OSError, match="space"):
        file.write(bytes(2_000_000))
    with pytest.raises(StorageFull):
        LabelsDB(small_disk / "labels.sqlite")


def test_a_lock_held_too_long(db: LabelsDB, make: Make, path: Path) -> None:
    with LabelsDB(path, busy_timeout_ms=50) as waiting:
        db.tables.execute("BEGIN IMMEDIATE")
        with pytest.raises(InUse, match="locked for too long"):
            waiting.record(make("obj-1", "dual"))
        assert waiting.last_seq("duals") == 0, "reading goes on"
        db.tables.execute("ROLLBACK")
        assert waiting.record(make("obj-1", "dual")).seq


def test_a_database_that_may_only_be_read(db: LabelsDB, make: Make) -> None:
    db.tables.execute("PRAGMA query_only = ON")
    with pytest.raises(BadInput, match="may only be read"):
        db.record(make("obj-1", "dual"))


@ROOT_ONLY
def test_a_disk_mounted_read_only(small_disk: Path, spec: TaskSpec) -> None:
    path = small_disk / "labels.sqlite"
    with LabelsDB(path) as db:
        db.create_task(spec)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(BadInput, match="permissions"):
        LabelsDB(path)
    with pytest.raises(BadInput, match="permissions"):
        LabelsDB(small_disk / "new.sqlite")


@pytest.mark.parametrize("content", [b"not a database", b"x" * 5000, b"SQLite format 3\x00 cut"])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Damaged, match="restore it from a backup"):
        LabelsDB(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_database_of_another_program(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE mine (x)")
    conn.close()
    before = path.read_bytes()
    with pytest.raises(Damaged, match="another program"):
        LabelsDB(path)
    conn = sqlite3.connect(path)
    assert [name for (name,) in conn.execute("SELECT name FROM sqlite_master")] == ["mine"]
    conn.execute("PRAGMA journal_mode = DELETE")
    conn.execute("PRAGMA user_version = 3")
    conn.close()
    before = path.read_bytes()
    with pytest.raises(Damaged, match="another program"):
        LabelsDB(path)
    assert path.read_bytes() == before


def filled(path: Path, spec: TaskSpec, make: Make) -> bytes:
    with LabelsDB(path) as db:
        db.create_task(spec)
        for number in range(40):
            db.record(make(f"obj-{number}", "dual", note="x" * 1000))
    return path.read_bytes()


def test_a_file_cut_short(path: Path, spec: TaskSpec, make: Make) -> None:
    content = filled(path, spec, make)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Damaged), LabelsDB(path) as db:
        db.check()


def test_a_page_overwritten(path: Path, spec: TaskSpec, make: Make) -> None:
    content = bytearray(filled(path, spec, make))
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    path.write_bytes(bytes(content))
    with pytest.raises(Damaged), LabelsDB(path) as db:
        db.check()
    with pytest.raises(Damaged), LabelsDB(path) as db:
        db.record(make("obj-1", "dual"))


def test_counts_that_went_wrong_are_found(db: LabelsDB, make: Make) -> None:
    db.record(make("obj-1", "dual"))
    db.check(thorough=True)
    db.tables.execute("UPDATE class_counts SET n_objects = 5 WHERE class_name = 'star'")
    db.check()
    with pytest.raises(Damaged, match="1 labels or counts of the task 'duals'"):
        db.check(thorough=True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not there"):
        LabelsDB(tmp_path / "none" / "labels.sqlite")
    with pytest.raises(BadInput, match="is a folder"):
        LabelsDB(tmp_path)


def test_errors_told_by_their_text_alone(path: Path) -> None:
    for text, kind in (
        ("database or disk is full", StorageFull),
        ("database is locked", InUse),
        ("database disk image is malformed", Damaged),
        ("file is not a database", Damaged),
        ("attempt to write a readonly database", BadInput),
    ):
        assert type(explained(sqlite3.OperationalError(text), path)) is kind
    assert explained(sqlite3.OperationalError("no such table: x"), path) is None


def test_an_error_of_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert isinstance(explained(error, path), Damaged)
    monkeypatch.setattr("labels_db.faults._disk_is_full", lambda _: True)
    assert isinstance(explained(error, path), StorageFull)


def test_opening_keeps_the_settings_that_durability_needs(db: LabelsDB, path: Path) -> None:
    for pragma, value in (
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 10_000),
    ):
        assert db.tables.execute(f"PRAGMA {pragma}").fetchone()[0] == value
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        db.tables.execute("INSERT INTO class_counts VALUES (99, 'x', 0)")
    for (sql,) in db.tables.execute("SELECT sql FROM sqlite_master WHERE type = 'table'"):
        assert sql.rstrip("; \n").endswith("STRICT"), sql
    db.close()
    db.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
