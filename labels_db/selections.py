"""The records of selections: sets of objects of a survey. Their objects lie in files beside."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput, NotFound
from core.vocabulary import MAX_ID_LENGTH, checked_name
from labels_db.checks import checked_text, checked_time, checked_whole
from labels_db.connection import Connection
from labels_db.schema import utc_now

MAX_NAME_LENGTH = 80
MAX_ORIGIN_BYTES = 512 * 1024
"""A lasso of 2,000 corners has about 80 kB."""

_COLUMNS = "id, name, survey, survey_version, n_objects, origin, made_by, made_at"


@dataclass(frozen=True)
class Selection:
    """A set of objects of a survey.

    Attributes
    ----------
    name
        None until somebody names it: then it is kept.
    survey_version
        The version it was made on; the objects are known by their object_ids, in any version.
    origin
        How it was made, JSON: `kind` is "lasso", "filter", "similar", "upload", "and" or the
        like; what else there is depends on it. `tells`: the tasks whose answers or scores it
        was made from; `knows`: whether it was made from what is known from elsewhere.
    """

    id: str
    name: str | None
    survey: str
    survey_version: int
    n_objects: int
    origin: dict[str, Any]
    made_by: str
    made_at: str


class Selections(Connection):
    """The part of `LabelsDB` that holds the records of selections."""

    def add_selection(self, selection: Selection) -> Selection:
        """Store a record (`BadInput` for a field that cannot be used, or a name that is taken)."""
        origin = _as_text(selection.origin)
        values = (
            checked_text(selection.id, "The id of a selection", 64),
            None if selection.name is None else checked_selection_name(selection.name),
            checked_name(selection.survey, "survey"),
            checked_whole(selection.survey_version, "survey_version", at_least=1),
            checked_whole(selection.n_objects, "n_objects", at_least=0),
            origin,
            checked_text(selection.made_by, "Who makes a selection", MAX_ID_LENGTH),
            checked_time(selection.made_at, "made_at") or utc_now(),
        )
        with self._write() as conn:
            if values[1] is not None:
                _check_free(conn, values[2], values[1], values[0])
            conn.execute(
                f"INSERT INTO selections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values
            )
        return _as_selection(values)

    def selection(self, selection_id: str) -> Selection:
        """Return a record (`NotFound`)."""
        usable = isinstance(selection_id, str) and selection_id.isprintable()
        sql = f"SELECT {_COLUMNS} FROM selections WHERE id = ?"
        rows = self._rows(sql, (selection_id,)) if usable else []
        if not rows:
            raise NotFound(
                f"There is no selection {str(selection_id)[:40]!r}: it was deleted, or was never"
                " named and is over 30 days old; make it anew or choose another."
            )
        return _as_selection(rows[0])

    def selections(self, survey: str, *, named: bool = False) -> list[Selection]:
        """Return the selections of a survey, the newest first; all, or those with a name."""
        only = " AND name IS NOT NULL" if named else ""
        sql = f"SELECT {_COLUMNS} FROM selections WHERE survey = ?{only} ORDER BY made_at DESC, id"
        return [_as_selection(row) for row in self._rows(sql, (survey,))]

    def name_selection(self, selection_id: str, name: str | None) -> Selection:
        """Give a selection a name, or another; None takes it away (`NotFound`, `BadInput`)."""
        checked = None if name is None else checked_selection_name(name)
        with self._write() as conn:
            found = self.selection(selection_id)
            if checked is not None:
                _check_free(conn, found.survey, checked, selection_id)
            conn.execute("UPDATE selections SET name = ? WHERE id = ?", (checked, selection_id))
            return self.selection(selection_id)

    def delete_selection(self, selection_id: str, *, only_unnamed: bool = False) -> bool:
        """Take a record out; what was labelled from it stays. False if it was gone before, or,
        with `only_unnamed`, has a name now."""
        only = " AND name IS NULL" if only_unnamed else ""
        with self._write() as conn:
            done = conn.execute(f"DELETE FROM selections WHERE id = ?{only}", (selection_id,))
            return done.rowcount > 0

    def unnamed_selections(self, before: str) -> list[str]:
        """Return the ids of the selections without a name that were made before that time."""
        sql = "SELECT id FROM selections WHERE name IS NULL AND made_at < ? ORDER BY made_at, id"
        return [one for (one,) in self._rows(sql, (before,))]

    def unnamed_beyond(self, made_by: str, n: int) -> list[str]:
        """Return the ids of a person's selections without a name, but for the newest `n`."""
        sql = (
            "SELECT id FROM selections WHERE name IS NULL AND made_by = ?"
            " ORDER BY made_at DESC, id LIMIT -1 OFFSET ?"
        )
        return [one for (one,) in self._rows(sql, (made_by, n))]

    def selection_ids(self) -> set[str]:
        """Return the ids of all selections of the workspace."""
        return {one for (one,) in self._rows("SELECT id FROM selections")}


def checked_selection_name(name: str) -> str:
    """Return the name without blanks around it (`BadInput`)."""
    return checked_text(str(name).strip(), "The name of a selection", MAX_NAME_LENGTH)


def _check_free(conn: sqlite3.Connection, survey: str, name: str, selection_id: str) -> None:
    taken = conn.execute(
        "SELECT 1 FROM selections WHERE survey = ? AND name = ? AND id <> ?",
        (survey, name, selection_id),
    ).fetchone()
    if taken:
        raise BadInput(
            f"There is a selection {name!r} of the survey {survey} already; choose another name."
        )


def _as_text(origin: dict[str, Any]) -> str:
    try:
        if not isinstance(origin, dict) or not isinstance(origin.get("kind"), str):
            raise TypeError("it is no object with a kind")
        text = json.dumps(origin, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        n_bytes = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            "How a selection was made is JSON of finite numbers, valid text, lists and objects,"
            f" with a kind, but {str(error)[:120]}; correct it."
        ) from None
    if n_bytes > MAX_ORIGIN_BYTES:
        raise BadInput(
            f"How a selection was made has up to {MAX_ORIGIN_BYTES:,} bytes of JSON, but this has"
            f" {n_bytes:,}; make it by something simpler."
        )
    return text


def _as_selection(row: tuple[Any, ...]) -> Selection:
    values = (*row[:5], json.loads(row[5]), *row[6:])
    return Selection(*values)
