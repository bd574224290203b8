"""How an event stands in its row: the columns in order, and the way from one to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from core.vocabulary import Action
from labels_db.records import Event, NewEvent

GIVEN = tuple(field.name for field in fields(NewEvent) if field.name != "task")
"""What a client sends, in order; the task's name stands as its number beside them."""

STORED = ", ".join([*GIVEN, "seq", "recorded_at", "late"])
PLACES = ", ".join("?" * len(GIVEN))
INSERT = (
    f"INSERT INTO events (task_id, recorded_at, late, {', '.join(GIVEN)})"
    f" VALUES (?, ?, ?, {PLACES})"
)
BY_EVENT_ID = f"SELECT task_id, {STORED} FROM events WHERE event_id = ?"

_given = attrgetter(*GIVEN)
_PAYLOAD = GIVEN.index("payload")
_VISIBLE = GIVEN.index("prediction_visible")
_ACTION = GIVEN.index("action")


def as_values(event: NewEvent) -> list[Any]:
    """Return a checked event as the values of its row, in the order of `GIVEN`."""
    values = [*_given(event)]
    if values[_PAYLOAD] is not None:
        values[_PAYLOAD] = payload_text(values[_PAYLOAD])
    if values[_VISIBLE] is not None:
        values[_VISIBLE] = int(values[_VISIBLE])
    return values


def payload_text(payload: Mapping[str, Any]) -> str:
    """Return a payload as the text that is stored and compared."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_event(task: str, row: tuple[Any, ...]) -> Event:
    """Return the event of a row with the columns `STORED`."""
    values = list(row)
    values[_ACTION] = Action(values[_ACTION])
    if values[_PAYLOAD] is not None:
        values[_PAYLOAD] = json.loads(values[_PAYLOAD])
    if values[_VISIBLE] is not None:
        values[_VISIBLE] = bool(values[_VISIBLE])
    *given, seq, recorded_at, late = values
    return Event(
        task=task,
        **dict(zip(GIVEN, given, strict=True)),
        seq=seq,
        recorded_at=recorded_at,
        late=bool(late),
    )


def bindable(object_id: str) -> str:
    """Return `object_id` as something SQLite can look up; what cannot be stored is not found."""
    return object_id if isinstance(object_id, str) and object_id.isprintable() else ""
