"""A backup brought back in place of the present label database, wholly or not at all."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, Damaged, InUse, TooNew
from core.vocabulary import RunState
from core.workspace import Workspace, hold_workspace, storage_errors
from labels_db import schema
from labels_db.backup import (
    STALE_S,
    WAIT_S,
    backup,
    beside,
    copy_pages,
    found_version,
    inspect,
    open_to_read,
    sync,
)
from labels_db.database import LabelsDB
from labels_db.faults import database_errors
from labels_db.retention import BEFORE_RESTORE, backup_into_folder, backups_folder
from labels_db.runs import ELSEWHERE_SILENT_S, process_lives


@dataclass(frozen=True)
class Restored:
    """What a restore brought back, and what became of what was there.

    `kept` is the backup of the replaced database; `set_aside` a damaged one, moved; both are
    None where there was none.
    """

    n_events: int
    kept: Path | None
    set_aside: Path | None


def restore(backup_file: str | os.PathLike[str], target: str | os.PathLike[str]) -> Restored:
    """Make the label database `target` what it was when `backup_file` was made.

    The backup is first tried in a copy: migrated if it is old, and thoroughly checked. The
    present database is backed up. Then the new pages are written into it in one transaction of
    SQLite: a process killed in the middle leaves it wholly as it was. A file is never renamed
    over it: a write-ahead log left beside the name would be replayed into the new file.

    Raises
    ------
    NotFound, Damaged, TooNew
        There is no such backup; it is no sound label database; a newer Skysift wrote it.
    InUse
        A server holds the workspace, or one of its jobs or workers runs.
    BadInput, StorageFull
        The paths cannot be used; the disk is full. All of these leave the target as it was.
    """
    backup_file = Path(backup_file).expanduser().absolute()
    target = Path(target).expanduser().absolute()
    _check_paths(backup_file, target)
    _refuse_newer(backup_file)
    holder = f"a restore (process {os.getpid()})"
    with storage_errors(target), hold_workspace(Workspace(target.parent), holder):
        # Followed now and not before: a link leads out of the workspace.
        target = target.resolve()
        _refuse_running_jobs(target)
        with _tried(backup_file, target) as (tried, n_events):
            kept = _backed_up(target)
            if kept is not None:
                _write_into(tried, target)
                return Restored(n_events, kept, None)
            set_aside = _set_aside(target)
            backup(tried, target)
            return Restored(n_events, None, set_aside)


def _check_paths(backup_file: Path, target: Path) -> None:
    if backup_file.resolve() == target.resolve():
        raise BadInput(
            f"A restore needs a backup, but {backup_file} is the label database itself; name a"
            " file that `python -m core.run backups` lists."
        )
    if not target.parent.is_dir():
        raise BadInput(f"The folder {target.parent} is not there; name a workspace that is.")
    if target.is_dir():
        raise BadInput(f"The label database is a file, but {target} is a folder.")


def _refuse_newer(backup_file: Path) -> None:
    version = inspect(backup_file, thorough=True).version
    newest = schema.MIGRATIONS[-1].version
    if version > newest:
        raise TooNew(
            f"{backup_file} was written by a newer Skysift (label database version {version},"
            f" this one reads up to {newest}); update Skysift. Nothing was changed."
        )


def _refuse_running_jobs(target: Path) -> None:
    """A worker or job would write what it knows of the old labels into the restored database."""
    if not target.exists():
        return
    sql = "SELECT kind, subject, pid, pid_started, host, heartbeat_at FROM runs WHERE state = ?"
    try:
        with open_to_read(target) as conn:
            if found_version(conn, target) > schema.MIGRATIONS[-1].version:
                return  # no job of this Skysift works on it
            with database_errors(target):
                running = conn.execute(sql, (RunState.RUNNING,)).fetchall()
    except Damaged:
        return  # who runs cannot be read; such a file is set aside, not written
    silent_since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(
        seconds=ELSEWHERE_SILENT_S
    )
    for kind, subject, pid, pid_started, host, heartbeat_at in running:
        is_here = host == socket.gethostname()
        if (is_here and process_lives(pid, pid_started)) or (
            not is_here and datetime.datetime.fromisoformat(heartbeat_at) > silent_since
        ):
            raise InUse(
                f"The job {kind} of {subject!r} is running (process {pid} on {host}); stop it"
                " before a restore. Nothing was changed."
            )


@contextlib.contextmanager
def _tried(backup_file: Path, target: Path) -> Iterator[tuple[Path, int]]:
    """Copy the backup to a folder for the time being, up to date and found sound."""
    folder = backups_folder(target)
    folder.mkdir(exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryDirectory(prefix="restore-", suffix=".partial", dir=folder) as place:
        tried = Path(place) / target.name
        backup(backup_file, tried)
        try:
            with LabelsDB(tried) as database:
                database.check(thorough=True)
                # They ran when the backup was made.
                database.clean_orphans()
        except Damaged as error:
            raise Damaged(
                f"The backup {backup_file} is not sound, so nothing was restored; choose another"
                " one that `python -m core.run backups` lists."
            ) from error
        yield tried, inspect(tried).n_events


def _backed_up(target: Path) -> Path | None:
    """Back the present database up; None if there is none or it is damaged."""
    if not target.exists():
        return None
    try:
        return backup_into_folder(target, BEFORE_RESTORE)
    except Damaged:
        return None


def _write_into(tried: Path, target: Path) -> None:
    with (
        open_to_read(tried) as source,
        database_errors(target),
        closing(sqlite3.connect(target, timeout=WAIT_S, isolation_level=None)) as live,
    ):
        # As `LabelsDB` does: on the disk when it returns.
        for pragma in ("synchronous = FULL", "fullfsync = ON"):
            live.execute(f"PRAGMA {pragma}")
        sizes = [conn.execute("PRAGMA page_size").fetchone()[0] for conn in (source, live)]
        if sizes[0] != sizes[1]:
            # A log holds pages of one size; a rollback journal does it as safely, more slowly.
            live.execute("PRAGMA journal_mode = DELETE")
        copy_pages(source, live, target)


def _set_aside(target: Path) -> Path | None:
    """Move a damaged database out of the way with what lies beside it; None if there is none.

    The log goes first: were the process killed after the main file, the next start would make
    a new database, for which SQLite deletes a log that it finds there.
    """
    moved = None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = target.with_name(f"{target.name}.damaged-{stamp}")
    number = 1
    while any(path.exists() for path in (aside, *beside(aside))):
        number += 1
        aside = target.with_name(f"{target.name}.damaged-{stamp}-{number}")
    for path, to in zip((*beside(target), target), (*beside(aside), aside), strict=True):
        if os.path.lexists(path):
            os.rename(path, to)
            moved = aside
    sync(target.parent)
    return moved


def _sweep(folder: Path) -> None:
    """Remove what killed restores left of their tries."""
    for path in folder.glob("restore-*.partial"):
        if path.is_dir() and time.time() - path.stat().st_mtime > STALE_S:
            shutil.rmtree(path, ignore_errors=True)
