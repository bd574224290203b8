"""Label events: appended, never changed; all else follows from them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import Any

from core.errors import BadInput, NotFound
from core.vocabulary import MAX_ID_LENGTH, Action
from labels_db.checks import checked_event, checked_text, checked_time, checked_uuid
from labels_db.hands import (
    ANSWERS,
    BY_SERVER,
    BY_SERVER_ALWAYS,
    TaskRow,
    answer_stands,
    has_room,
    take_up_again,
    under_lease,
)
from labels_db.readings import Readings
from labels_db.records import Ack, Event, NewEvent
from labels_db.rows import BY_EVENT_ID, GIVEN, INSERT, STORED, as_event, as_values
from labels_db.schema import utc_now
from labels_db.standing import Happened, follow
from labels_db.trees import checked_path

# The name of the index is spelled out where SQLite, without statistics, would choose by chance
# between two that fit.
_LATEST_ANSWER = (
    f"SELECT {STORED} FROM events AS e INDEXED BY idx_events_task_id_annotator"
    " WHERE e.task_id = ? AND e.annotator = ? AND e.action IN ('label', 'unsure', 'skip')"
    " AND e.source IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)"
    " ORDER BY e.seq DESC LIMIT 1"
)
_STEPS_BACK = (
    "SELECT e.event_id, e.action, e.undoes, e.redoes FROM events AS e"
    " INDEXED BY idx_events_task_id_annotator WHERE e.task_id = ? AND e.annotator = ?"
    " AND e.action IN ('label', 'unsure', 'skip', 'undo') AND e.source IS NULL"
    " ORDER BY e.seq DESC"
)


class Events(Readings):
    """The part of `LabelsDB` that takes in label events."""

    def record(self, event: NewEvent, *, renew_lease: bool = False) -> Ack:
        """Append one event; when this returns, it is on the disk.

        The same `event_id` sent again counts once and is acknowledged as a duplicate. An
        answer under a lease that has run out is kept as late: it counts only once somebody
        adjudicates the object. With `renew_lease` an answer counts as a sign of life: it is
        late only if somebody else took or answered the object meanwhile.

        Raises
        ------
        BadInput
            A field cannot be used, the class is none of the task's, the lease is another
            annotator's, the undone event is another annotator's or was undone before, or the
            `event_id` stands for another event.
        NotFound
            There is no such task, or no event to undo.
        StorageFull, InUse
            Nothing was saved; try again.
        """
        checked = checked_event(event)
        with self._write() as conn:
            task = self._task_row(conn, checked.task)
            before = conn.execute(BY_EVENT_ID, (checked.event_id,)).fetchone()
            if before is not None:
                return self._duplicate(conn, checked, task.id, before)
            undone = None
            if checked.action is Action.UNDO:
                undone = self._check_undo(conn, checked, task.id)
            if checked.redoes is not None:
                self._check_redo(conn, checked, task.id)
            self._check_content(conn, task, checked)
            late = False
            if checked.lease is not None:
                checked, late = under_lease(conn, task, checked, renew_lease)
            return self._append(conn, checked, task, late=late, undone=undone)

    def record_undo(
        self, task: str, annotator: str, event_id: str, answered_at: str | None = None
    ) -> tuple[Ack, Event]:
        """Undo the annotator's latest answer that stands; return it beside the receipt.

        `event_id` is the undo's own; sent again, it undoes nothing more. `NotFound` if there
        is nothing left to undo.
        """
        own_id = checked_uuid(event_id, "event_id")
        checked_text(annotator, "annotator", MAX_ID_LENGTH)
        checked_time(answered_at, "answered_at")
        with self._write() as conn:
            row = self._task_row(conn, task)
            before = self._sent_before(conn, task, annotator, row.id, own_id)
            if before is not None:
                if before.undoes is None:
                    raise _another_event(own_id)
                ack = self._ack(conn, row.id, before, duplicate=True)
                return ack, self._event(conn, task, before.undoes)
            latest = conn.execute(_LATEST_ANSWER, (row.id, annotator)).fetchone()
            if latest is None:
                raise NotFound(
                    f"There is nothing left to undo: no answer by {annotator!r} stands in the"
                    f" task {task!r}."
                )
            target = as_event(task, latest)
            undo = NewEvent(
                event_id=own_id,
                task=task,
                object_id=target.object_id,
                survey_version=target.survey_version,
                annotator=annotator,
                action=Action.UNDO,
                undoes=target.event_id,
                answered_at=answered_at,
            )
            return self._append(conn, undo, row, undone=target), target

    def record_redo(
        self, task: str, annotator: str, event_id: str, answered_at: str | None = None
    ) -> tuple[Ack, Event]:
        """Give the annotator's last undone answer again, as a new event; return that answer.

        An answer given after an undo ends what can be redone, as in any editor. `event_id` is
        the new event's own; sent again, it redoes nothing more. `NotFound` if there is nothing
        to redo.
        """
        own_id = checked_uuid(event_id, "event_id")
        checked_text(annotator, "annotator", MAX_ID_LENGTH)
        checked_time(answered_at, "answered_at")
        with self._write() as conn:
            row = self._task_row(conn, task)
            before = self._sent_before(conn, task, annotator, row.id, own_id)
            if before is not None:
                if before.redoes is None:
                    raise _another_event(own_id)
                return self._ack(conn, row.id, before, duplicate=True), before
            undo_id, answer_id = self._step_forward(conn, row.id, annotator)
            if undo_id is None or answer_id is None:
                raise NotFound(
                    f"There is nothing to redo: {annotator!r} has undone no answer since the last"
                    f" one in the task {task!r}."
                )
            undone = self._event(conn, task, answer_id)
            again = NewEvent(
                **{name: getattr(undone, name) for name in ("task", *GIVEN)}
                | {
                    "event_id": own_id,
                    "redoes": undo_id,
                    "lease": None,
                    "source": None,
                    "answered_at": answered_at or undone.answered_at,
                }
            )
            untagged = {k: v for k, v in (again.payload or {}).items() if k != "tags"}
            self._check_content(conn, row, replace(again, payload=untagged))
            place = (again.object_id, annotator)
            counts = answer_stands(conn, row.id, *place) or has_room(conn, row, *place)
            # What was late before is late still: an undo and a redo must not launder it.
            ack = self._append(conn, again, row, late=undone.late or not counts)
            return ack, self._event(conn, task, own_id)

    def _step_forward(
        self, conn: sqlite3.Connection, task_id: int, annotator: str
    ) -> tuple[str | None, str | None]:
        """The undo that a redo takes back, with the answer it had undone."""
        redone = set()
        rows = conn.execute(_STEPS_BACK, (task_id, annotator))
        found: tuple[str | None, str | None] = (None, None)
        for event_id, action, undoes, redoes in rows:
            if action == Action.UNDO:
                if event_id not in redone and self._is_answer(conn, undoes):
                    found = (event_id, undoes)
                    break
            elif redoes is not None:
                redone.add(redoes)
            else:
                break
        rows.close()
        return found

    @staticmethod
    def _is_answer(conn: sqlite3.Connection, event_id: str) -> bool:
        sql = "SELECT action FROM events WHERE event_id = ?"
        return conn.execute(sql, (event_id,)).fetchone()[0] in ANSWERS

    def _task_row(self, conn: sqlite3.Connection, name: str) -> TaskRow:
        found = None
        if isinstance(name, str) and name.isprintable():
            found = conn.execute(
                "SELECT id, answers_per_object, tree, lease_seconds FROM tasks WHERE name = ?",
                (name,),
            ).fetchone()
        return TaskRow(*found) if found else TaskRow(self._task_id(name), 1, None, 0.0)

    @staticmethod
    def _check_content(conn: sqlite3.Connection, task: TaskRow, event: NewEvent) -> None:
        """Refuse a retired class, tags that the task lacks and a path that leads elsewhere."""
        if event.class_name is not None and event.action is Action.LABEL:
            found = conn.execute(
                "SELECT retired FROM task_classes WHERE task_id = ? AND name = ?",
                (task.id, event.class_name),
            ).fetchone()
            if found == (1,):
                raise BadInput(
                    f"The class {event.class_name[:80]!r} of the task {event.task!r} was retired"
                    " and is offered no more; reload the page and answer with another."
                )
        payload = event.payload or {}
        if task.tree is not None and event.action is Action.LABEL:
            assert event.class_name is not None
            checked_path(json.loads(task.tree), payload.get("path"), event.class_name)
        if payload.get("tags"):
            rows = conn.execute(
                "SELECT name FROM task_tags WHERE task_id = ? AND retired = 0", (task.id,)
            )
            known = {name for (name,) in rows}
            for tag in payload["tags"]:
                if tag not in known:
                    there = ", ".join(sorted(known)) or "none"
                    raise BadInput(
                        f"The tags of the task {event.task!r} are {there}, but {tag[:80]!r} was"
                        " given; use one of them or add it to the task."
                    )

    def _append(
        self,
        conn: sqlite3.Connection,
        event: NewEvent,
        task: TaskRow,
        *,
        late: bool = False,
        undone: Event | None = None,
    ) -> Ack:
        try:
            values = (task.id, utc_now(), int(late), *as_values(event))
            seq = int(conn.execute(INSERT, values).lastrowid or 0)
        except sqlite3.IntegrityError:
            classes = self._classes(task.id)
            if event.class_name is None or event.class_name in classes:
                raise
            raise BadInput(
                f"The classes of the task {event.task!r} are {', '.join(classes)}, but the label"
                f" is {event.class_name[:80]!r}; use one of them."
            ) from None
        if event.action in ANSWERS:
            conn.execute(
                "DELETE FROM leases WHERE task_id = ? AND object_id = ? AND annotator = ?",
                (task.id, event.object_id, event.annotator),
            )
        happened = Happened(
            event.object_id, event.annotator, event.action, event.class_name, seq, late
        )
        action = None if undone is None else undone.action
        follow(conn, task.id, task.answers_per_object, happened, action)
        if undone is not None and undone.action in ANSWERS:
            take_up_again(conn, task, undone)
        counts, n_answers = self._totals(conn, task.id)
        return Ack(event.event_id, seq, False, counts, n_answers, late)

    def _ack(
        self, conn: sqlite3.Connection, task_id: int, event: Event, *, duplicate: bool
    ) -> Ack:
        counts, n_answers = self._totals(conn, task_id)
        return Ack(event.event_id, event.seq, duplicate, counts, n_answers, event.late)

    def _event(self, conn: sqlite3.Connection, task: str, event_id: str) -> Event:
        return as_event(task, conn.execute(BY_EVENT_ID, (event_id,)).fetchone()[1:])

    def _sent_before(
        self,
        conn: sqlite3.Connection,
        task: str,
        annotator: str,
        task_id: int,
        event_id: str,
    ) -> Event | None:
        before = conn.execute(BY_EVENT_ID, (event_id,)).fetchone()
        if before is None:
            return None
        event = as_event(task, before[1:])
        if before[0] != task_id or event.annotator != annotator:
            raise _another_event(event_id)
        return event

    def _duplicate(
        self, conn: sqlite3.Connection, event: NewEvent, task_id: int, before: tuple[Any, ...]
    ) -> Ack:
        kept = list(before[1 : 1 + len(GIVEN)])
        given = as_values(event)
        for name in BY_SERVER if event.lease is not None else BY_SERVER_ALWAYS:
            given[GIVEN.index(name)] = kept[GIVEN.index(name)]
        if before[0] != task_id or kept != given:
            raise _another_event(event.event_id)
        stored = as_event(event.task, before[1:])
        return self._ack(conn, task_id, stored, duplicate=True)

    def _check_undo(self, conn: sqlite3.Connection, event: NewEvent, task_id: int) -> Event:
        row = conn.execute(BY_EVENT_ID, (event.undoes,)).fetchone()
        if row is None or row[0] != task_id:
            raise NotFound(
                f"There is no event {event.undoes} in the task {event.task!r} to undo; read the"
                " object's history and undo one of its events."
            )
        undone = as_event(event.task, row[1:])
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
                f"The event {undone.event_id} is an undo and cannot be undone itself; redo the"
                " answer instead."
            )
        taken = conn.execute("SELECT 1 FROM events WHERE undoes = ?", (event.undoes,)).fetchone()
        if taken is not None:
            raise BadInput(
                f"The event {undone.event_id} was undone before; undo another one, or nothing."
            )
        return undone

    @staticmethod
    def _check_redo(conn: sqlite3.Connection, event: NewEvent, task_id: int) -> None:
        row = conn.execute(
            "SELECT task_id, object_id, annotator, action FROM events WHERE event_id = ?",
            (event.redoes,),
        ).fetchone()
        if event.action not in ANSWERS or row != (
            *(task_id, event.object_id, event.annotator),
            Action.UNDO,
        ):
            raise BadInput(
                f"redoes names an undo of the same annotator and object, but {event.redoes} is"
                " none; leave it out."
            )
        taken = conn.execute("SELECT 1 FROM events WHERE redoes = ?", (event.redoes,)).fetchone()
        if taken is not None:
            raise BadInput(f"The undo {event.redoes} was redone before; label the object anew.")


def _another_event(event_id: str) -> BadInput:
    return BadInput(
        f"The event_id {event_id} stands for another event already; make a new UUID for each"
        " event and send an event again only unchanged."
    )
