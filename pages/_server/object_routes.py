"""The addresses that tell of tasks and objects."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pages._server import payloads
from pages._server.identity import Identity
from pages._server.requests import MAX_LISTED, RouteSpec, json_answer, number, parameter
from pages._server.services import Services

__all__ = ["OBJECT_ROUTES"]

MAX_QUEUE = 100
MAX_NEIGHBOURS = 50


def _task(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    return json_answer(payloads.task_payload(services, parameter(request, "task"), who))


def _queue(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    task, n = parameter(request, "task"), number(request, "n", 24, 1, MAX_QUEUE)
    exclude = request.query_params.getlist("exclude")[:MAX_LISTED]
    return json_answer(
        payloads.handout_payload(services, task, who, n, set(exclude), to_look=True)
    )


def _object(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = parameter(request, "task"), parameter(request, "object_id")
    return json_answer(payloads.object_payload(services, task, who, object_id))


def _neighbours(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, object_id = parameter(request, "task"), parameter(request, "object_id")
    k = number(request, "k", 8, 1, MAX_NEIGHBOURS)
    return json_answer(payloads.neighbours_payload(services, task, who, object_id, k))


OBJECT_ROUTES = (
    RouteSpec("/api/task", _task),
    RouteSpec("/api/queue", _queue),
    RouteSpec("/api/object", _object),
    RouteSpec("/api/neighbours", _neighbours),
)
