"""The addresses of pictures."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from core.errors import NotFound
from core.vocabulary import checked_object_id
from pages._server.identity import Identity
from pages._server.requests import RouteSpec, number, parameter
from pages._server.services import PICTURE_SIZES, Services

__all__ = ["PICTURE_ROUTES"]


def _image(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    object_id = checked_object_id(parameter(request, "object_id"))
    version = number(request, "version", 0, 0, 10**9) or None
    size = number(request, "size", 256, PICTURE_SIZES[0], PICTURE_SIZES[-1])
    survey = services.survey(parameter(request, "survey"), version)
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


PICTURE_ROUTES = (RouteSpec("/api/image", _image),)
