"""The addresses by which answers and leases come in."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.vocabulary import MAX_NOTE_LENGTH, Action, JobKind, checked_object_id
from labels_db import Ack, Event, NewEvent
from pages._server import payloads
from pages._server.identity import Identity, require
from pages._server.more_like import ahead_payload
from pages._server.remarks import take_back
from pages._server.requests import (
    WRITERS,
    Refused,
    RouteSpec,
    event_id_of,
    json_answer,
    moment,
    needed,
    text_of,
    texts,
    whole,
)
from pages._server.services import Services

__all__ = ["LABEL_ROUTES"]

MAX_HANDOUT = 100
BROWSER_ACTIONS = (
    *(Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.NOTE, Action.MARK),
)


def _lease(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    n = whole(body, "n")
    return json_answer(
        payloads.handout_payload(
            services,
            needed(body, "task", 64),
            who,
            min(max(24 if n is None else n, 1), MAX_HANDOUT),
            set(texts(body, "exclude")),
            texts(body, "give_back"),
            columns=texts(body, "columns"),
        )
    )


def _renew(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    task = needed(body, "task", 64)
    held = services.db().renew_leases(task, who.annotator, texts(body, "leases"))
    return json_answer({"held": held})


def _release(
    services: Services, _request: Request, who: Identity, body: dict[str, Any]
) -> Response:
    require(who, *WRITERS)
    task = needed(body, "task", 64)
    n = services.db().release_leases(task, who.annotator, texts(body, "leases"))
    return json_answer({"released": n})


def _payload(body: dict[str, Any]) -> dict[str, Any] | None:
    """What a browser may add to an event; who settles or makes gold is not its to say."""
    given = body.get("payload")
    if given is None:
        return None
    allowed = {"tags", "path", "marks"}
    if not isinstance(given, dict) or not given.keys() <= allowed:
        raise Refused(422, f"'payload' may hold {', '.join(sorted(allowed))} and nothing else.")
    return given


def _event(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    action = body.get("action")
    if action not in [one.value for one in BROWSER_ACTIONS]:
        allowed = ", ".join(one.value for one in BROWSER_ACTIONS)
        raise Refused(422, f"'action' must be one of {allowed}, but is {str(action)[:40]!r}.")
    database = services.db()
    task = database.task(needed(body, "task", 64))
    survey = services.survey(task.survey)
    object_id = checked_object_id(needed(body, "object_id", 10_000))
    survey.row(object_id)  # NotFound for an object that the survey does not have
    # Why the object was shown is filled in from the lease: a browser could claim anything.
    ack = database.record(
        NewEvent(
            event_id=event_id_of(body),
            task=task.name,
            object_id=object_id,
            survey_version=survey.version,
            annotator=who.annotator,
            action=Action(action),
            class_name=text_of(body, "class_name", 64),
            note=text_of(body, "note", MAX_NOTE_LENGTH),
            shown_at=moment(body, "shown_at"),
            answered_at=moment(body, "answered_at"),
            confidence=body.get("confidence"),
            payload=_payload(body),
            lease=text_of(body, "lease", 64),
            prediction_visible=payloads.prediction_visible(database, task, who, object_id),
        ),
        renew_lease=True,
    )
    return json_answer(_receipt(services, task.name, who, ack) | {"event_id": ack.event_id})


def _receipt(services: Services, name: str, who: Identity, ack: Ack) -> dict[str, Any]:
    database = services.db()
    model = database.latest_model(name)
    hidden = payloads.answers_hidden(database, database.task(name), who)
    return {
        "duplicate": ack.duplicate,
        "late": ack.late,
        "counts": None if hidden else ack.counts,
        "n_answers": None if hidden else ack.n_answers,
        "model_version": model.version if model else None,
        "ahead": ahead_payload(database, name, who),
    }


def _undo(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    """Undo the event that `undoes` names, or else the latest answer that stands."""
    require(who, *WRITERS)
    task, event_id = needed(body, "task", 64), event_id_of(body)
    if "undoes" in body:  # null too: it must not take back something else instead
        ack, undone = take_back(
            services.db(),
            task,
            who.annotator,
            event_id,
            needed(body, "undoes", 64),
            object_id=text_of(body, "object_id", 10_000),
            answered_at=moment(body, "answered_at"),
        )
    else:
        ack, undone = services.db().record_undo(task, who.annotator, event_id)
    return json_answer(_receipt(services, task, who, ack) | {"undone": _answer_of(undone)})


def _redo(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    task = needed(body, "task", 64)
    ack, redone = services.db().record_redo(task, who.annotator, event_id_of(body))
    return json_answer(_receipt(services, task, who, ack) | {"redone": _answer_of(redone)})


def _answer_of(event: Event) -> dict[str, Any]:
    return {
        "object_id": event.object_id,
        "action": event.action,
        "class_name": event.class_name,
    }


def _prepare(
    services: Services, _request: Request, who: Identity, body: dict[str, Any]
) -> Response:
    """Start the job that failed again."""
    require(who, *WRITERS)
    task = services.db().task(needed(body, "task", 64))
    survey = services.survey(task.survey)
    if not services.prepare(survey).embedded:
        services.restart_job(JobKind.EMBED, survey)
    return json_answer({"state": services.prepare(survey).sentence})


LABEL_ROUTES = (
    RouteSpec("/api/lease", _lease, "POST"),
    RouteSpec("/api/renew", _renew, "POST"),
    RouteSpec("/api/release", _release, "POST"),
    RouteSpec("/api/events", _event, "POST"),
    RouteSpec("/api/undo", _undo, "POST"),
    RouteSpec("/api/redo", _redo, "POST"),
    RouteSpec("/api/prepare", _prepare, "POST"),
)
