"""The addresses of the map: places and colours as binary, which object a point is, a lasso."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from core.survey import Survey
from core.vocabulary import checked_object_id
from labels_db import Task
from pages._server.columns import MAX_COLUMNS, SHOWN_COLUMNS, column_list, known_columns
from pages._server.filters import Filtered, conditions_of, filtered
from pages._server.identity import Identity
from pages._server.items import object_payload
from pages._server.map_colours import class_codes, coded_classes, colourings, offer, paint
from pages._server.map_data import (
    Placed,
    changed_since,
    labels_seen,
    placed_map,
    points_of,
)
from pages._server.map_picture import draw_map
from pages._server.map_selecting import Filter, polygon_of, select
from pages._server.requests import (
    WRITERS,
    RouteSpec,
    json_answer,
    needed,
    number,
    parameter,
)
from pages._server.services import Services
from pages._server.visibility import answers_hidden
from pages._server.which_workspace import workspace_id
from pages._shared.colours import class_colours

__all__ = ["MAP_ROUTES", "engine"]

ENGINE = Path(__file__).parents[1] / "components" / "map" / "vendor" / "regl-scatterplot.js"
MAX_RINGS = 5_000
"""Labelled objects ringed on the map: the newest; all of them are in the colours."""
MAX_TRAIL = 50
MAX_LOOKED_BACK = 200
"""Events of a person in which their trail is looked for: some are undone or are marks."""
MAX_PICTURE = 2_000
_LASTING = "private, max-age=604800, immutable"


@cache
def engine() -> tuple[bytes, str]:
    """The drawing library for the browser and a hash of it, by which its address is told."""
    content = ENGINE.read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]


def _engine(
    _services: Services, _request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    content, named = engine()
    headers = {"cache-control": _LASTING, "etag": f'"{named}"'}
    return Response(content, media_type="text/javascript", headers=headers)


def _asked(services: Services, request: Request, who: Identity) -> tuple[Task, Survey, Placed]:
    task = services.db().task(parameter(request, "task"))
    survey = services.survey(task.survey)
    return task, survey, placed_map(services, survey, parameter(request, "map"), who)


def _map(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    database = services.db()
    task = database.task(parameter(request, "task"))
    survey = services.survey(task.survey)
    placed = placed_map(services, survey, request.query_params.get("map"), who)
    hidden = known_columns(survey) if answers_hidden(database, task, who) else ()
    columns = [one["name"] for one in column_list(survey, hidden)]
    colours = class_colours(task)
    return json_answer(
        {
            "map": placed.key,
            "projection": placed.view.projection,
            "n_points": len(placed.rows),
            "n_objects": len(survey),
            "survey": survey.name,
            "survey_version": survey.version,
            "survey_hash": survey.manifest.content_hash[:16],
            "drawn": survey.manifest.modalities != ("images",),
            "colourings": colourings(services, task, survey, who),
            "columns": columns[:MAX_COLUMNS],
            "shown_columns": min(SHOWN_COLUMNS, 4),
            "targets": list(task.targets),
            # Pairs: a browser puts names that are whole numbers before others.
            "classes": [[name, colours[name]] for name in coded_classes(task)],
            "offer": offer(services, task, survey, who),
            "engine": engine()[1],
            "user": who.user,
            "may_write": who.role in WRITERS,
            "workspace": workspace_id(services.workspace),
        }
    )


def _points(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    _, survey, placed = _asked(services, request, who)
    named = hashlib.sha256(f"{survey.manifest.content_hash}|{placed.key}".encode()).hexdigest()
    # The address names the run, which never changes; with the hash nobody else's either. Who may
    # see a map that tells answers does change.
    lasts = request.query_params.get("hash") and not placed.view.taught_by
    headers = {
        "cache-control": _LASTING if lasts else "private, no-cache",
        "etag": f'"{named[:32]}"',
        "x-shape": f"{len(placed.places)},2",
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    content = placed.places.astype("<f4").tobytes()
    return Response(content, media_type="application/octet-stream", headers=headers)


def _colours(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, survey, placed = _asked(services, request, who)
    by, log = parameter(request, "by"), number(request, "log", 0, 0, 1) == 1
    made = paint(services, task, survey, who, placed, by, log=log)
    return _headed(made.legend, made.codes)


def _headed(head: dict[str, Any], content: np.ndarray) -> Response:
    """JSON, with its length in four bytes before it, and what there is of each point behind it."""
    said = json.dumps(head).encode()
    return Response(
        len(said).to_bytes(4, "little") + said + content.tobytes(),
        media_type="application/octet-stream",
        headers={"cache-control": "no-store", "x-shape": str(len(content))},
    )


def _filter(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    """Which points pass a filter, a bit each, the lowest of a byte first. "follows": whether that
    changes while one labels."""
    task, survey, placed = _asked(services, request, who)
    found = _passing(services, task, survey, who, parameter(request, "filter"))
    passing = found.passing[placed.rows] if found else np.ones(len(placed.rows), dtype=bool)
    head = {
        "n": int(np.count_nonzero(passing)),
        "follows": found is not None and "tells" in found.origin,
    }
    return _headed(head, np.packbits(passing, bitorder="little"))


def _passing(
    services: Services, task: Task, survey: Survey, who: Identity, text: str | None
) -> Filtered | None:
    conditions = conditions_of(text) if text else ()
    return filtered(services, task, survey, who, conditions)


def _at(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    task, survey, placed = _asked(services, request, who)
    object_id = placed.object_id(survey, _whole(request, "point"))
    columns = request.query_params.getlist("columns")[:MAX_COLUMNS]
    found = object_payload(services, task.name, who, object_id, columns)
    if not columns:
        found["columns"] = {}
    return json_answer(found)


def _place(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    _, survey, placed = _asked(services, request, who)
    object_id = checked_object_id(parameter(request, "object_id"))
    point = placed.point(survey, object_id)
    x, y = (float(one) for one in placed.places[point])
    return json_answer({"object_id": object_id, "point": point, "x": x, "y": y})


def _state(services: Services, request: Request, who: Identity, _body: dict[str, Any]) -> Response:
    """What changes while one labels: rings, trail, and of which events and model they are."""
    task, survey, placed = _asked(services, request, who)
    database = services.db()
    model = None if answers_hidden(database, task, who) else database.latest_model(task.name)
    version = model.version if model is not None else None
    since = number(request, "since", 0, 0, 10**9)
    seq = database.last_seq(task.name)
    state: dict[str, Any] = {
        "seq": seq,
        "model_version": version,
        "offer": offer(services, task, survey, who),
        "rings": None,
        "changed": None,
    }
    if "since" in request.query_params and seq == since:
        return json_answer(state)
    answered = database.session(task.name, who.annotator, "", MAX_LOOKED_BACK)[-MAX_TRAIL:]
    trail = points_of(survey, placed, [one.object_id for one in answered])
    state["trail"] = trail[trail >= 0].tolist()
    if "since" in request.query_params:
        changed = changed_since(services, task, who, since)
        if len(changed) < MAX_RINGS:
            points = points_of(survey, placed, list(changed))
            codes = class_codes(task, changed.values())
            state["changed"] = points[points >= 0].tolist()
            state["changed_codes"] = codes[points >= 0].tolist()
            return json_answer(state)
    seq, labels, _ = labels_seen(services, task, who)
    points = points_of(survey, placed, list(labels))
    codes = class_codes(task, labels.values()) - 1
    there = np.flatnonzero(points >= 0)
    is_find = np.array([name in task.targets for name in labels.values()], dtype=bool)[there]
    finds, others = there[is_find][-MAX_RINGS:], there[~is_find]
    rings = np.concatenate([others[max(0, len(others) - MAX_RINGS + len(finds)) :], finds])
    state |= {"seq": seq, "n_labelled": len(there)}
    state |= {"rings": points[rings].tolist(), "ring_classes": codes[rings].tolist()}
    return json_answer(state)


def _select(
    services: Services, _request: Request, who: Identity, body: dict[str, Any]
) -> Response:
    task = services.db().task(needed(body, "task", 128))
    survey = services.survey(task.survey)
    placed = placed_map(services, survey, needed(body, "map_run", 200), who)
    polygon = polygon_of(body.get("polygon"), body.get("box"))
    shown = Filter.of(body.get("filter"))
    made = select(services, task, survey, who, placed, polygon, shown)
    if made is None:
        return json_answer({"selection": None, "n": 0})
    return json_answer({"selection": made.id, "n": made.n_objects, "is_all": shown.is_empty})


def _selected(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    """Where the objects of a selection lie: its outline if it was drawn here, and its points,
    but where it is all that lies in the outline; of many points a part, evenly taken."""
    _, survey, placed = _asked(services, request, who)
    found = services.selections.shown(parameter(request, "selection"), who)
    rows = services.selections.rows(found.id, survey)
    drawn = found.origin.get("map") == placed.map_name and found.origin.get("polygon")
    some = any(found.origin.get(name) for name in ("hidden", "only_unlabelled", "filter"))
    points = np.flatnonzero(np.isin(placed.rows, rows, assume_unique=True))
    step = -(-len(points) // MAX_RINGS) or 1
    return json_answer(
        {
            "n": len(rows),
            "n_placed": len(points),
            "outline": drawn or None,
            "points": [] if drawn and not some else points[::step].tolist(),
        }
    )


def _picture(
    services: Services, request: Request, who: Identity, _body: dict[str, Any]
) -> Response:
    task, survey, placed = _asked(services, request, who)
    log = number(request, "log", 0, 0, 1) == 1
    made = paint(services, task, survey, who, placed, parameter(request, "by"), log=log)
    size = number(request, "size", 900, 100, MAX_PICTURE)
    found = _passing(services, task, survey, who, request.query_params.get("filter"))
    content = draw_map(placed, made, size, found.passing[placed.rows] if found else None)
    return Response(content, media_type="image/png", headers={"cache-control": "no-store"})


def _whole(request: Request, name: str) -> int:
    parameter(request, name)
    return number(request, name, 0, 0, 10**9)


MAP_ROUTES = (
    RouteSpec("/api/map", _map),
    RouteSpec("/api/map_engine", _engine),
    RouteSpec("/api/map_points", _points),
    RouteSpec("/api/map_colours", _colours),
    RouteSpec("/api/map_filter", _filter),
    RouteSpec("/api/map_at", _at),
    RouteSpec("/api/map_place", _place),
    RouteSpec("/api/map_state", _state),
    RouteSpec("/api/map_selection", _selected),
    RouteSpec("/api/map_picture", _picture),
    RouteSpec("/api/map_select", _select, "POST"),
)
