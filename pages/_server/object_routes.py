"""The addresses that tell of tasks and objects, and of what stands beside the picture."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.errors import NotFound
from core.vocabulary import MAX_ID_LENGTH, checked_object_id
from pages._server import finding, history, payloads
from pages._server.columns import MAX_COLUMNS, columns_of, known_columns
from pages._server.identity import Identity
from pages._server.labelled import compare_payload
from pages._server.preferences import PREFERENCE_ROUTES
from pages._server.requests import (
    MAX_LISTED,
    Refused,
    RouteSpec,
    json_answer,
    number,
    parameter,
)
from pages._server.services import Services
from pages._server.visibility import prediction_visible

__all__ = ["OBJECT_ROUTES"]

MAX_QUEUE = 100
MAX_NEIGHBOURS = 50
MAX_COMPARED = 12


def _listed(request: Request, name: str, most: int) -> list[str]:
    """The values of a parameter that may come several times; absent, none."""
    values = request.query_params.getlist(name)
    if len(values) > most:
        raise Refused(
            422,
            f"The parameter {name!r} may come up to {most} times, but came {len(values):,} times;"
            " ask in parts.",
        )
    return values


def _asked(request: Request, who: Identity) -> tuple[str, Identity, str]:
    return parameter(request, "task"), who, checked_object_id(parameter(request, "object_id"))


def _task(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    return json_answer(payloads.task_payload(services, parameter(request, "task"), who))


def _queue(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    task, n = parameter(request, "task"), number(request, "n", 24, 1, MAX_QUEUE)
    exclude = request.query_params.getlist("exclude")[:MAX_LISTED]
    columns = _listed(request, "columns", MAX_COLUMNS)
    return json_answer(
        payloads.handout_payload(
            services, task, who, n, set(exclude), columns=columns, to_look=True
        )
    )


def _object(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = parameter(request, "task"), parameter(request, "object_id")
    columns = _listed(request, "columns", MAX_COLUMNS)
    return json_answer(payloads.object_payload(services, task, who, object_id, columns))


def _neighbours(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = parameter(request, "task"), parameter(request, "object_id")
    k = number(request, "k", 8, 1, MAX_NEIGHBOURS)
    return json_answer(payloads.neighbours_payload(services, task, who, object_id, k))


def _history(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    return json_answer(history.history_payload(services, *_asked(request, who)))


def _compare(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    k = number(request, "k", 3, 1, MAX_COMPARED)
    return json_answer(compare_payload(services, *_asked(request, who), k))


def _find(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    task = parameter(request, "task")
    if request.query_params.get("random"):
        return json_answer(finding.random_payload(services, task, who))
    if request.query_params.get("skipped"):
        return json_answer(finding.skipped_payload(services, task, who))
    text = parameter(request, "q")
    if len(text) > MAX_ID_LENGTH or not text.strip():
        raise Refused(
            422,
            f"The parameter 'q' is an id, its beginning or a sky position of 1 to {MAX_ID_LENGTH}"
            f" characters, but has {len(text):,}; shorten it.",
        )
    return json_answer(finding.find_payload(services, task, who, text))


def _session(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, text = parameter(request, "task"), parameter(request, "since")
    try:
        since = datetime.fromisoformat(text)
        if since.tzinfo is None:
            raise ValueError("a time without a zone")
        begin = since.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        raise Refused(
            422,
            "'since' must be an ISO 8601 time with its zone, such as 2027-01-31T08:15:00.000Z, but"
            f" is {text[:40]!r}.",
        ) from None
    return json_answer(history.session_payload(services, task, who, begin))


def _columns(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    version = number(request, "version", 0, 0, 10**9) or None
    survey = services.survey(parameter(request, "survey"), version)
    if not survey.manifest.content_hash.startswith(request.query_params.get("hash") or ""):
        raise NotFound(
            f"The survey {survey.name} is no longer the one this page was opened with; reload the"
            " page."
        )
    parameter(request, "object_id")
    ids = _listed(request, "object_id", MAX_LISTED)
    names = _listed(request, "column", MAX_COLUMNS)
    rows = [survey.row(object_id) for object_id in ids]
    hidden = known_columns(survey)
    task = request.query_params.get("task")
    values = columns_of(survey, rows, names, hidden)
    # What is known is given out for a task alone, and only where it may be seen there.
    if hidden and task is not None:
        database = services.db()
        asked = database.task(task)
        seen = [
            place
            for place, one in enumerate(ids)
            if asked.survey == survey.name and prediction_visible(database, asked, who, one)
        ]
        whole = columns_of(survey, [rows[place] for place in seen], names)
        for place, named in zip(seen, whole, strict=True):
            values[place] = named
    return json_answer({"columns": dict(zip(ids, values, strict=True))})


OBJECT_ROUTES = (
    RouteSpec("/api/task", _task),
    RouteSpec("/api/queue", _queue),
    RouteSpec("/api/object", _object),
    RouteSpec("/api/neighbours", _neighbours),
    RouteSpec("/api/history", _history),
    RouteSpec("/api/compare", _compare),
    RouteSpec("/api/find", _find),
    RouteSpec("/api/session", _session),
    RouteSpec("/api/columns", _columns),
    *PREFERENCE_ROUTES,
)
