"""What can be read off the events: labels, answers, states, remarks, counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from core.vocabulary import Action, Settled
from labels_db.records import Answer, CurrentLabel, Event, ObjectState
from labels_db.rows import STORED, as_event, bindable
from labels_db.tasks import Tasks

_PAGE = 1000

_COUNTS = (
    "SELECT c.name, n.n_objects FROM task_classes AS c JOIN class_counts AS n"
    " ON n.task_id = c.task_id AND n.class_name = c.name WHERE c.task_id = ?"
    " ORDER BY c.position"
)
_LABEL = (
    "object_id, class_name, annotator, event_id, seq, survey_version, answered_at, recorded_at,"
    " how"
)
_STATE = (
    "object_id, class_name, how, n_answers, n_unsure, n_classes, n_late, is_open, disagreement,"
    " last_seq"
)
_ANSWERS = (
    "SELECT a.object_id, a.annotator, a.action, a.class_name, e.event_id, a.seq, e.confidence,"
    " e.payload, e.shown_at, e.answered_at, e.recorded_at, e.sampler"
    " FROM answers AS a JOIN events AS e ON e.seq = a.seq"
    " WHERE a.task_id = :task AND a.action <> 'skip'"
)


class Readings(Tasks):
    """The part of `LabelsDB` that tells what the events say."""

    def events(self, task: str, after_seq: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Yield the task's events after `after_seq` in the order of their commits, at most
        `limit`. They are read in pages, so that a slow reader holds up nobody."""
        return self._pages(task, self._task_id(task), after_seq, limit)

    def n_events(self, task: str, after_seq: int = 0) -> int:
        """Return how many events the task has after `after_seq`."""
        sql = (
            "SELECT count(*) FROM events INDEXED BY idx_events_task_id"
            " WHERE task_id = ? AND seq > ?"
        )
        return int(self._value(sql, (self._task_id(task), after_seq)))

    def event(self, event_id: str) -> Event | None:
        """Return one event, of whatever task, or None."""
        rows = self._rows(
            "SELECT t.name, e.* FROM (SELECT task_id, " + STORED + " FROM events"
            " WHERE event_id = ?) AS e JOIN tasks AS t ON t.id = e.task_id",
            (bindable(event_id),),
        )
        return as_event(rows[0][0], rows[0][2:]) if rows else None

    def history(self, task: str, object_id: str) -> list[Event]:
        """Return all events of one object in order, undone ones and undos too."""
        sql = (
            f"SELECT {STORED} FROM events INDEXED BY idx_events_task_id_object_id_action"
            " WHERE task_id = ? AND object_id = ? ORDER BY seq"
        )
        rows = self._rows(sql, (self._task_id(task), bindable(object_id)))
        return [as_event(task, row) for row in rows]

    def current_labels(self, task: str) -> dict[str, CurrentLabel]:
        """Return the current label of each object that has one, by object_id."""
        sql = f"SELECT {_LABEL} FROM current_labels WHERE task_id = ?"
        rows = self._rows(sql, (self._task_id(task),))
        return {row[0]: _as_label(row) for row in rows}

    def current_classes(self, task: str) -> dict[str, str]:
        """Return the class of each labelled object, the one touched last at the end:
        `current_labels` without the rest of it."""
        sql = (
            "SELECT object_id, class_name FROM object_states"
            " WHERE task_id = ? AND class_name IS NOT NULL ORDER BY last_seq, object_id"
        )
        return dict(self._rows(sql, (self._task_id(task),)))

    def shown_by(self, task: str, after_seq: int = 0) -> dict[str, str]:
        """Return the sampler that showed each object answered after `after_seq`, by object_id:
        of several answers the newest counts. Objects opened by hand are left out."""
        sql = (
            "SELECT object_id, sampler FROM events INDEXED BY idx_events_task_id"
            " WHERE task_id = ? AND seq > ? AND sampler IS NOT NULL ORDER BY seq"
        )
        return dict(self._rows(sql, (self._task_id(task), after_seq)))

    def adjudicated(self, task: str) -> dict[str, str]:
        """Return the class of each object that was adjudicated to one, by object_id."""
        sql = (
            "SELECT object_id, class_name FROM object_states"
            " WHERE task_id = ? AND how = 'adjudicated' AND class_name IS NOT NULL"
        )
        return dict(self._rows(sql, (self._task_id(task),)))

    def current_label(self, task: str, object_id: str) -> CurrentLabel | None:
        """Return the current label of one object; takes no longer with a million of them."""
        sql = f"SELECT {_LABEL} FROM current_labels WHERE task_id = ? AND object_id = ?"
        rows = self._rows(sql, (self._task_id(task), bindable(object_id)))
        return _as_label(rows[0]) if rows else None

    def answers(
        self, task: str, *, annotator: str | None = None, object_id: str | None = None
    ) -> Iterator[Answer]:
        """Yield what each annotator says of each object: all, or of one annotator or object,
        by object_id. They are read in pages, so that a slow reader holds up nobody."""
        values: dict[str, Any] = {"task": self._task_id(task), "object": "", "annotator": ""}
        where = " AND (a.object_id, a.annotator) > (:object, :annotator)"
        if object_id is not None:
            where = " AND a.object_id = :one AND a.annotator > :annotator"
            values["one"] = bindable(object_id)
        if annotator is not None:
            where, values["who"] = f"{where} AND a.annotator = :who", bindable(annotator)
        sql = f"{_ANSWERS}{where} ORDER BY a.object_id, a.annotator LIMIT {_PAGE}"
        while rows := self._rows(sql, values):
            yield from map(_as_answer, rows)
            if len(rows) < _PAGE:
                return
            values["object"], values["annotator"] = rows[-1][:2]

    def object_state(self, task: str, object_id: str) -> ObjectState | None:
        """Return where one object stands, or None if nobody touched it."""
        sql = f"SELECT {_STATE} FROM object_states WHERE task_id = ? AND object_id = ?"
        rows = self._rows(sql, (self._task_id(task), bindable(object_id)))
        return _as_state(rows[0]) if rows else None

    def disputes(self, task: str, limit: int = 500) -> list[ObjectState]:
        """Return the objects that wait for adjudication, the most disputed first."""
        sql = (
            f"SELECT {_STATE} FROM object_states INDEXED BY idx_object_states_disputed"
            " WHERE task_id = ? AND disagreement > 0 ORDER BY disagreement DESC, last_seq LIMIT ?"
        )
        return [_as_state(row) for row in self._rows(sql, (self._task_id(task), limit))]

    def n_disputes(self, task: str) -> int:
        """Return how many objects wait for adjudication."""
        sql = (
            "SELECT count(*) FROM object_states INDEXED BY idx_object_states_disputed"
            " WHERE task_id = ? AND disagreement > 0"
        )
        return int(self._value(sql, (self._task_id(task),)))

    def late_answers(self, task: str, object_id: str) -> list[Event]:
        """Return the late answers to one object that were not undone, oldest first."""
        sql = (
            f"SELECT {STORED} FROM standing_events WHERE task_id = ? AND object_id = ?"
            " AND late = 1 AND action IN ('label', 'unsure') ORDER BY seq"
        )
        rows = self._rows(sql, (self._task_id(task), bindable(object_id)))
        return [as_event(task, row) for row in rows]

    def unlabelled(self, task: str) -> set[str]:
        """Return the objects that somebody touched and that have no current label: skipped,
        unsure or tied. A ranking leaves them out; the queue itself brings them back to those
        whose answer is still wanted."""
        sql = "SELECT object_id FROM object_states WHERE task_id = ? AND class_name IS NULL"
        return {object_id for (object_id,) in self._rows(sql, (self._task_id(task),))}

    def flagged(self, task: str) -> set[str]:
        """Return the objects with a flag that stands (each flag is undone on its own)."""
        sql = (
            "SELECT DISTINCT r.object_id FROM events AS r INDEXED BY idx_events_remarks"
            " WHERE r.task_id = ? AND r.action IN ('flag', 'note', 'mark') AND r.action = 'flag'"
            " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = r.event_id)"
        )
        return {object_id for (object_id,) in self._rows(sql, (self._task_id(task),))}

    def is_flagged(self, task: str, object_id: str, by: str | None = None) -> bool:
        """Return whether a flag on the object stands: anybody's, or one annotator's."""
        flags = self._remarks(task, object_id, Action.FLAG)
        return any(by in (None, flag.annotator) for flag in flags)

    def notes(self, task: str, object_id: str) -> list[Event]:
        """Return the notes on one object that stand, oldest first."""
        return self._remarks(task, object_id, Action.NOTE)

    def marks(self, task: str, object_id: str) -> list[Event]:
        """Return the marks on one object that stand, oldest first."""
        return self._remarks(task, object_id, Action.MARK)

    def is_secret(self, task: str) -> bool:
        """Return whether annotators see nothing but their own answers: the task is blind, or
        has gold objects, which the answers of others would give away."""
        sql = (
            "SELECT t.blind OR t.gold_rate > 0 OR EXISTS (SELECT 1 FROM object_states AS s"
            " INDEXED BY idx_object_states_gold WHERE s.task_id = t.id AND s.is_gold = 1)"
            " FROM tasks AS t WHERE t.id = ?"
        )
        return bool(self._value(sql, (self._task_id(task),)))

    def counts(self, task: str) -> dict[str, int]:
        """Return the number of objects whose current label is each class, zeros too."""
        return dict(self._rows(_COUNTS, (self._task_id(task),)))

    def n_answers(self, task: str) -> int:
        """Return the number of objects that somebody answered, skipped or adjudicated."""
        sql = "SELECT n_objects FROM answer_counts WHERE task_id = ?"
        return int(self._value(sql, (self._task_id(task),)))

    def last_seq(self, task: str) -> int:
        """Return the number of the task's last event, 0 before the first."""
        sql = "SELECT max(seq) FROM events INDEXED BY idx_events_task_id WHERE task_id = ?"
        return self._value(sql, (self._task_id(task),)) or 0

    def _remarks(self, task: str, object_id: str, action: Action) -> list[Event]:
        sql = (
            f"SELECT {STORED} FROM standing_events WHERE task_id = ? AND object_id = ?"
            " AND action = ? ORDER BY seq"
        )
        rows = self._rows(sql, (self._task_id(task), bindable(object_id), action))
        return [as_event(task, row) for row in rows]

    @staticmethod
    def _totals(conn: sqlite3.Connection, task_id: int) -> tuple[dict[str, int], int]:
        counts = dict(conn.execute(_COUNTS, (task_id,)).fetchall())
        sql = "SELECT n_objects FROM answer_counts WHERE task_id = ?"
        return counts, int(conn.execute(sql, (task_id,)).fetchone()[0])

    def _pages(
        self, task: str, task_id: int, after_seq: int, limit: int | None
    ) -> Iterator[Event]:
        sql = (
            f"SELECT {STORED} FROM events INDEXED BY idx_events_task_id"
            " WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        )
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            rows = self._rows(sql, (task_id, after_seq, size))
            for row in rows:
                event = as_event(task, row)
                after_seq = event.seq
                yield event
            if len(rows) < size:
                return
            left = None if left is None else left - size


def _as_label(row: tuple[Any, ...]) -> CurrentLabel:
    values = (*row[:-1], Settled(row[-1]))
    return CurrentLabel(*values)


def _as_state(row: tuple[Any, ...]) -> ObjectState:
    values = dict(zip(_STATE.split(", "), row, strict=True))
    values["how"] = None if values["how"] is None else Settled(values["how"])
    values["is_open"] = bool(values["is_open"])
    return ObjectState(**values)


def _as_answer(row: tuple[Any, ...]) -> Answer:
    tags = tuple(json.loads(row[7]).get("tags", ())) if row[7] else ()
    object_id, annotator, action, class_name, event_id, seq, confidence = row[:7]
    about = (object_id, annotator, Action(action), class_name, event_id, seq, confidence)
    return Answer(*about, tags, *row[8:])
