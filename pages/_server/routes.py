"""The addresses that the label page's browser part talks to: JSON and pictures.

Every handler runs in the thread pool, so that a slow disk never holds the event loop. Errors are
{"error": one sentence}.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import (
    BadInput,
    Damaged,
    Forbidden,
    InUse,
    NotFound,
    NotReady,
    SkysiftError,
    StorageFull,
    TooNew,
)
from core.vocabulary import (
    MAX_ID_LENGTH,
    MAX_NOTE_LENGTH,
    Action,
    JobKind,
    Role,
    checked_object_id,
)
from labels_db import Ack, Event, NewEvent
from pages._server import payloads
from pages._server.identity import Identity, identity_of, require
from pages._server.services import PICTURE_SIZES, Services

__all__ = ["make_routes"]

MAX_BODY_BYTES = 64 * 1024
MAX_QUEUE = 100
MAX_NEIGHBOURS = 50
MAX_LEASES = 400
BROWSER_ACTIONS = (
    *(Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.NOTE, Action.MARK),
)
WRITERS = (Role.OWNER, Role.ANNOTATOR)

_log = logging.getLogger("skysift.routes")


class _Refused(Exception):
    """Ends a request with a status of its own."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def _status_of(error: Exception) -> int:
    match error:
        case _Refused():
            return error.status
        case Forbidden():
            return 403
        case NotFound():
            return 404
        case BadInput():
            return 422
        case NotReady() | InUse() | StorageFull():
            return 503
        case Damaged() | TooNew() | SkysiftError():
            return 500
        case sqlite3.OperationalError():
            return 503
        case _:
            return 500


Handler = Callable[[Services, Request, Identity, dict[str, Any]], Response]


