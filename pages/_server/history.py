"""What was done to one object, and what one annotator did in a sitting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.vocabulary import Action
from labels_db.own import Given
from pages._server.identity import Identity
from pages._server.services import Services

__all__ = ["history_payload", "session_payload"]

MAX_POINTS = 500
"""Of the curve of a session: more than a small plot has pixels."""


def history_payload(
    services: Services, name: str, who: Identity, object_id: str
) -> dict[str, Any]:
    """GET api/history: the events of one object in order, those undone marked as such.

    One's own come with their event_id, by which they are taken back.

    On a secret task only one's own, the owner's too: beside the picture the others' would sway
    the answer. The Review page shows the owner all.
    """
    database = services.db()
    task = database.task(name)
    services.survey(task.survey).row(object_id)
    events = database.history(task.name, object_id)
    undone = {event.undoes for event in events if event.undoes is not None}
    secret = database.is_secret(task.name)
    shown = [
        {
            "event_id": event.event_id if event.annotator == who.annotator else None,
            "at": event.recorded_at,
            "annotator": event.annotator,
            "action": event.action.value,
            "class_name": event.class_name,
            "note": event.note,
            "marks": (event.payload or {}).get("marks", []),
            "undone": event.event_id in undone,
            "late": event.late,
            "own": event.annotator == who.annotator,
        }
        for event in events
        if event.action is not Action.UNDO and (not secret or event.annotator == who.annotator)
    ]
    if secret:
        state = "On this task only what you did yourself is shown here."
    else:
        state = "" if shown else "Nothing was recorded of this object yet."
    return {"events": shown, "state": state}


def session_payload(services: Services, name: str, who: Identity, since: str) -> dict[str, Any]:
    """GET api/session: what this annotator labelled since then; undone answers do not count.

    Of an object that was answered twice the later answer counts. `per_hour` is over the time
    from the first to the last label, null while there are fewer than two. `points` are
    [seconds since the start, labels so far, finds so far], at most `MAX_POINTS` of them.
    """
    database = services.db()
    task = database.task(name)
    begin = datetime.fromisoformat(since)
    newest: dict[str, Given] = {}
    for one in database.session(task.name, who.annotator, since):
        if one.action is not Action.SKIP or one.object_id not in newest:
            newest.pop(one.object_id, None)
            newest[one.object_id] = one
    labels = [one for one in newest.values() if one.class_name is not None]
    times = [(datetime.fromisoformat(one.recorded_at) - begin).total_seconds() for one in labels]
    per_class = dict.fromkeys(task.classes, 0)
    points: list[list[float]] = []
    finds = 0
    for place, (one, seconds) in enumerate(zip(labels, times, strict=True)):
        per_class[str(one.class_name)] = per_class.get(str(one.class_name), 0) + 1
        finds += one.class_name in task.targets
        points.append([round(max(seconds, 0.0), 3), place + 1, finds])
    hours = (times[-1] - times[0]) / 3600 if len(times) > 1 else 0.0
    actions = [one.action for one in newest.values()]
    return {
        "n_labels": len(labels),
        "n_unsure": actions.count(Action.UNSURE),
        "n_skipped": actions.count(Action.SKIP),
        "per_class": per_class,
        "finds": finds,
        "per_hour": round((len(times) - 1) / hours, 1) if hours > 0 else None,
        "points": _thinned(points),
    }


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Every n-th point, counted from the last."""
    step = -(-len(points) // MAX_POINTS) or 1
    return points[::-1][::step][::-1]
