"""A whole copy of a label database, taken while people label and re-rank.

The copying is SQLite's online backup, https://www.sqlite.org/backup.html. `labels_db.retention`
decides when a copy is made and which are kept, `labels_db.restore` brings one back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.errors import AlreadyExists, BadInput, InUse, NotFound
from core.workspace import storage_errors
from labels_db import schema
from labels_db.faults import damaged, database_errors

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite may keep beside a database, named after it."""

WAIT_S = 30.0
"""A copy that another process keeps out for so long gives up."""

STALE_S = 3600.0
"""A partial copy that nobody wrote to for so long was left by a killed process."""

_PARTIAL = re.compile(r".+\.\d+-[0-9a-f]{6}\.partial(-wal|-shm|-journal)?")


@dataclass(frozen=True)
class Contents:
    """What a label database file was found to hold."""

    version: int
    n_events: int


def backup(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy the label database `source` into the new file `target`, without stopping anyone.

    The copy holds every event acknowledged before the call. It is one file, readable by this
    user only, that was checked and is on the disk when it gets its name. A database of a newer
    Skysift is copied too: a copy needs no understanding of it.

    Raises
    ------
    NotFound, Damaged
        There is no `source`; it is no label database, or one that is broken.
    AlreadyExists, BadInput
        `target` is there already; it cannot be written here, or is a part of `source`.
    StorageFull, InUse
        The disk is full; another process kept one of the two locked. Nothing is left behind.
    """
    source, target = Path(source).expanduser().absolute(), Path(target).expanduser().absolute()
    _check_target(source, target)
    partial = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(3)}.partial")
    with storage_errors(target):
        _sweep(target.parent)
        try:
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with open_to_read(source) as conn:
                found_version(conn, source)
                with database_errors(target):
                    _copy_to_one_file(conn, partial, source)
            with open_to_read(partial) as conn:
                _check_soundness(conn, source, thorough=False)
                found_version(conn, source)
            sync(partial)
            _give_name(partial, target)
        finally:
            for path in (partial, *beside(partial)):
                path.unlink(missing_ok=True)
        sync(target.parent)


def inspect(path: str | os.PathLike[str], *, thorough: bool = False) -> Contents:
    """Return what the label database `path` holds, having checked that the file is sound.

    It is only read, whatever its version; about a second per 300 MB.

    Raises
    ------
    NotFound, Damaged, BadInput
        It is not there; it is no label database, or one that is broken; it cannot be read.
    """
    path = Path(path).expanduser().absolute()
    with open_to_read(path) as conn:
        version = found_version(conn, path)
        with database_errors(path):
            _check_soundness(conn, path, thorough=thorough)
            return Contents(version, conn.execute("SELECT count(*) FROM events").fetchone()[0])


@contextlib.contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that must be there, for reading only; nothing is created or migrated."""
    if not path.is_file():
        if path.exists():
            raise BadInput(f"A label database is a file, but {path} is not; name another path.")
        raise NotFound(f"There is no label database at {path}; name another path.")
    with database_errors(path):
        uri = f"{path.as_uri()}?mode=ro"
        conn = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None)
        try:
            try:
                conn.execute("PRAGMA schema_version")
            except sqlite3.OperationalError as error:
                # On a disk that takes no new files a database left in WAL mode opens only so.
                # Where a log lies beside it this would overlook what is in the log.
                code = error.sqlite_errorcode & 0xFF
                if code != sqlite3.SQLITE_CANTOPEN or any(p.exists() for p in beside(path)):
                    raise
                conn.close()
                conn = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
                conn.execute("PRAGMA schema_version")
            yield conn
        finally:
            conn.close()


def found_version(conn: sqlite3.Connection, path: Path) -> int:
    """Return the version of an open label database; `Damaged` if it is none."""
    with database_errors(path):
        owner = conn.execute("PRAGMA application_id").fetchone()[0]
        version: int = conn.execute("PRAGMA user_version").fetchone()[0]
        has_events = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'events'"
        if (
            owner != schema.APPLICATION_ID
            or version < 1
            or not conn.execute(has_events).fetchone()
        ):
            raise damaged(path, "it belongs to another program")
        return version


def copy_pages(source: sqlite3.Connection, target: sqlite3.Connection, path: Path) -> None:
    """Copy one open database over another; `path` is the one told of when it stays locked.

    In a single step (pages=-1): it reads one snapshot, and in WAL mode a reader neither waits
    for writers nor makes them wait. In steps of some pages each, SQLite begins again whenever
    another process wrote in between, and while people label it might never end.
    """
    give_up_at = time.monotonic() + WAIT_S

    def look(status: int, _remaining: int, _total: int) -> None:
        # Python would try for ever.
        if (
            status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            and time.monotonic() > give_up_at
        ):
            raise InUse(
                f"Another process kept {path} locked for too long, so nothing was copied; try"
                " again, and if it stays so, stop the other process."
            )

    source.backup(target, pages=-1, progress=look)


def beside(path: Path) -> list[Path]:
    """The files that SQLite may keep beside the database `path`."""
    return [path.with_name(path.name + ending) for ending in SIDE_FILES]


def sync(path: Path) -> None:
    """Return once the file or folder is on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        full_sync = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync stops at the drive's cache
        if full_sync is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(handle, full_sync)
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot do this for a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def _check_target(source: Path, target: Path) -> None:
    if target.resolve() in (source.resolve(), *beside(source.resolve())):
        raise BadInput(
            f"A backup goes into another file, but {target} belongs to the label database itself;"
            " name another path."
        )
    if target.is_dir():
        raise BadInput(f"A backup is a file, but {target} is a folder; name a file in it.")
    if target.name.endswith(SIDE_FILES):
        raise BadInput(
            f"A backup may not end in {', '.join(SIDE_FILES)}, which SQLite keeps for itself, but"
            f" {target} does; name another path."
        )
    if os.path.lexists(target):
        raise _taken(target)
    if not target.parent.is_dir():
        raise BadInput(
            f"The folder {target.parent} for the backup is not there; make it or name another"
            " path."
        )


def _copy_to_one_file(conn: sqlite3.Connection, partial: Path, source: Path) -> None:
    # The file is this call's own, so it needs neither locks (which some network folders lack)
    # nor, to be thrown away after any fault, a journal or syncs before the end.
    uri = f"{partial.as_uri()}?vfs=unix-none"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as copy:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF"):
            copy.execute(f"PRAGMA {pragma}")
        copy_pages(conn, copy, source)
        # The pages say that a write-ahead log goes with them; here none does.
        mode = copy.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        assert mode == "delete", mode


def _check_soundness(conn: sqlite3.Connection, path: Path, *, thorough: bool) -> None:
    with database_errors(path):
        pragma = "integrity_check(1)" if thorough else "quick_check(1)"
        found = conn.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != "ok":
            raise damaged(path, str(found).splitlines()[0][:200])


def _give_name(partial: Path, target: Path) -> None:
    """Rename, but never over a file that came to be meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        # A file system without links, as on many USB sticks.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if os.path.lexists(target):
            raise _taken(target) from None
        os.rename(partial, target)


def _taken(target: Path) -> AlreadyExists:
    return AlreadyExists(f"There is a file {target} already; name another path for the backup.")


def _sweep(folder: Path) -> None:
    """Remove what killed processes left of their copies."""
    for path in folder.iterdir():
        if _PARTIAL.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()
