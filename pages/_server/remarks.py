"""Flags, notes and marks: what stands on an object, and how one of them is taken back."""

from __future__ import annotations

from typing import Any

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import Ack, Event, LabelsDB, NewEvent
from labels_db.checks import checked_uuid

__all__ = ["remarks_on", "take_back"]

TAKEN_BACK = (*(Action.FLAG, Action.NOTE, Action.MARK, Action.LABEL, Action.UNSURE, Action.SKIP),)
"""What may be taken back by its event_id; who settled an object does that on the Review page."""


def remarks_on(
    database: LabelsDB, task: str, object_id: str, annotator: str, *, only_own: bool
) -> dict[str, Any]:
    """What stands on an object, oldest first, with the event_id of what `annotator` said.

    `flags` are the annotator's own; `flagged` is whether anybody's stands, `flagged_by_others`
    whether one of another person does. With `only_own` others are left out altogether.
    """
    events = database.history(task, object_id)
    undone = {event.undoes for event in events if event.undoes is not None}
    standing = [
        event
        for event in events
        if event.event_id not in undone and (not only_own or event.annotator == annotator)
    ]
    flaggers = [
        (e.annotator == annotator, e.event_id) for e in standing if e.action is Action.FLAG
    ]
    return {
        "flagged": bool(flaggers),
        "flags": [event_id for own, event_id in flaggers if own],
        "flagged_by_others": not all(own for own, _ in flaggers),
        "notes": [event.note for event in standing if event.action is Action.NOTE],
        "marks": [
            {
                "event_id": event.event_id if event.annotator == annotator else None,
                "annotator": event.annotator,
                "at": event.recorded_at,
                "own": event.annotator == annotator,
                "marks": (event.payload or {}).get("marks", []),
            }
            for event in standing
            if event.action is Action.MARK
        ],
    }


def take_back(
    database: LabelsDB,
    name: str,
    annotator: str,
    event_id: str,
    undoes: str,
    *,
    object_id: str | None = None,
    answered_at: str | None = None,
) -> tuple[Ack, Event]:
    """Undo one event of the annotator's own; return it beside the receipt.

    `event_id` is the undo's own; sent again, it undoes nothing more. `object_id`, if given, must
    be the object of the event that `undoes` names. Nothing else follows from taking back a
    flag, a note or marks, and no redo gives them again.
    """
    task = database.task(name)
    undoes = checked_uuid(undoes, "undoes")
    target = database.event(undoes)
    if target is None or target.task != task.name:
        raise NotFound(
            f"There is nothing under {undoes} in the task {task.name!r} to take back; reload the"
            " page and look at the object's history."
        )
    if target.annotator != annotator:
        raise BadInput(
            "Only who did it may take it back, and this was somebody else; answer the object or"
            " leave a note instead."
        )
    if target.action not in TAKEN_BACK:
        allowed = ", ".join(TAKEN_BACK)
        raise BadInput(
            f"What may be taken back here is {allowed}, but {undoes} is an event of the kind"
            f" {target.action.value!r}; what was settled is taken back on the Review page."
        )
    ack = database.record(
        NewEvent(
            event_id=event_id,
            task=task.name,
            object_id=target.object_id if object_id is None else object_id,
            survey_version=target.survey_version,
            annotator=annotator,
            action=Action.UNDO,
            undoes=undoes,
            answered_at=answered_at,
        )
    )
    return ack, target
