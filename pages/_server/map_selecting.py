"""Selecting on a map: which objects lie in a polygon or box that somebody drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from core.mapping.polygon import MAX_VERTICES, in_polygon
from core.survey import Survey
from core.survey.filtering import Condition
from labels_db import Selection, Task
from pages._server.columns import known_columns
from pages._server.filters import conditions_of, filtered
from pages._server.groups import kept_groupings
from pages._server.identity import Identity
from pages._server.map_colours import MAX_CATEGORIES, paint
from pages._server.map_data import Placed, labels_seen, points_of
from pages._server.selections import knowing
from pages._server.services import Services

__all__ = ["Filter", "polygon_of", "select"]

_FARTHEST = 1e6
"""Of a vertex: the map reaches from -1 to 1, and a view from afar somewhat beyond."""
_DIGITS = 12
"""A box narrower than that holds nothing, and its width could not be divided by."""
_KEPT_VERTICES = 200
"""Of an outline, in what is told of a selection's origin."""


@dataclass(frozen=True)
class Filter:
    """What of a map is not meant: categories of the colouring `by`, labelled objects, and what
    does not fulfil the conditions."""

    by: str = "class"
    log: bool = False
    hidden: tuple[str, ...] = ()
    only_unlabelled: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything is meant."""
        return not (self.hidden or self.only_unlabelled or self.conditions)

    @classmethod
    def of(cls, given: Any) -> Filter:
        """Read one that came as JSON; None hides nothing (`BadInput`)."""
        content = {} if given is None else given
        if not isinstance(content, dict):
            raise BadInput("A filter of the map is a JSON object; reload the page.")
        hidden = content.get("hidden") or []
        by = content.get("by") or "class"
        conditions = content.get("conditions") or ""
        if (
            not isinstance(hidden, list)
            or len(hidden) > 4 * MAX_CATEGORIES + 20
            or not all(isinstance(one, str) for one in hidden)
            or not isinstance(by, str)
            or not isinstance(conditions, str)
        ):
            raise BadInput(
                "A filter of the map names what it hides as a list of words; reload the page."
            )
        return cls(
            by,
            content.get("log") is True,
            tuple(hidden),
            content.get("only_unlabelled") is True,
            conditions_of(conditions) if conditions else (),
        )


def polygon_of(given: Any, box: Any) -> np.ndarray:
    """(V, 2) float64: the polygon, or the corners of the box [x0, y0, x1, y1] (`BadInput`)."""
    numbers = [box] if given is None else given
    size = 4 if given is None else 2
    if (
        not isinstance(numbers, list)
        or len(numbers) > MAX_VERTICES
        or not all(isinstance(one, list) and len(one) == size for one in numbers)
        or not all(_is_number(value) for one in numbers for value in one)
    ):
        raise BadInput(
            f"A selection on the map is a polygon of 3 to {MAX_VERTICES:,} vertices [x, y] or a"
            " box [x0, y0, x1, y1] of numbers from -1,000,000 to 1,000,000; draw it again."
        )
    if given is None:
        x0, y0, x1, y1 = numbers[0]
        numbers = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    return np.array(numbers, dtype=np.float64).reshape(-1, 2).round(_DIGITS)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FARTHEST
    )


def select(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    placed: Placed,
    polygon: np.ndarray,
    shown: Filter,
) -> Selection | None:
    """Keep the objects inside the polygon that the filter shows, as a selection; None of none.

    polygon: (V, 2) in the coordinates of `Placed.places`.
    """
    inside = in_polygon(placed.places, polygon)
    parts: list[dict[str, Any]] = []
    if placed.view.taught_by:  # where an object lies on it tells its answer
        parts.append({"tells": list(placed.view.taught_by)})
    passing = filtered(services, task, survey, who, shown.conditions)
    if passing is not None:
        inside &= passing.passing[placed.rows]
        parts.append(passing.origin)
    if shown.hidden:
        colours = paint(services, task, survey, who, placed, shown.by, log=shown.log)
        inside &= ~colours.hidden(shown.hidden)
        knows = shown.by.removeprefix("column:") in known_columns(survey)
        told = [task.name] if _tells(shown.by) else []
        if shown.by == "group":
            told += [one for kept in kept_groupings(services, survey) for one in kept.taught_by]
        parts.append({"tells": told, "knows": knows})
    if shown.only_unlabelled:
        _, labels, _ = labels_seen(services, task, who)
        points = points_of(survey, placed, list(labels))
        inside[points[points >= 0]] = False
        parts.append({"tells": [task.name]})
    if not inside.any():
        return None
    origin: dict[str, Any] = {
        "kind": "lasso",
        "map": placed.map_name,
        "polygon": _outline(polygon),
        "hidden": {"by": shown.by, "names": list(shown.hidden)} if shown.hidden else None,
        "only_unlabelled": shown.only_unlabelled,
    }
    if passing is not None:
        origin["filter"] = passing.origin["filter"]
    origin |= knowing(*parts)
    return services.selections.add(survey, placed.rows[inside], origin, who.annotator)


def _tells(by: str) -> bool:
    """Whether categories of this colouring say what was answered or what a model thinks."""
    return not (by == "group" or by.startswith("column:"))


def _outline(polygon: np.ndarray) -> Sequence[Sequence[float]]:
    """The polygon to draw again, with no more vertices than a picture needs."""
    step = -(-len(polygon) // _KEPT_VERTICES)
    return [[round(float(value), 5) for value in one] for one in polygon[::step]]
