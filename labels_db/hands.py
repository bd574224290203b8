"""Whose hands an object is in when an event comes: its lease, and whether it is late.

An answer is late when its lease had run out, or is gone, and no answer of the same annotator
stands. With several annotators that keeps one object from counting for more than were asked.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any, NamedTuple

from core.errors import BadInput
from core.vocabulary import Action, Settled
from labels_db import clock
from labels_db.records import Event, NewEvent

ANSWERS = (Action.LABEL, Action.UNSURE, Action.SKIP)
"""What ends a look at an object: it takes the lease with it."""

BY_SERVER_ALWAYS = ("survey_version", "prediction_visible")
BY_SERVER = ("sampler", "score", "probability", "model_version", *BY_SERVER_ALWAYS)
"""What the server adds to an event, the first four under a lease: it may have changed when a
client that never heard an answer sends the event again."""


class TaskRow(NamedTuple):
    """What an event needs to know of its task."""

    id: int
    answers_per_object: int
    tree: str | None
    lease_seconds: float


def under_lease(
    conn: sqlite3.Connection, task: TaskRow, event: NewEvent, renew: bool
) -> tuple[NewEvent, bool]:
    """Return the event with why its object was shown, and whether it came late."""
    lease = conn.execute(
        "SELECT task_id, object_id, annotator, expires_at, sampler, score, probability,"
        " model_version FROM leases WHERE lease = ?",
        (event.lease,),
    ).fetchone()
    ends = event.action in ANSWERS
    if lease is None:
        # Answered before under this lease; or given back and leased anew since, for which the
        # newer reason stands.
        before = _answered_under(conn, task.id, event) or _own_lease(conn, task.id, event)
        event = event if before is None else _shown_as(event, before)
        late = ends and not answer_stands(conn, task.id, event.object_id, event.annotator)
        if late and renew:
            late = not has_room(conn, task, event.object_id, event.annotator)
        return event, late
    if lease[2] != event.annotator:
        raise BadInput(
            f"The lease {event.lease} was given to somebody else, but {event.annotator!r}"
            " sent an event under it; fetch an object of your own."
        )
    if lease[:2] != (task.id, event.object_id):
        raise BadInput(
            f"The lease {event.lease} is for another object than {event.object_id[:80]!r};"
            " send the lease that came with the object."
        )
    event = _shown_as(event, lease[4:])
    left_s = lease[3] - clock.now()
    late = not 0 < left_s <= task.lease_seconds + clock.SLACK_S
    if late and renew:
        late = not has_room(conn, task, event.object_id, event.annotator)
    return event, late and ends


def _answered_under(
    conn: sqlite3.Connection, task_id: int, event: NewEvent
) -> tuple[Any, ...] | None:
    """Why the object was shown, of an answer under the same lease."""
    found: tuple[Any, ...] | None = conn.execute(
        "SELECT sampler, score, probability, model_version FROM events"
        " INDEXED BY idx_events_task_id_object_id_action"
        " WHERE task_id = ? AND object_id = ? AND action IN ('label', 'unsure', 'skip')"
        " AND lease = ? AND annotator = ? ORDER BY seq LIMIT 1",
        (task_id, event.object_id, event.lease, event.annotator),
    ).fetchone()
    return found


def _own_lease(conn: sqlite3.Connection, task_id: int, event: NewEvent) -> tuple[Any, ...] | None:
    """Why the annotator was last given the object."""
    found: tuple[Any, ...] | None = conn.execute(
        "SELECT sampler, score, probability, model_version FROM leases"
        " WHERE task_id = ? AND object_id = ? AND annotator = ?",
        (task_id, event.object_id, event.annotator),
    ).fetchone()
    return found


def answer_stands(conn: sqlite3.Connection, task_id: int, object_id: str, annotator: str) -> bool:
    """Whether an answer of the annotator to the object stands: another is a change of mind."""
    sql = (
        "SELECT 1 FROM answers WHERE task_id = ? AND object_id = ? AND annotator = ?"
        " AND action <> 'skip'"
    )
    return conn.execute(sql, (task_id, object_id, annotator)).fetchone() is not None


def take_up_again(conn: sqlite3.Connection, task: TaskRow, undone: Event) -> None:
    """Lease an object anew to whoever undid their answer: it is on their screen again."""
    place = (task.id, undone.object_id, undone.annotator)
    seen = conn.execute(
        "SELECT 1 FROM answers WHERE task_id = ? AND object_id = ? AND annotator = ?", place
    ).fetchone()
    if undone.lease is None or seen is not None:
        return
    if has_room(conn, task, undone.object_id, undone.annotator):
        now = clock.now()
        # One that was given back meanwhile goes on; else the one of the answer is there again.
        conn.execute(
            "UPDATE leases SET expires_at = ? WHERE task_id = ? AND object_id = ?"
            " AND annotator = ? AND expires_at <= ?",
            (now + task.lease_seconds, *place, now),
        )
        conn.execute(
            "INSERT OR IGNORE INTO leases (lease, task_id, object_id, annotator, place,"
            " leased_at, expires_at, sampler, score, probability, model_version)"
            " VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
            (
                *(undone.lease, *place, now, now + task.lease_seconds, undone.sampler or ""),
                *(undone.score, undone.probability, undone.model_version),
            ),
        )


def has_room(conn: sqlite3.Connection, task: TaskRow, object_id: str, annotator: str) -> bool:
    """Whether the object still wants an answer of this annotator."""
    now = clock.now()
    state = conn.execute(
        "SELECT how, is_gold FROM object_states WHERE task_id = ? AND object_id = ?",
        (task.id, object_id),
    ).fetchone()
    if state is not None and state[0] == Settled.ADJUDICATED:
        return bool(state[1])
    others = conn.execute(
        "SELECT count(*) FROM (SELECT annotator FROM answers WHERE task_id = :task"
        " AND object_id = :object AND action <> 'skip' UNION SELECT annotator FROM leases"
        " WHERE task_id = :task AND object_id = :object AND expires_at > :now"
        " AND expires_at <= :latest) WHERE annotator <> :annotator",
        {
            "task": task.id,
            "object": object_id,
            "annotator": annotator,
            "now": now,
            "latest": now + task.lease_seconds + clock.SLACK_S,
        },
    ).fetchone()[0]
    return bool(others < task.answers_per_object)


def _shown_as(event: NewEvent, why: tuple[Any, ...]) -> NewEvent:
    sampler, score, probability, model_version = why
    return replace(
        event,
        sampler=sampler,
        score=score,
        probability=probability,
        model_version=model_version,
    )
