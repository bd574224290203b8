"""Migrations: from nothing and from every older version; nothing newer is touched."""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from core.errors import Damaged, TooNew
from labels_db import LabelsDB, NewEvent, TaskSpec, schema

VERSIONS = Path(__file__).with_name("versions")
NEWEST = schema.MIGRATIONS[-1].version

Make = Callable[..., NewEvent]


def made(path: Path, version: int) -> None:
    """Write the database as that version of Skysift left it: a dump kept since."""
    conn = sqlite3.connect(path)
    conn.executescript((VERSIONS / f"v{version}.sql").read_text())
    conn.close()


def tables_of(path: Path) -> dict[str, str]:
    conn = sqlite3.connect(path)
    rows = conn.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    conn.close()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def version_of(path: Path) -> int:
    conn = sqlite3.connect(path)
    version = conn.execute("PRAGMA user_version").fetchone()[0]
    conn.close()
    return version


def test_migrations_are_numbered_from_one_and_each_has_its_dump() -> None:
    numbers = [migration.version for migration in schema.MIGRATIONS]
    assert numbers == list(range(1, NEWEST + 1))
    dumps = {file.name for file in VERSIONS.glob("*.sql")}
    assert dumps == {f"v{number}.sql" for number in numbers}


@pytest.mark.parametrize("start", ["absent", "empty", "wal"])
def test_from_nothing(path: Path, spec: TaskSpec, make: Make, start: str) -> None:
    if start == "empty":
        path.touch()
    elif start == "wal":
        # what a process leaves that was killed just before the first migration
        conn = sqlite3.connect(path)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.close()
        assert path.stat().st_size > 0
    with LabelsDB(path) as db:
        db.create_task(spec)
        assert db.record(make("obj-1", "dual")).seq == 1
        recorded = list(db.tables["migrations"].rows)
    assert [row["version"] for row in recorded] == list(range(1, NEWEST + 1))
    assert [row["name"] for row in recorded] == [m.name for m in schema.MIGRATIONS]
    assert version_of(path) == NEWEST


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_from_every_version(tmp_path: Path, make: Make, version: int) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    made(old, version)
    assert version_of(old) == version
    LabelsDB(new).close()
    with LabelsDB(old) as db:
        db.check(thorough=True)
        # The same acts are in every dump.
        labels = {key: label.class_name for key, label in db.current_labels("duals").items()}
        assert labels == {"obj-1": "dual", "obj-'2'": "star"}
        assert db.skipped("duals", "ann") == ["obj-3"]
        assert db.skipped("duals", "bob") == []
        kept = {"keys": {"label": "Ω"}} if version >= 3 else {}
        assert db.preferences("owner") == kept
        assert db.flagged("duals") == {"obj-1"}
        assert [note.note for note in db.notes("duals", "obj-1")] == ["two\ncores Ω"]
        assert db.counts("duals") == {"dual": 1, "star": 1, "other": 0}
        assert [item.object_id for item in db.next_items("duals", 9)] == ["obj-4"]
        assert db.task("duals").question == "Is it two nuclei?"
        assert [run.run_id for run in db.runs()] == ["run-1"]
        chosen = ("margin", 0.1, 1) if version >= 4 else ("default", 0.05, 0)
        now = db.strategy("duals")
        assert (now.sampler, now.control_share, now.version) == chosen
        assert [(one.strategy, one.task_version) for one in db.models("duals")] == [(0, 0)]
        assert db.record(make("obj-5", "dual")).n_answers == 4
        assert [row["version"] for row in db.tables["migrations"].rows] == list(
            range(1, NEWEST + 1)
        )
    # A released migration that was edited, or one that forgets old files, shows up here.
    assert tables_of(old) == tables_of(new)


@pytest.mark.parametrize("version", [NEWEST + 1, 1000])
def test_a_newer_version_is_refused_and_left_alone(
    path: Path, spec: TaskSpec, version: int
) -> None:
    with LabelsDB(path) as db:
        db.create_task(spec)
        db.tables.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    assert struct.unpack(">i", before[60:64]) == (version,)
    with pytest.raises(TooNew, match=f"version {version}, this one reads up to {NEWEST}"):
        LabelsDB(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_newer_version_that_stands_in_the_log_alone(path: Path, spec: TaskSpec) -> None:
    with LabelsDB(path) as holder:
        holder.tables.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        holder.tables.execute(f"PRAGMA user_version = {NEWEST + 1}")
        # Its bytes may not be read here: closing the file would drop the holder's locks.
        before = path.stat()
        with pytest.raises(TooNew):
            LabelsDB(path)
        after = path.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def add_column(db: sqlite_utils.Database) -> None:
    db["tasks"].add_column("colour", str)


def break_off(db: sqlite_utils.Database) -> None:
    add_column(db)
    db["half"].create({"id": int}, pk="id")
    raise RuntimeError("the machine stopped here")


def followed_by(apply: Callable[[sqlite_utils.Database], None]) -> tuple[schema.Migration, ...]:
    return (*schema.MIGRATIONS, schema.Migration(NEWEST + 1, "next", apply))


def test_a_migration_is_wholly_there_or_wholly_absent(
    path: Path, spec: TaskSpec, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LabelsDB(path) as db:
        db.create_task(spec)
        db.record(make("obj-1", "dual"))
    before = tables_of(path)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", followed_by(break_off))
        with pytest.raises(RuntimeError, match="stopped here"):
            LabelsDB(path)
    assert tables_of(path) == before
    assert version_of(path) == NEWEST
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", followed_by(add_column))
        with LabelsDB(path) as db:
            assert "colour" in db.tables["tasks"].columns_dict
            assert [row["name"] for row in db.tables["migrations"].rows][-1] == "next"
            assert db.counts("duals")["dual"] == 1
    with pytest.raises(TooNew):
        LabelsDB(path)


def test_a_database_without_its_version_is_not_begun_anew(path: Path, spec: TaskSpec) -> None:
    with LabelsDB(path) as db:
        db.create_task(spec)
        db.tables.execute("PRAGMA user_version = 0")
    with pytest.raises(Damaged):
        LabelsDB(path)
