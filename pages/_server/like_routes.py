"""The addresses that ask for more like an object, and for what makes one odd."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.vocabulary import checked_object_id
from pages._server.identity import Identity, require
from pages._server.more_like import MAX_MORE, back_to_queue, more_like
from pages._server.odd import odd_picture, reasons_payload
from pages._server.requests import (
    WRITERS,
    RouteSpec,
    json_answer,
    needed,
    parameter,
    texts,
    whole,
)
from pages._server.services import Services

__all__ = ["LIKE_ROUTES"]

USUALLY = 24
"""Objects that come ahead where nobody says how many."""


def _more_like(
    services: Services, _request: Request, who: Identity, body: dict[str, Any]
) -> Response:
    require(who, *WRITERS)
    n = whole(body, "n")
    return json_answer(
        more_like(
            services,
            needed(body, "task", 64),
            who,
            texts(body, "object_ids"),
            USUALLY if n is None else min(max(n, 1), MAX_MORE),
        )
    )


def _back(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    require(who, *WRITERS)
    return json_answer(back_to_queue(services, needed(body, "task", 64), who))


def _reasons(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    object_id = checked_object_id(parameter(request, "object_id"))
    return json_answer(reasons_payload(services, parameter(request, "task"), who, object_id))


def _odd_picture(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    object_id = checked_object_id(parameter(request, "object_id"))
    png = odd_picture(services, parameter(request, "task"), who, object_id)
    return Response(png, media_type="image/png", headers={"cache-control": "no-store"})


LIKE_ROUTES = (
    RouteSpec("/api/more_like", _more_like, "POST"),
    RouteSpec("/api/back_to_queue", _back, "POST"),
    RouteSpec("/api/reasons", _reasons),
    RouteSpec("/api/odd_picture", _odd_picture),
)
