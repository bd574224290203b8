"""A list of objects in the order of the frames that they lie on, on disk.

Neighbours in a catalogue seldom lie on one frame. Each frame is to be fetched once, so the list
is sorted by frame first: by SQLite, which does it in bounded memory for any length.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadInput
from core.survey.batch import Reject
from core.survey.sky.cache import partial_of, writing
from core.survey.sky.client import Unavailable
from core.survey.sky.entries import Entries
from core.survey.sky.services.base import Entry

if TYPE_CHECKING:
    import sqlite3

_STEP = 4096
_NO_FRAME = ""


class FrameOrder:
    """The sorted list; made when first needed and found again by a later run.

    Parameters
    ----------
    path
        Of the file; its name should tell the list and the way of sorting.
    entries
        The list.
    frame_of
        The frame of an entry; raises `Unavailable` where there is none.
    """

    def __init__(self, path: Path, entries: Entries, frame_of: Callable[[Entry], str]) -> None:
        self._path, self._entries, self._frame_of = path, entries, frame_of

    def counts(self) -> Iterator[tuple[str, int]]:
        """Frames and how many entries each has, in order; last "" for those without one."""
        with closing(self._open()) as db:
            rows = db.execute("SELECT frame FROM entries ORDER BY place")
            for (frame,), same in groupby(rows):
                yield frame, sum(1 for _ in same)

    def rows(self, start: int, stop: int) -> Iterator[tuple[str, Entry | Reject]]:
        """Frame and entry for start <= place < stop."""
        with closing(self._open()) as db:
            found = db.execute(
                "SELECT frame, entry FROM entries WHERE place > ? AND place <= ? ORDER BY place",
                (start, stop),
            )
            for frame, text in found:
                kind, *values = json.loads(text)
                yield frame, Entry(*values) if kind == "entry" else Reject(*values)

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if not self._is_whole():
            self._make()
        return sqlite3.connect(f"file:{_quoted(self._path)}?mode=ro", uri=True)

    def _is_whole(self) -> bool:
        import sqlite3

        if not self._path.is_file():
            return False
        try:
            with closing(sqlite3.connect(f"file:{_quoted(self._path)}?mode=ro", uri=True)) as db:
                return db.execute("SELECT MAX(place) FROM entries").fetchone() == (
                    self._entries.n_entries or None,
                )
        except sqlite3.Error:
            return False

    def _make(self) -> None:
        import sqlite3

        with writing(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        sorted_, raw = partial_of(self._path), partial_of(self._path.with_suffix(".unsorted"))
        try:
            with closing(sqlite3.connect(sorted_, isolation_level=None)) as db:
                # Nothing is lost with a file that was not finished: it is made anew.
                db.execute("PRAGMA journal_mode = OFF")
                db.execute("PRAGMA synchronous = OFF")
                db.execute("ATTACH ? AS raw", (str(raw),))
                db.execute("PRAGMA raw.journal_mode = OFF")
                db.execute("PRAGMA raw.synchronous = OFF")
                db.execute("CREATE TABLE raw.entries (frame TEXT, row INTEGER, entry TEXT)")
                db.execute(
                    "CREATE TABLE entries (place INTEGER PRIMARY KEY, frame TEXT, entry TEXT)"
                )
                for start in range(0, self._entries.n_entries, _STEP):
                    rows = enumerate(self._entries.rows(start, start + _STEP), start)
                    db.execute("BEGIN")
                    db.executemany(
                        "INSERT INTO raw.entries VALUES (?, ?, ?)",
                        (self._line(row, one) for row, one in rows),
                    )
                    db.execute("COMMIT")
                db.execute("BEGIN")
                db.execute(
                    "INSERT INTO entries SELECT NULL, frame, entry FROM raw.entries"
                    " ORDER BY frame = '', frame, row"
                )
                db.execute("COMMIT")
                db.execute("DETACH raw")
            with writing(self._path.parent):
                os.replace(sorted_, self._path)
        except sqlite3.Error as error:
            raise BadInput(
                f"The list cannot be sorted by frame in {self._path.parent} ({error}); free some"
                " space there, or name another folder with the setting cache."
            ) from None
        finally:
            for path in (sorted_, raw):
                path.unlink(missing_ok=True)

    def _line(self, row: int, one: Entry | Reject) -> tuple[str, int, str]:
        frame = _NO_FRAME
        if isinstance(one, Entry):
            try:
                frame = self._frame_of(one)
            except Unavailable as error:
                one = Reject(one.object_id, str(error))
        if isinstance(one, Reject):
            return frame, row, json.dumps(["reject", one.source, one.reason, one.member])
        return frame, row, json.dumps(["entry", one.object_id, one.ra, one.dec, dict(one.columns)])


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
