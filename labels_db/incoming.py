"""Events from elsewhere: a file's rows become events of a task, all of them or none.

They are checked and gathered in a temporary table first, which holds up nobody; the write lock
is held only while they are copied into their place. Each row brings an `event_id` that is the
same whenever the file is read, so that the same file imported again changes nothing.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from core.errors import BadInput, SkysiftError
from core.vocabulary import MAX_ID_LENGTH, Action
from labels_db import many_hands, standing
from labels_db.checks import checked_event, checked_text
from labels_db.events import Events
from labels_db.faults import database_errors
from labels_db.hands import ANSWERS
from labels_db.people import name_key
from labels_db.records import NewEvent
from labels_db.rows import GIVEN, as_values
from labels_db.schema import utc_now

_BATCH = 5000
_COLUMNS = ", ".join(GIVEN)
_SAME = ("object_id", "annotator", "action", "class_name", "undoes")
_SAME_IF_GIVEN = ("confidence", "note")


def _differ(one: str, other: str) -> str:
    """SQL that is true if two rows differ; what `one` leaves out is no difference."""
    needed = [f"{one}.{name} IS NOT {other}.{name}" for name in _SAME]
    given = [
        f"({one}.{name} IS NOT NULL AND {one}.{name} IS NOT {other}.{name})"
        for name in _SAME_IF_GIVEN
    ]
    return " OR ".join([*needed, *given])


_FAULTS = (
    (
        "SELECT a.line, a.event_id FROM incoming AS a JOIN incoming AS b USING (event_id)"
        f" WHERE a.n > b.n AND ({_differ('a', 'b')})",
        "the event_id {} stands for another event in this file; give each event its own",
    ),
    (
        "SELECT i.line, i.event_id FROM incoming AS i JOIN events AS e USING (event_id)"
        " WHERE e.task_id <> :task",
        "the event {} is one of another task of this workspace already, and one event belongs to"
        " one task; import its labels rather than its events",
    ),
    (
        "SELECT i.line, i.event_id FROM incoming AS i JOIN events AS e USING (event_id)"
        f" WHERE {_differ('i', 'e')}",
        "the event_id {} stands for another event in this task; give each event its own",
    ),
    (
        "SELECT line, undoes FROM incoming AS i WHERE undoes IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM incoming AS a WHERE a.event_id = i.undoes"
        "  AND a.annotator = i.annotator AND a.object_id = i.object_id AND a.action <> 'undo')"
        " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = i.undoes"
        "  AND e.task_id = :task AND e.annotator = i.annotator AND e.object_id = i.object_id"
        "  AND e.action <> 'undo')",
        "it undoes the event {}, which is not there, or is about another object or by another"
        " annotator; take in the events before their undos",
    ),
    (
        "SELECT i.line, i.undoes FROM incoming AS i JOIN events AS e ON e.undoes = i.undoes"
        " WHERE e.event_id <> i.event_id UNION ALL"
        " SELECT a.line, a.undoes FROM incoming AS a JOIN incoming AS b ON a.undoes = b.undoes"
        " WHERE a.event_id <> b.event_id AND a.n > b.n",
        "the event {} was undone before; leave the second undo out",
    ),
    (
        "SELECT line, redoes FROM incoming AS i WHERE redoes IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM incoming AS a WHERE a.event_id = i.redoes"
        "  AND a.annotator = i.annotator AND a.object_id = i.object_id AND a.action = 'undo')"
        " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = i.redoes"
        "  AND e.task_id = :task AND e.annotator = i.annotator AND e.object_id = i.object_id"
        "  AND e.action = 'undo')",
        "it redoes the undo {}, which is not there, or is about another object or by another"
        " annotator; take that in first",
    ),
    (
        "SELECT i.line, i.redoes FROM incoming AS i JOIN events AS e ON e.redoes = i.redoes"
        " WHERE e.event_id <> i.event_id UNION ALL"
        " SELECT a.line, a.redoes FROM incoming AS a JOIN incoming AS b ON a.redoes = b.redoes"
        " WHERE a.event_id <> b.event_id AND a.n > b.n",
        "the undo {} was redone before; leave the second redo out",
    ),
)
"""Queries for the rows that cannot be taken in, with what is wrong with them."""


@dataclass(frozen=True)
class ImportReport:
    """How many events a file held, how many of them were new, and how many there before."""

    n_rows: int
    n_new: int
    n_before: int


class Incoming(Events):
    """The part of `LabelsDB` that takes in whole files."""

    def import_events(
        self,
        task: str,
        rows: Iterable[tuple[int | None, Mapping[str, Any]]],
        *,
        by: str,
        source: str,
        survey_version: int,
        known_object: Callable[[str], bool] | None = None,
        unit: str = "line",
    ) -> ImportReport:
        """Append the events of a file; the label of each row that is no event becomes one.

        Parameters
        ----------
        rows
            (line, values): a line of the file, or None, and the fields of `NewEvent` by name;
            `event_id` and `object_id` are needed, `action` is a label if it is not named.
        by
            Who imports: the annotator of rows that name none.
        source
            Where the rows come from; kept with each event that does not say so itself.
        survey_version
            Of rows that name none.
        known_object
            Says whether the survey has an object.
        unit
            What the numbers of `rows` count, for a person: "line" or "row".

        Raises
        ------
        BadInput
            A row cannot be used; the sentence begins with its line, and nothing was imported.
        NotFound
            There is no such task.
        """
        at = partial(_Place, unit)
        checked_text(by, "Who imports", MAX_ID_LENGTH)
        checked_text(source, "The source", MAX_ID_LENGTH)
        task_id = self._task_id(task)
        defaults = {"task": task, "annotator": by, "survey_version": survey_version}
        classes = set(self._classes(task_id))
        tags = self._rows("SELECT name FROM task_tags WHERE task_id = ?", (task_id,))
        known_tags = {tag for (tag,) in tags}
        people = {key: name for name, key in self._rows("SELECT name, name_key FROM people")}

        def events() -> Iterator[tuple[int | None, NewEvent, bool]]:
            for line, values in rows:
                with at(line):
                    for event in _as_events(values, defaults, source):
                        checked = checked_event(event)
                        _check_words(checked, task, classes, known_tags)
                        _check_name(checked.annotator, people)
                        if known_object is not None and not known_object(checked.object_id):
                            raise BadInput(
                                f"the survey has no object {checked.object_id[:80]!r}; import"
                                " the labels into a task of the survey that they are about"
                            )
                        yield line, checked, _is_late(values) and checked.action in ANSWERS

        conn = self._conn
        conn.execute("DROP TABLE IF EXISTS temp.incoming")
        conn.execute(
            f"CREATE TEMP TABLE incoming (n INTEGER PRIMARY KEY, line INTEGER, late INTEGER,"
            f" {_COLUMNS})"
        )
        try:
            with database_errors(self.path):
                n_rows = self._gather(events())
                for name in ("event_id", "undoes", "redoes"):
                    conn.execute(f"CREATE INDEX temp.incoming_{name} ON incoming ({name})")
            with self._write():
                n_new = self._copy(task_id, at)
        finally:
            conn.execute("DROP TABLE IF EXISTS temp.incoming")
        return ImportReport(n_rows, n_new, n_rows - n_new)

    def _gather(self, events: Iterator[tuple[int | None, NewEvent, bool]]) -> int:
        insert = (
            f"INSERT INTO temp.incoming (line, late, {_COLUMNS})"
            f" VALUES (?, ?, {', '.join('?' * len(GIVEN))})"
        )
        n_rows = 0
        while batch := [
            (line, int(late), *as_values(event)) for line, event, late in islice(events, _BATCH)
        ]:
            n_rows += len(batch)
            # One transaction a batch, on the temporary file alone: no lock on the database.
            self._conn.execute("BEGIN")
            try:
                self._conn.executemany(insert, batch)
            finally:
                # A full disk may have ended the transaction already.
                if self._conn.in_transaction:
                    self._conn.execute("COMMIT")
        return n_rows

    def _copy(self, task_id: int, at: Callable[[int | None], _Place]) -> int:
        conn: sqlite3.Connection = self._conn
        for sql, what in _FAULTS:
            wrong = conn.execute(f"{sql} LIMIT 1", {"task": task_id}).fetchone()
            if wrong is not None:
                with at(wrong[0]):
                    raise BadInput(what.format(wrong[1]))
        before = conn.total_changes
        n_new = conn.execute(
            f"INSERT INTO events (task_id, recorded_at, late, {_COLUMNS})"
            f" SELECT ?, ?, late, {_COLUMNS} FROM incoming AS i WHERE NOT EXISTS ("
            " SELECT 1 FROM events AS e WHERE e.event_id = i.event_id) AND NOT EXISTS ("
            " SELECT 1 FROM incoming AS b WHERE b.event_id = i.event_id AND b.n < i.n)"
            " ORDER BY n",
            (task_id, utc_now()),
        ).rowcount
        if conn.total_changes != before:
            many_hands.rebuild(conn, task_id, "SELECT object_id FROM temp.incoming")
            standing.settle_ahead(conn, task_id)
        return n_new


class _Place:
    """Puts the place in the file in front of an error's sentence."""

    def __init__(self, unit: str, line: int | None) -> None:
        self.unit, self.line = unit, line

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SkysiftError) and self.line is not None:
            told = str(error).rstrip(".")
            place = f"{self.unit.capitalize()} {self.line}"
            raise type(error)(f"{place}: {told}. Nothing was imported.") from None


