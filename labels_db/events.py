"""Label events: appended, never changed; labels, skips, flags and notes follow from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db.checks import checked_event, checked_time, checked_uuid
from labels_db.records import Ack, CurrentLabel, Event, NewEvent
from labels_db.schema import utc_now
from labels_db.tasks import Tasks

_PAGE = 1000

_GIVEN = [field.name for field in fields(NewEvent) if field.name != "task"]
_STORED = ", ".join([*_GIVEN, "seq", "recorded_at"])
_INSERT = (
    f"INSERT INTO events (task_id, recorded_at, {', '.join(_GIVEN)})"
    f" VALUES (?, ?, {', '.join('?' * len(_GIVEN))})"
)
_BY_EVENT_ID = f"SELECT task_id, {_STORED} FROM events WHERE event_id = ?"
# The names of the indices are spelled out where SQLite, without statistics, would choose by
# chance between two that fit.
_LATEST_ANSWER = (
    f"SELECT {_STORED} FROM events AS e INDEXED BY idx_events_task_id_annotator"
    " WHERE e.task_id = ? AND e.annotator = ? AND e.action IN ('label', 'skip')"
    " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)"
    " ORDER BY e.seq DESC LIMIT 1"
)
_COUNTS = (
    "SELECT c.name, n.n_objects FROM task_classes AS c JOIN class_counts AS n"
    " ON n.task_id = c.task_id AND n.class_name = c.name WHERE c.task_id = ?"
    " ORDER BY c.position"
)


class Events(Tasks):
    """The part of `LabelsDB` that holds label events."""

    def record(self, event: NewEvent) -> Ack:
        """Append one event; when this returns, it is on the disk.

        The same `event_id` sent again counts once and is acknowledged as a duplicate.

        Raises
        ------
        BadInput
            A field cannot be used, the class is none of the task's, the undone event is
            another annotator's or was undone before, or the `event_id` stands for another event.
        NotFound
            There is no such task, or no event to undo.
        StorageFull, InUse
            Nothing was saved; try again.
        """
        checked = checked_event(event)
        with self._write() as conn:
            task_id = self._task_id(checked.task)
            before = conn.execute(_BY_EVENT_ID, (checked.event_id,)).fetchone()
            if before is not None:
                return self._duplicate(conn, checked, task_id, before)
            if checked.action is Action.UNDO:
                self._check_undo(conn, checked, task_id)
            return self._append(conn, checked, task_id)

    def record_undo(
        self, task: str, annotator: str, event_id: str, answered_at: str | None = None
    ) -> tuple[Ack, Event]:
        """Undo the annotator's latest label or skip that stands; return it beside the receipt.

        `event_id` is the undo's own; sent again, it undoes nothing more. `NotFound` if there
        is nothing left to undo.
        """
        own_id = checked_uuid(event_id, "event_id")
        checked_time(answered_at, "answered_at")
        with self._write() as conn:
            task_id = self._task_id(task)
            before = conn.execute(_BY_EVENT_ID, (own_id,)).fetchone()
            if before is not None:
                undo = _as_event(task, before[1:])
                if before[0] != task_id or undo.annotator != annotator or undo.undoes is None:
                    raise _another_event(own_id)
                undone = conn.execute(_BY_EVENT_ID, (undo.undoes,)).fetchone()
                ack = self._ack(conn, task_id, own_id, undo.seq, duplicate=True)
                return ack, _as_event(task, undone[1:])
            latest = conn.execute(_LATEST_ANSWER, (task_id, annotator)).fetchone()
            if latest is None:
                raise NotFound(
                    f"There is nothing left to undo: no label or skip by {annotator!r} stands in"
                    f" the task {task!r}."
                )
            target = _as_event(task, latest)
            undo_event = NewEvent(
                event_id=own_id,
                task=task,
                object_id=target.object_id,
                survey_version=target.survey_version,
                annotator=annotator,
                action=Action.UNDO,
                undoes=target.event_id,
                answered_at=answered_at,
            )
            return self._append(conn, undo_event, task_id), target

    def events(self, task: str, after_seq: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Yield the task's events after `after_seq` in the order of their commits, at most
        `limit`. They are read in pages, so that a slow reader holds up nobody."""
        return self._pages(task, self._task_id(task), after_seq, limit)

    def history(self, task: str, object_id: str) -> list[Event]:
        """Return all events of one object in order, undone ones and undos too."""
        sql = (
            f"SELECT {_STORED} FROM events INDEXED BY idx_events_task_id_object_id_action"
            " WHERE task_id = ? AND object_id = ? ORDER BY seq"
        )
        rows = self._rows(sql, (self._task_id(task), _bindable(object_id)))
        return [_as_event(task, row) for row in rows]

    def current_labels(self, task: str) -> dict[str, CurrentLabel]:
        """Return the latest label of each labelled object that was not undone, by object_id."""
        sql = (
            "SELECT object_id, class_name, annotator, event_id, seq, survey_version, answered_at,"
            " recorded_at FROM current_labels WHERE task_id = ?"
        )
        return {row[0]: CurrentLabel(*row) for row in self._rows(sql, (self._task_id(task),))}

    def current_label(self, task: str, object_id: str) -> CurrentLabel | None:
        """Return the current label of one object; takes no longer with a million of them."""
        sql = (
            "SELECT object_id, class_name, annotator, event_id, seq, survey_version, answered_at,"
            " recorded_at FROM standing_events WHERE task_id = ? AND object_id = ?"
            " AND action = 'label' ORDER BY seq DESC LIMIT 1"
        )
        rows = self._rows(sql, (self._task_id(task), _bindable(object_id)))
        return CurrentLabel(*rows[0]) if rows else None

    def skipped(self, task: str) -> set[str]:
        """Return the objects with a skip that stands and no current label."""
        sql = (
            "SELECT DISTINCT s.object_id FROM standing_events AS s"
            " WHERE s.task_id = ? AND s.action = 'skip' AND NOT EXISTS ("
            " SELECT 1 FROM standing_events AS l WHERE l.task_id = s.task_id"
            " AND l.object_id = s.object_id AND l.action = 'label')"
        )
        return {object_id for (object_id,) in self._rows(sql, (self._task_id(task),))}

    def flagged(self, task: str) -> set[str]:
        """Return the objects with a flag that stands (each flag is undone on its own)."""
        sql = (
            "SELECT DISTINCT object_id FROM standing_events WHERE task_id = ? AND action = 'flag'"
        )
        return {object_id for (object_id,) in self._rows(sql, (self._task_id(task),))}

    def notes(self, task: str, object_id: str) -> list[Event]:
        """Return the notes on one object that stand, oldest first."""
        sql = (
            f"SELECT {_STORED} FROM standing_events WHERE task_id = ? AND object_id = ?"
            " AND action = 'note' ORDER BY seq"
        )
        rows = self._rows(sql, (self._task_id(task), _bindable(object_id)))
        return [_as_event(task, row) for row in rows]

    def counts(self, task: str) -> dict[str, int]:
        """Return the number of objects whose current label is each class, zeros too."""
        return dict(self._rows(_COUNTS, (self._task_id(task),)))

    def n_answers(self, task: str) -> int:
        """Return the number of objects labelled, or skipped and not labelled."""
        return self._n_answers(self._task_id(task))

    def last_seq(self, task: str) -> int:
        """Return the number of the task's last event, 0 before the first."""
        sql = "SELECT max(seq) FROM events INDEXED BY idx_events_task_id WHERE task_id = ?"
        return self._value(sql, (self._task_id(task),)) or 0

    def _append(self, conn: sqlite3.Connection, event: NewEvent, task_id: int) -> Ack:
        values = [getattr(event, name) for name in _GIVEN]
        try:
            seq = conn.execute(_INSERT, [task_id, utc_now(), *values]).lastrowid
        except sqlite3.IntegrityError:
            classes = self._classes(task_id)
            if event.class_name is None or event.class_name in classes:
                raise
            raise BadInput(
                f"The classes of the task {event.task!r} are {', '.join(classes)}, but the label"
                f" is {event.class_name[:80]!r}; use one of them."
            ) from None
        return self._ack(conn, task_id, event.event_id, int(seq or 0), duplicate=False)

    def _ack(
        self, conn: sqlite3.Connection, task_id: int, event_id: str, seq: int, *, duplicate: bool
    ) -> Ack:
        counts = dict(conn.execute(_COUNTS, (task_id,)).fetchall())
        return Ack(event_id, seq, duplicate, counts, self._n_answers(task_id))

    def _n_answers(self, task_id: int) -> int:
        sql = "SELECT n_objects FROM answer_counts WHERE task_id = ?"
        return int(self._value(sql, (task_id,)))

    def _duplicate(
        self, conn: sqlite3.Connection, event: NewEvent, task_id: int, before: tuple[Any, ...]
    ) -> Ack:
        given = tuple(getattr(event, name) for name in _GIVEN)
        if before[0] != task_id or before[1 : 1 + len(_GIVEN)] != given:
            raise _another_event(event.event_id)
        seq = before[1 + len(_GIVEN)]
        return self._ack(conn, task_id, event.event_id, seq, duplicate=True)

    def _check_undo(self, conn: sqlite3.Connection, event: NewEvent, task_id: int) -> None:
        row = conn.execute(_BY_EVENT_ID, (event.undoes,)).fetchone()
        if row is None or row[0] != task_id:
            raise NotFound(
                f"There is no event {event.undoes} in the task {event.task!r} to undo; read the"
                " object's history and undo one of its events."
            )
        undone = _as_event(event.task, row[1:])
        if undone.annotator != event.annotator:
            raise BadInput(
                f"Only {undone.annotator!r} may undo the event {undone.event_id}, but"
                f" {event.annotator!r} asked for it; label the object anew instead."
            )
        if undone.object_id != event.object_id:
            raise BadInput(
                f"The event {undone.event_id} is about the object {undone.object_id[:80]!r}, but"
                f" its undo names {event.object_id[:80]!r}; name the same object."
            )
        if undone.action is Action.UNDO:
            raise BadInput(
                f"The event {undone.event_id} is an undo and cannot be undone itself; label the"
                " object anew instead."
            )
        taken = conn.execute("SELECT 1 FROM events WHERE undoes = ?", (event.undoes,)).fetchone()
        if taken is not None:
            raise BadInput(
                f"The event {undone.event_id} was undone before; undo another one, or nothing."
            )

    def _pages(
        self, task: str, task_id: int, after_seq: int, limit: int | None
    ) -> Iterator[Event]:
        sql = (
            f"SELECT {_STORED} FROM events INDEXED BY idx_events_task_id"
            " WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        )
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            rows = self._rows(sql, (task_id, after_seq, size))
            for row in rows:
                event = _as_event(task, row)
                after_seq = event.seq
                yield event
            if len(rows) < size:
                return
            left = None if left is None else left - size


def _as_event(task: str, row: tuple[Any, ...]) -> Event:
    values = dict(zip((*_GIVEN, "seq", "recorded_at"), row, strict=True))
    values["action"] = Action(values["action"])
    return Event(task=task, **values)


def _another_event(event_id: str) -> BadInput:
    return BadInput(
        f"The event_id {event_id} stands for another event already; make a new UUID for each"
        " event and send an event again only unchanged."
    )


def _bindable(object_id: str) -> str:
    """Return `object_id` as something SQLite can look up; what cannot be stored is not found."""
    return object_id if isinstance(object_id, str) and object_id.isprintable() else ""
