"""What every route is made of: its shape, and how it reads a request.

A route is (path, handler, method). A handler runs in the thread pool, so that a slow disk never
holds the event loop, and gets the services, the request, who asks and the JSON body ({} of a GET).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.vocabulary import MAX_ID_LENGTH, Role
from pages._server.identity import Identity
from pages._server.services import Services

__all__ = [
    "MAX_LISTED",
    "WRITERS",
    "Handler",
    "Refused",
    "RouteSpec",
    "event_id_of",
    "json_answer",
    "json_body",
    "moment",
    "needed",
    "number",
    "parameter",
    "text_of",
    "texts",
    "whole",
]

MAX_BODY_BYTES = 64 * 1024
MAX_LISTED = 400
"""Ids in one request."""

WRITERS = (Role.OWNER, Role.ANNOTATOR)

Handler = Callable[[Services, Request, Identity, dict[str, Any]], Response]


@dataclass(frozen=True)
class RouteSpec:
    """One address under the base path: `path` like "/api/x", `method` "GET" or "POST"."""

    path: str
    handler: Handler
    method: str = "GET"


class Refused(Exception):
    """Ends a request with a status of its own."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def json_answer(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status_code=status, headers={"cache-control": "no-store"})


async def json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object, read no further than `MAX_BODY_BYTES`."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"The body must be application/json, but is {kind[:60] or 'unnamed'}.")
    too_large = Refused(413, f"The body may have at most {MAX_BODY_BYTES:,} bytes.")
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
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(content, dict):
        raise Refused(400, "The body must be a JSON object.")
    return content


def parameter(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise Refused(400, f"The parameter {name!r} is missing.")
    return value


def number(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(400, f"The parameter {name!r} must be a whole number.")
    return min(max(int(text), low), high)


def text_of(body: dict[str, Any], name: str, limit: int, *, needed: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or len(value) > limit or (needed and not value):
        raise Refused(422, f"{name!r} must be text of at most {limit:,} characters.")
    return value


def needed(body: dict[str, Any], name: str, limit: int) -> str:
    value = text_of(body, name, limit, needed=True)
    assert value is not None
    return value


def event_id_of(body: dict[str, Any]) -> str:
    text = needed(body, "event_id", 64)
    try:
        return str(UUID(text))
    except ValueError:
        raise Refused(422, f"'event_id' must be a UUID, but is {text[:40]!r}.") from None


def moment(body: dict[str, Any], name: str) -> str | None:
    text = text_of(body, name, 40)
    if text is not None:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise Refused(422, f"{name!r} must be an ISO 8601 time, but is {text!r}.") from None
    return text


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of ids; absent, it is empty."""
    values = body.get(name) or []
    if not isinstance(values, list) or len(values) > MAX_LISTED:
        raise Refused(422, f"{name!r} must be a list of at most {MAX_LISTED} ids.")
    for value in values:
        if not isinstance(value, str) or len(value) > MAX_ID_LENGTH:
            raise Refused(422, f"{name!r} must hold ids, but has {str(value)[:40]!r}.")
    return values


def whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise Refused(422, f"{name!r} must be a whole number, zero or more.")
    return value
