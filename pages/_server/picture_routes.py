"""The addresses of pictures: PNG, stretched values, pixel values, colour maps, spectra."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from core.display import Look, colour_map
from core.errors import BadInput, NotFound
from core.survey import Survey
from core.vocabulary import checked_object_id
from pages._server.drawn import SPECTRUM_WIDTHS, is_drawn
from pages._server.identity import Identity
from pages._server.pictures import PICTURE_SIZES, Rendered, row_with_picture
from pages._server.requests import RouteSpec, number, parameter
from pages._server.services import Services

__all__ = ["PICTURE_ROUTES"]

_DRAWING = 3
"""Part of every ETag: raised when the same pixels and look come to be drawn differently."""

_MAX_SIDE = 10**6


def _image(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    size = number(request, "size", 256, 0, PICTURE_SIZES[-1])
    survey, object_id = _asked_for(services, request)
    if is_drawn(survey, survey.row(object_id)):  # a look is for pixels
        dark, wide = _is_dark(request), number(request, "wide", 0, 0, 1) == 1
        headers = _headers(request, survey, object_id, f"drawn|{size}|{dark}|{wide}")
        if _known(request, headers):
            return Response(status_code=304, headers=headers)
        drawing = services.pictures.drawing(survey, object_id, size, dark=dark, wide=wide)
        return _answer(drawing, "image/png", headers)
    look = _look(request, survey)
    headers = _headers(request, survey, object_id, f"png|{size}|{look.key()}")
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    picture = services.pictures.picture(survey, object_id, size, look)
    return _answer(picture, "image/png", headers)


def _spectrum(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    width = number(request, "width", SPECTRUM_WIDTHS[1], 1, SPECTRUM_WIDTHS[-1])
    survey, object_id = _asked_for(services, request)
    dark = _is_dark(request)
    headers = _headers(request, survey, object_id, f"spectrum|{width}|{dark}")
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    chart = services.pictures.spectrum(survey, object_id, width, dark=dark)
    return _answer(chart, "image/png", headers)


def _levels(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    survey, object_id = _asked_for(services, request)
    row_with_picture(survey, object_id)  # before its look: without bands none could be right
    look = _look(request, survey).levels()
    headers = _headers(request, survey, object_id, f"levels|{look.key()}")
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    levels = services.pictures.levels(survey, object_id, look)
    return _answer(levels, "application/octet-stream", headers)


def _pixels(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    survey, object_id = _asked_for(services, request)
    side = survey.manifest.cutout_size_px
    window = (
        number(request, "x0", 0, 0, _MAX_SIDE),
        number(request, "y0", 0, 0, _MAX_SIDE),
        number(request, "x1", side, 0, _MAX_SIDE),
        number(request, "y1", side, 0, _MAX_SIDE),
    )
    corners = ",".join(map(str, window))
    headers = _headers(request, survey, object_id, f"pixels|{corners}") | {"x-window": corners}
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    pixels = services.pictures.pixels(survey, object_id, window)
    return _answer(pixels, "application/octet-stream", headers)


def _colourmap(
    _services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    name = parameter(request, "map")
    content = {"map": name, "rgb": colour_map(name).tolist()}
    headers = {"cache-control": "private, max-age=86400"}
    return Response(json.dumps(content), media_type="application/json", headers=headers)


def _asked_for(services: Services, request: Request) -> tuple[Survey, str]:
    """The survey and object_id of a request; `NotFound` if the survey is another by now."""
    object_id = checked_object_id(parameter(request, "object_id"))
    version = number(request, "version", 0, 0, 10**9) or None
    survey = services.survey(parameter(request, "survey"), version)
    wanted = request.query_params.get("hash")
    if wanted and not survey.manifest.content_hash.startswith(wanted):
        raise NotFound(
            f"The survey {survey.name} is no longer the one this page was opened with; reload"
            " the page."
        )
    return survey, object_id


def _look(request: Request, survey: Survey) -> Look:
    return Look.from_query(request.query_params, survey.manifest.bands)


def _is_dark(request: Request) -> bool:
    """The colours of what is drawn rather than taken: those of the page around it."""
    theme = request.query_params.get("theme") or "dark"
    if theme not in ("dark", "light"):
        raise BadInput(f"The theme must be dark or light, but is {theme[:40]!r}; choose one.")
    return theme == "dark"


def _headers(request: Request, survey: Survey, object_id: str, what: str) -> dict[str, str]:
    named = f"{_DRAWING}|{survey.manifest.content_hash}|{object_id}|{what}"
    # Immutable, because the address holds the hash of the survey's content.
    lasting = "private, max-age=604800, immutable"
    return {
        "cache-control": lasting if request.query_params.get("hash") else "private, no-cache",
        "etag": '"' + hashlib.sha256(named.encode()).hexdigest()[:32] + '"',
        "x-object-id": quote(object_id, safe=""),
    }


def _known(request: Request, headers: dict[str, str]) -> bool:
    return request.headers.get("if-none-match") == headers["etag"]


def _answer(rendered: Rendered, media_type: str, headers: dict[str, str]) -> Response:
    if rendered.shape:
        headers["x-shape"] = ",".join(map(str, rendered.shape))
    if rendered.note:
        headers["x-note"] = quote(rendered.note, safe="")
    return Response(rendered.body, media_type=media_type, headers=headers)


PICTURE_ROUTES = (
    RouteSpec("/api/image", _image),
    RouteSpec("/api/spectrum", _spectrum),
    RouteSpec("/api/levels", _levels),
    RouteSpec("/api/pixels", _pixels),
    RouteSpec("/api/colourmap", _colourmap),
)
