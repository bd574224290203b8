"""Backups that Skysift makes by itself, in the folder `backups` beside the database.

    labels-TIME.sqlite                    automatic; the last few are kept
    labels-by-hand-TIME.sqlite            asked for; kept
    labels-before-restore-TIME.sqlite     what a restore replaced; kept
    labels-v1-before-v2-TIME.sqlite       what a migration began from; kept

TIME is in UTC, so that the names sort by age. Only the first kind is ever deleted.
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import SkysiftError
from core.workspace import storage_errors
from labels_db.backup import Contents, backup, found_version, inspect, open_to_read
from labels_db.faults import database_errors

AUTOMATIC = ""
BY_HAND = "by-hand-"
BEFORE_RESTORE = "before-restore-"

_TIME = "%Y%m%dT%H%M%SZ"
_AUTOMATIC_NAME = re.compile(r"labels-\d{8}T\d{6}Z\.sqlite")
_OUR_NAME = re.compile(
    r"labels-(?P<kind>by-hand-|before-restore-|v\d+-before-v\d+-)?(?P<time>\d{8}T\d{6}Z)\.sqlite"
)
# What follows from the events, or is of the moment: a restart of the server changes these, and
# a backup for each restart would soon have pushed out those with older labels.
# fmt: off
_PASSING_TABLES = frozenset([
    "queue", "models", "runs", "run_documents", "leases",
    "answers", "object_states", "class_counts", "answer_counts", "preferences",
])
# fmt: on
_PASSING_COLUMNS = frozenset(["last_seen_at", "last_used_at"])


@dataclass(frozen=True)
class BackupFile:
    """One backup in the folder; `contents` is None where `problem` says what is wrong."""

    path: Path
    time: str
    size_bytes: int
    contents: Contents | None
    problem: str = ""


def backups_folder(database: str | os.PathLike[str]) -> Path:
    """The folder of the backups of a label database; made by the first one."""
    return Path(database).expanduser().absolute().parent / "backups"


def automatic_backup(database: str | os.PathLike[str], keep: int) -> Path | None:
    """Back the database up unless its labels are those of the last automatic backup.

    After a new one all but the last `keep` are deleted, never the newest whole one. Returns
    None if nothing had changed; raises what `backup` raises.
    """
    database = Path(database).expanduser().absolute()
    folder = backups_folder(database)
    earlier = _automatic(folder)
    if earlier and _same_labels(database, earlier[-1]):
        return None
    made = backup_into_folder(database, AUTOMATIC)
    _thin(folder, keep)
    return made


def backup_before_migration(database: str | os.PathLike[str], version: int) -> Path | None:
    """Back up an existing database that is about to become `version`; None for a new one.

    To be called inside the write transaction of the migration, before its first change: of
    several processes that open the file one does it, and what is copied is the old state. A
    migration whose backup fails (a full disk) must not begin.
    """
    database = Path(database).expanduser().absolute()
    with open_to_read(database) as conn, database_errors(database):
        old = conn.execute("PRAGMA user_version").fetchone()[0]
    if old == 0:
        return None
    kind = f"v{old}-before-v{version}-"
    # A migration that was killed begins again: one backup of the same labels is enough.
    folder = backups_folder(database)
    earlier = sorted(folder.glob(f"labels-{kind}*.sqlite")) if folder.is_dir() else []
    if earlier and _same_labels(database, earlier[-1]):
        return earlier[-1]
    return backup_into_folder(database, kind)


def backup_into_folder(database: Path, kind: str) -> Path:
    """Back the database up under a new name of that kind in its folder; return the file."""
    folder = backups_folder(database)
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    # Two within a second: the later one gets the later name, even where one was deleted since.
    now = int(time.time())
    taken = [moment for moment in _moments(folder, kind) if moment <= now + 60]
    target = folder / _name(kind, max([now, *(moment + 1 for moment in taken)]))
    backup(database, target)
    return target


def list_backups(folder: Path) -> list[BackupFile]:
    """Return the backups in the folder, newest first, each inspected (a second per 300 MB)."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _OUR_NAME.fullmatch(path.name)
        if name is None or not path.is_file():
            continue
        contents, problem = None, ""
        try:
            contents = inspect(path)
        except SkysiftError as error:
            problem = str(error)
        found.append(BackupFile(path, name["time"], path.stat().st_size, contents, problem))
    return sorted(found, key=lambda file: (file.time, file.path.name), reverse=True)


def _name(kind: str, moment: float) -> str:
    return f"labels-{kind}{time.strftime(_TIME, time.gmtime(moment))}.sqlite"


def _moments(folder: Path, kind: str) -> list[int]:
    """When the backups of that kind were made, by their names (s since 1970)."""
    moments = []
    for path in folder.iterdir():
        name = _OUR_NAME.fullmatch(path.name)
        if name and (name["kind"] or AUTOMATIC) == kind:
            with contextlib.suppress(ValueError):  # 31 February
                moments.append(calendar.timegm(time.strptime(name["time"], _TIME)))
    return moments


def _automatic(folder: Path) -> list[Path]:
    """The automatic backups, oldest first; those of a clock gone wrong, from days to come,
    count as the oldest, or they would push out every new one."""
    if not folder.is_dir():
        return []
    tomorrow = _name(AUTOMATIC, time.time() + 86_400)
    found = [path for path in folder.iterdir() if _AUTOMATIC_NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (path.name <= tomorrow, path.name))


def _thin(folder: Path, keep: int) -> None:
    """Delete all but the last `keep` automatic backups and the newest whole one."""
    files = _automatic(folder)
    newest_whole = next((path for path in reversed(files) if _is_whole(path)), None)
    for path in files[:-keep]:
        if path != newest_whole:
            path.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    try:
        inspect(path)
    except SkysiftError:
        return False
    return True


def _same_labels(database: Path, last: Path) -> bool:
    present = _fingerprint(database)
    try:
        return _fingerprint(last) == present
    except SkysiftError:
        return False  # a backup that can no longer be read is no reason to make none


def _fingerprint(path: Path) -> str:
    """Digest of the tables that hold what people did.

    Events are told by their number and the last one, since they are append-only; the other
    tables are small and read whole. Tables to come count too, unless listed as passing.
    """
    digest = hashlib.sha256()
    with open_to_read(path) as conn, database_errors(path):
        conn.execute("BEGIN")  # one moment for all tables
        digest.update(str(found_version(conn, path)).encode())
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        for (table,) in conn.execute(sql).fetchall():
            if table in _PASSING_TABLES or table.startswith("sqlite_"):
                continue
            columns = "count(*), max(seq)"
            if table != "events":
                found = [name for _, name, *_ in conn.execute(f'PRAGMA table_info("{table}")')]
                kept = [name for name in found if name not in _PASSING_COLUMNS]
                columns = ", ".join(f'"{name}"' for name in kept)
            digest.update(f"{table}({columns})".encode())
            for row in conn.execute(f'SELECT {columns} FROM "{table}"'):
                digest.update(repr(row).encode())
    return digest.hexdigest()