def _as_events(
    values: Mapping[str, Any], defaults: Mapping[str, Any], source: str
) -> Iterator[NewEvent]:
    """The event of a row, and a second one for the note beside a label."""
    given = {name: values[name] for name in GIVEN if values.get(name) is not None}
    given = {**defaults, "action": Action.LABEL, "source": source} | given
    tags = values.get("tags")
    if tags:
        given["payload"] = {**(given.get("payload") or {}), "tags": list(tags)}
    for field in ("event_id", "object_id"):
        if field not in given:
            raise BadInput(f"{field} is missing; each row needs one")
    # A row with an action is an event and stays whole: so a file of ours changes nothing.
    note = None if values.get("action") else given.pop("note", None)
    label = NewEvent(**given)
    yield label
    if note:
        own_id = str(uuid.uuid5(uuid.UUID(str(label.event_id)), "note"))
        remark = replace(label, event_id=own_id, action=Action.NOTE, note=note)
        yield replace(remark, class_name=None, payload=None, confidence=None, redoes=None)


def _is_late(values: Mapping[str, Any]) -> bool:
    late = values.get("late")
    if late not in (None, False, True):
        raise BadInput(f"late is true or false, but is {str(late)[:40]!r}; correct it")
    return bool(late)


def _check_name(annotator: str, people: Mapping[str, str]) -> None:
    """Refuse a name that only looks like another one of somebody who is known here."""
    known = people.get(name_key(annotator), annotator)
    if known != annotator:
        raise BadInput(
            f"the annotator {annotator[:64]!r} is spelled like {known!r}, who is known here, but"
            " for capitals, width or spaces; write it the same way if it is the same person, or"
            " give another name"
        )


def _check_words(event: NewEvent, task: str, classes: set[str], tags: set[str]) -> None:
    if event.class_name is not None and event.class_name not in classes:
        raise BadInput(
            f"the classes of the task {task!r} are {', '.join(sorted(classes))}, but the label is"
            f" {event.class_name[:80]!r}; add that class to the task or correct the file"
        )
    for tag in (event.payload or {}).get("tags", ()):
        if tag not in tags:
            raise BadInput(
                f"the tags of the task {task!r} are {', '.join(sorted(tags)) or 'none'}, but"
                f" {tag[:80]!r} was given; add it to the task or correct the file"
            )
