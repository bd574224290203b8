"""The addresses that the label page's browser part talks to: JSON and pictures.

Errors are {"error": one sentence}.
"""

from __future__ import annotations

import logging
import sqlite3

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
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
from pages._server.identity import identity_of
from pages._server.label_routes import LABEL_ROUTES
from pages._server.like_routes import LIKE_ROUTES
from pages._server.limits import Limits, TooMany, kind_of
from pages._server.map_routes import MAP_ROUTES
from pages._server.measure_routes import MEASURE_ROUTES
from pages._server.object_routes import OBJECT_ROUTES
from pages._server.picture_routes import PICTURE_ROUTES
from pages._server.requests import Refused, RouteSpec, json_answer, json_body
from pages._server.services import Services
from pages._server.which_workspace import refuse_other_workspace, workspace_id

__all__ = ["make_routes"]

_log = logging.getLogger("skysift.routes")


def _status_of(error: Exception) -> int:
    match error:
        case Refused():
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


def make_routes(services: Services, limits: Limits | None = None) -> list[Route]:
    """The routes, under the services' base path; `limits` are those of `limits.py` if absent."""
    here = workspace_id(services.workspace)
    limited = Limits() if limits is None else limits

    def route(spec: RouteSpec) -> Route:
        kind = kind_of(spec)

        async def endpoint(request: Request) -> Response:
            try:
                who = identity_of(request)
                async with limited.admit(who.user, kind):
                    refuse_other_workspace(request, here)
                    body = await json_body(request) if spec.method == "POST" else {}
                    return await run_in_threadpool(spec.handler, services, request, who, body)
            except Exception as error:
                status = _status_of(error)
                if isinstance(error, SkysiftError | Refused):
                    sentence = str(error)
                else:
                    _log.exception("%s %s", spec.method, request.url.path)
                    sentence = (
                        f"The server met an unforeseen error ({type(error).__name__}); the log in"
                        " the workspace's logs folder has the details."
                    )
                answer = json_answer({"error": sentence}, status)
                if isinstance(error, TooMany):
                    answer.headers["retry-after"] = str(error.retry_after_s)
                return answer

        return Route(f"{services.base_path}{spec.path}", endpoint, methods=[spec.method])

    every = (
        *(*OBJECT_ROUTES, *LABEL_ROUTES, *LIKE_ROUTES),
        *(*PICTURE_ROUTES, *MEASURE_ROUTES, *MAP_ROUTES),
    )
    return [route(spec) for spec in every]
