"""One connection to the label database: opened, brought up to date, written in transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sqlite_utils

from core.errors import BadInput, TooNew
from labels_db import schema
from labels_db.faults import damaged, database_errors
from labels_db.retention import backup_before_migration
from labels_db.standing import wrong_states

BUSY_TIMEOUT_MS = 10_000
_PAUSE_S = 0.002


class Connection:
    """Opens `path`, creating it or migrating it if need be; base of the parts of `LabelsDB`.

    One object belongs to the thread that made it (sqlite3 refuses any other) and must not be
    carried over a fork. Opening costs about a millisecond; see `check` for the full inspection.

    Raises
    ------
    TooNew
        A newer Skysift wrote it; the file is left byte for byte as it was.
    Damaged
        It is no label database, or one that is broken.
    BadInput
        It cannot be opened or written by this user, or its folder is not there.
    StorageFull, InUse
        The disk is full; another process kept it locked longer than `busy_timeout_ms`.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self._busy_timeout_ms = busy_timeout_ms
        self._seen = (0, 0)
        self._changes_seen = 0
        self._check_place()
        with database_errors(self.path):
            self._conn = sqlite3.connect(
                self.path,
                timeout=busy_timeout_ms / 1000,
                isolation_level=None,
                cached_statements=512,
            )
        try:
            with database_errors(self.path):
                self._set_up()
        except BaseException:
            self._conn.close()
            raise

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        self._conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tables(self) -> sqlite_utils.Database:
        """The same connection through sqlite-utils, for reading tables and views by hand."""
        return self._tables

    def data_version(self) -> int:
        """Return a number that grows when anything was committed, here or elsewhere.

        Only numbers from one and the same `LabelsDB` object may be compared.
        """
        seen = (self._value("PRAGMA data_version"), self._conn.total_changes)
        if seen != self._seen:
            self._seen = seen
            self._changes_seen += 1
        return self._changes_seen

    def check(self, *, thorough: bool = False) -> None:
        """Raise `Damaged` if the file is not sound; takes about a second per 300 MB.

        `thorough` also holds the indices against the tables, and labels and counts against the
        events.
        """
        with database_errors(self.path):
            pragma = "integrity_check(1)" if thorough else "quick_check(1)"
            found = self._value(f"PRAGMA {pragma}")
            if found != "ok":
                raise damaged(self.path, str(found).splitlines()[0][:200])
            for task_id, name in self._rows("SELECT id, name FROM tasks") if thorough else []:
                if wrong := wrong_states(self._conn, task_id):
                    what = f"{wrong} labels or counts of the task {name!r} differ from its events"
                    raise damaged(self.path, what)

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock for one transaction; it is committed when the block is left.

        BEGIN IMMEDIATE and not BEGIN: a transaction that reads first and then asks for the
        lock fails at once, whatever the busy timeout, if another wrote in between.
        """
        conn = self._conn
        with database_errors(self.path):
            self._begin()
            try:
                yield conn
                conn.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
                raise

    def _begin(self) -> None:
        """Take the write lock, or fail as busy after the timeout.

        SQLite itself pauses longer after each try, so that among many writers the one that has
        waited longest comes last, perhaps never. Here all try equally often.
        """
        conn = self._conn
        deadline = time.monotonic() + self._busy_timeout_ms / 1000
        conn.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    conn.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                    if not busy or time.monotonic() > deadline:
                        raise
                time.sleep(_PAUSE_S)
        finally:
            conn.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")

    def _rows(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows at once: a cursor left open would hold its snapshot, and then the
        next write on this connection fails if another process wrote meanwhile."""
        with database_errors(self.path):
            return self._conn.execute(sql, parameters).fetchall()

    def _value(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """Return the first column of the first row, or None if there is no row."""
        rows = self._rows(sql, parameters)
        return rows[0][0] if rows else None

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise BadInput(
                f"The folder {self.path.parent} for the label database is not there; make it"
                " or name another path."
            )
        if self.path.is_dir():
            raise BadInput(f"The label database is a file, but {self.path} is a folder.")

    def _refuse_foreign(self) -> int:
        """Return the file's version, having refused another program's file or a newer one.

        This only reads, and through SQLite: were the file opened and closed by hand, as for a
        look at its header, all locks that other connections of this process hold on it would
        be gone (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        version = int(self._value("PRAGMA user_version"))
        owner = self._value("PRAGMA application_id")
        is_empty = version == owner == 0 and not self._rows("SELECT 1 FROM sqlite_master LIMIT 1")
        if not is_empty and (owner != schema.APPLICATION_ID or version < 1):
            raise damaged(self.path, "it belongs to another program")
        self._refuse_newer(version)
        return version

    def _refuse_newer(self, version: int) -> None:
        newest = schema.MIGRATIONS[-1].version
        if version > newest:
            raise TooNew(
                f"{self.path} was written by a newer Skysift (label database version {version},"
                f" this one reads up to {newest}); update Skysift. Nothing was changed."
            )

    def _set_up(self) -> None:
        conn = self._conn
        # The three things it reads must be of one moment: another process may be migrating.
        conn.execute("BEGIN")
        version = self._refuse_foreign()
        conn.execute("COMMIT")
        self._switch_to_wal()
        # FULL: a commit is on the disk when it returns, so that an acknowledged label
        # survives a power cut. fullfsync makes macOS do what it says; elsewhere it is nothing.
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
            conn.execute(f"PRAGMA {pragma}")
        self._tables = sqlite_utils.Database(conn, strict=True, execute_plugins=False)
        if version < schema.MIGRATIONS[-1].version:
            self._migrate()

    def _switch_to_wal(self) -> None:
        # Of several processes that open a new file at once all but one are refused at once:
        # the busy timeout does not cover this change.
        deadline = time.monotonic() + self._busy_timeout_ms / 1000
        while True:
            try:
                mode = self._conn.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise BadInput(
                    f"{self.path} lies where SQLite cannot keep a write-ahead log (mode {mode});"
                    " use a folder on a local disk."
                )
            return

    def _migrate(self) -> None:
        saved = False
        for migration in schema.MIGRATIONS:
            with self._write():
                # Another process may have been first while this one waited for the lock.
                if self._refuse_foreign() < migration.version:
                    if not saved:  # under the write lock: of several openers one makes it
                        backup_before_migration(self.path, schema.MIGRATIONS[-1].version)
                        saved = True
                    schema.migrate_one(self._tables, migration)
