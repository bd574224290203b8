"""SQLite's errors turned into one sentence for a person."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from core.errors import BadInput, Damaged, InUse, SkysiftError, StorageFull

# Less free than this and a failed read or write of the disk is put down to its being full:
# SQLite reports a quota, or a shared-memory file that cannot grow, as a plain I/O error.
_NEARLY_NOTHING_BYTES = 256 * 1024


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Raise `StorageFull`, `InUse`, `Damaged` or `BadInput` in place of sqlite3's errors.

    Broken constraints and mistakes in SQL pass as they are: they are faults of the program.
    """
    try:
        yield
    except sqlite3.Error as error:
        told = explained(error, path)
        if told is None:
            raise
        raise told from error


def explained(error: sqlite3.Error, path: Path) -> SkysiftError | None:
    """Return the error for a person that `error` stands for, or None if it stands for none."""
    extended = getattr(error, "sqlite_errorcode", None)
    # sqlite-utils and Python raise a few of these by hand, with the text alone.
    code = _code_of_text(str(error)) if extended is None else extended & 0xFF
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _disk_is_full(path):
        code = sqlite3.SQLITE_FULL
    match code:
        case sqlite3.SQLITE_FULL:
            return StorageFull(
                f"The disk that holds {path} is full, so nothing was saved; make room and try"
                " again. All that was acknowledged before is untouched."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return InUse(
                f"Another process kept {path} locked for too long, so nothing was saved; try"
                " again, and if it stays so, stop the other process."
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path)
        case sqlite3.SQLITE_IOERR:
            return Damaged(
                f"The disk failed to read or write {path} ({error}); check the disk and its"
                " cable or mount, then restore a backup if the file stays unreadable."
            )
        case sqlite3.SQLITE_READONLY:
            return BadInput(
                f"{path} may only be read by this user, so nothing was saved; change the"
                " permissions of the file and its folder, or name another path."
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return BadInput(
                f"{path} cannot be opened by this user; change the permissions of the file and"
                " its folder, or name another path."
            )
    return None


def damaged(path: Path, found: str = "") -> Damaged:
    detail = f" ({found})" if found else ""
    return Damaged(
        f"{path} should be a Skysift label database, but is damaged or something"
        f" else{detail}; restore it from a backup. It was left as it is."
    )


def _code_of_text(text: str) -> int | None:
    for part, code in (
        ("disk is full", sqlite3.SQLITE_FULL),
        ("No space left", sqlite3.SQLITE_FULL),
        ("is locked", sqlite3.SQLITE_BUSY),
        ("malformed", sqlite3.SQLITE_CORRUPT),
        ("not a database", sqlite3.SQLITE_NOTADB),
        ("readonly database", sqlite3.SQLITE_READONLY),
    ):
        if part in text:
            return code
    return None


def _disk_is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NEARLY_NOTHING_BYTES
    except OSError:
        return False