def make_routes(services: Services) -> list[Route]:
    """The routes, under the services' base path."""

    def route(path: str, handler: Handler, method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                body = await _json_body(request) if method == "POST" else {}
                return await run_in_threadpool(
                    handler, services, request, identity_of(request), body
                )
            except Exception as error:
                status = _status_of(error)
                if isinstance(error, SkysiftError | _Refused):
                    sentence = str(error)
                else:
                    _log.exception("%s %s", method, request.url.path)
                    sentence = (
                        f"The server met an unforeseen error ({type(error).__name__}); the log in"
                        " the workspace's logs folder has the details."
                    )
                return _json({"error": sentence}, status)

        return Route(f"{services.base_path}{path}", endpoint, methods=[method])

    return [
        route("/api/task", _task, "GET"),
        route("/api/queue", _queue, "GET"),
        route("/api/lease", _lease, "POST"),
        route("/api/renew", _renew, "POST"),
        route("/api/release", _release, "POST"),
        route("/api/object", _object, "GET"),
        route("/api/neighbours", _neighbours, "GET"),
        route("/api/image", _image, "GET"),
        route("/api/events", _event, "POST"),
        route("/api/undo", _undo, "POST"),
        route("/api/redo", _redo, "POST"),
        route("/api/prepare", _prepare, "POST"),
    ]


def _json(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status_code=status, headers={"cache-control": "no-store"})


async def _json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object, read no further than `MAX_BODY_BYTES`."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise _Refused(415, f"The body must be application/json, but is {kind[:60] or 'unnamed'}.")
    too_large = _Refused(413, f"The body may have at most {MAX_BODY_BYTES:,} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(400, "The body is not JSON.") from None
    if not isinstance(content, dict):
        raise _Refused(400, "The body must be a JSON object.")
    return content


def _parameter(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise _Refused(400, f"The parameter {name!r} is missing.")
    return value


def _number(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _Refused(400, f"The parameter {name!r} must be a whole number.")
    return min(max(int(text), low), high)


def _task(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    return _json(payloads.task_payload(services, _parameter(request, "task"), who))


def _queue(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    task, n = _parameter(request, "task"), _number(request, "n", 24, 1, MAX_QUEUE)
    exclude = request.query_params.getlist("exclude")[:MAX_LEASES]
    return _json(payloads.handout_payload(services, task, who, n, set(exclude), to_look=True))


def _lease(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    n = _whole(body, "n")
    return _json(
        payloads.handout_payload(
            services,
            _needed(body, "task", 64),
            who,
            min(max(24 if n is None else n, 1), MAX_QUEUE),
            set(_texts(body, "exclude")),
            _texts(body, "give_back"),
        )
    )


def _renew(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    task = _needed(body, "task", 64)
    held = services.db().renew_leases(task, who.annotator, _texts(body, "leases"))
    return _json({"held": held})


def _release(
    services: Services, _request: Request, who: Identity, body: dict[str, Any]
) -> Response:
    require(who, *WRITERS)
    task = _needed(body, "task", 64)
    n = services.db().release_leases(task, who.annotator, _texts(body, "leases"))
    return _json({"released": n})


def _object(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = _parameter(request, "task"), _parameter(request, "object_id")
    return _json(payloads.object_payload(services, task, who, object_id))


def _neighbours(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = _parameter(request, "task"), _parameter(request, "object_id")
    k = _number(request, "k", 8, 1, MAX_NEIGHBOURS)
    return _json(payloads.neighbours_payload(services, task, who, object_id, k))


def _image(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    object_id = checked_object_id(_parameter(request, "object_id"))
    version = _number(request, "version", 0, 0, 10**9) or None
    size = _number(request, "size", 256, PICTURE_SIZES[0], PICTURE_SIZES[-1])
    survey = services.survey(_parameter(request, "survey"), version)
    content_hash = survey.manifest.content_hash
    wanted = request.query_params.get("hash")
    if wanted and not content_hash.startswith(wanted):
        raise NotFound(
            f"The survey {survey.name} is no longer the one this page was opened with; reload"
            " the page."
        )
    etag = '"' + hashlib.sha256(f"{content_hash}|{object_id}|{size}".encode()).hexdigest()[:32]
    etag += '"'
    headers = {
        # Immutable, because the address holds the hash of the survey's content.
        "cache-control": "private, max-age=604800, immutable" if wanted else "private, no-cache",
        "etag": etag,
        "x-object-id": quote(object_id, safe=""),
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    picture = services.picture(survey, object_id, size)
    return Response(picture, media_type="image/png", headers=headers)


def _text(body: dict[str, Any], name: str, limit: int, *, needed: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or len(value) > limit or (needed and not value):
        raise _Refused(422, f"{name!r} must be text of at most {limit:,} characters.")
    return value


def _needed(body: dict[str, Any], name: str, limit: int) -> str:
    value = _text(body, name, limit, needed=True)
    assert value is not None
    return value


def _event_id(body: dict[str, Any]) -> str:
    text = _needed(body, "event_id", 64)
    try:
        return str(UUID(text))
    except ValueError:
        raise _Refused(422, f"'event_id' must be a UUID, but is {text[:40]!r}.") from None


def _moment(body: dict[str, Any], name: str) -> str | None:
    text = _text(body, name, 40)
    if text is not None:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise _Refused(422, f"{name!r} must be an ISO 8601 time, but is {text!r}.") from None
    return text


def _texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of ids; absent, it is empty."""
    values = body.get(name) or []
    if not isinstance(values, list) or len(values) > MAX_LEASES:
        raise _Refused(422, f"{name!r} must be a list of at most {MAX_LEASES} ids.")
    for value in values:
        if not isinstance(value, str) or len(value) > MAX_ID_LENGTH:
            raise _Refused(422, f"{name!r} must hold ids, but has {str(value)[:40]!r}.")
    return values


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise _Refused(422, f"{name!r} must be a whole number, zero or more.")
    return value


def _payload(body: dict[str, Any]) -> dict[str, Any] | None:
    """What a browser may add to an event; who settles or makes gold is not its to say."""
    given = body.get("payload")
    if given is None:
        return None
    allowed = {"tags", "path", "marks"}
    if not isinstance(given, dict) or not given.keys() <= allowed:
        raise _Refused(422, f"'payload' may hold {', '.join(sorted(allowed))} and nothing else.")
    return given


def _event(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    action = body.get("action")
    if action not in [one.value for one in BROWSER_ACTIONS]:
        allowed = ", ".join(one.value for one in BROWSER_ACTIONS)
        raise _Refused(422, f"'action' must be one of {allowed}, but is {str(action)[:40]!r}.")
    database = services.db()
    task = database.task(_needed(body, "task", 64))
    survey = services.survey(task.survey)
    object_id = checked_object_id(_needed(body, "object_id", 10_000))
    survey.row(object_id)  # NotFound for an object that the survey does not have
    # Why the object was shown is filled in from the lease: a browser could claim anything.
    ack = database.record(
        NewEvent(
            event_id=_event_id(body),
            task=task.name,
            object_id=object_id,
            survey_version=survey.version,
            annotator=who.annotator,
            action=Action(action),
            class_name=_text(body, "class_name", 64),
            note=_text(body, "note", MAX_NOTE_LENGTH),
            shown_at=_moment(body, "shown_at"),
            answered_at=_moment(body, "answered_at"),
            confidence=body.get("confidence"),
            payload=_payload(body),
            lease=_text(body, "lease", 64),
            prediction_visible=payloads.prediction_visible(database, task),
        ),
        renew_lease=True,
    )
    return _json(_receipt(services, task.name, who, ack) | {"event_id": ack.event_id})


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
    }


def _undo(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    task = _needed(body, "task", 64)
    ack, undone = services.db().record_undo(task, who.annotator, _event_id(body))
    return _json(_receipt(services, task, who, ack) | {"undone": _answer_of(undone)})


def _redo(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    task = _needed(body, "task", 64)
    ack, redone = services.db().record_redo(task, who.annotator, _event_id(body))
    return _json(_receipt(services, task, who, ack) | {"redone": _answer_of(redone)})


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
    task = services.db().task(_needed(body, "task", 64))
    survey = services.survey(task.survey)
    if not services.prepare(survey).embedded:
        services.restart_job(JobKind.EMBED, survey)
    return _json({"state": services.prepare(survey).sentence})
