"""The addresses of what a person set for themselves; viewers have theirs too."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pages._server.identity import Identity
from pages._server.requests import Refused, RouteSpec, json_answer, needed
from pages._server.services import Services

__all__ = ["PREFERENCE_ROUTES"]


def _kept(services: Services, _request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    return json_answer({"preferences": services.db().preferences(who.user)})


def _keep(services: Services, _request: Request, who: Identity, body: dict[str, Any]) -> Response:
    name = needed(body, "name", 128)
    if "value" not in body:
        raise Refused(422, "A preference needs a 'value', but none came; null removes it.")
    services.db().set_preference(who.user, name, body["value"])
    return json_answer({"saved": True})


PREFERENCE_ROUTES = (
    RouteSpec("/api/preferences", _kept),
    RouteSpec("/api/preferences", _keep, "POST"),
)
