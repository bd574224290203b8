"""A box or lasso in a plot of the catalogue page becomes the selection that all pages share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np

from core.errors import BadInput
from labels_db import Selection
from pages._server.catalogue import SPREAD, PlotSource, Quantity
from pages._server.catalogue_brush import Shape, inside
from pages._server.catalogue_spec import Plot, PlotKind, quantities_of
from pages._server.catalogue_view import Places, places_of
from pages._server.filters import Filtered
from pages._server.selections import knowing

__all__ = ["Mode", "brushed", "held"]


class Mode(StrEnum):
    """What becomes of what was selected before."""

    NEW = "New"
    ADD = "Add"
    WITHIN = "Keep within"
    OUT = "Take out"


_JOINED = {Mode.ADD: "also", Mode.WITHIN: "of what was selected", Mode.OUT: "without"}


def held(source: PlotSource, plot: Plot, shape: Shape, drawn_of: tuple[str, ...]) -> np.ndarray:
    """(N,) bool: the objects in a shape, drawn in the plot or not.

    drawn_of: the categories of the axes as they were drawn.

    Raises
    ------
    BadInput, NotReady
        A quantity is not there (any more, or for this person), or categories came or changed
        their places since the plot was drawn.
    """
    places = places_of(source, plot)
    if drawn_of != categories_of(places):
        raise BadInput(
            "The categories of the plot have changed since it was drawn; draw the box or lasso"
            " again."
        )
    return inside(
        shape,
        places.x,
        places.y,
        log_x=places.log_x,
        log_y=places.log_y,
        period=places.period,
    )


def categories_of(places: Places) -> tuple[str, ...]:
    """The categories of both axes in their order."""
    axes = (places.x_axis, places.y_axis)
    return tuple(name for axis in axes if axis is not None for name in axis.names)


def brushed(
    source: PlotSource,
    plot: Plot,
    shape: Shape,
    drawn_of: tuple[str, ...],
    passing: Filtered | None,
    mode: Mode = Mode.NEW,
    before: tuple[Selection, np.ndarray] | None = None,
) -> Selection | None:
    """Keep the objects in a shape that pass the filter as a selection; None if there are none.

    before: the selection in use and its rows, joined by `mode`.

    Raises
    ------
    BadInput, NotReady
        As `held`.
    """
    found = held(source, plot, shape, drawn_of)
    if passing is not None:
        found &= passing.passing
    shown = quantities_of(plot)
    # Not the colour: what is inside does not follow from it.
    origins: list[Any] = [source.tells(*(shown[name] for name in "xy" if name in shown))]
    words = f"in a plot {_words(source, plot, shape)}"
    if passing is not None:
        origins.append(passing.origin)
        words += f", of what passes {passing.words}"
    if before is not None and mode is not Mode.NEW:
        selection, rows = before
        was = np.zeros(len(found), bool)
        was[rows] = True
        found = {Mode.ADD: was | found, Mode.WITHIN: was & found, Mode.OUT: was & ~found}[mode]
        origins.append(selection.origin)
        words = f"{_before(selection)}, {_JOINED[mode]} {words}"
    words = words[:1].upper() + words[1:]
    if not found.any():
        return None
    origin: dict[str, Any] = {
        "kind": "plot",
        "words": words,
        "plot": plot.as_json(),
        "shape": shape.as_json(),
        **({"filter": passing.origin["filter"]} if passing is not None else {}),
        **knowing(*origins),
    }
    survey = source.survey
    return source.services.selections.add(
        survey, np.flatnonzero(found), origin, source.who.annotator
    )


def _before(selection: Selection) -> str:
    said = selection.name or str(selection.origin.get("words") or "a selection")
    return said if len(said) <= 200 else f"{said[:197]}..."


def _words(source: PlotSource, plot: Plot, shape: Shape) -> str:
    if plot.kind is PlotKind.SKY:
        what = "the sky"
        if shape.lasso or plot.mollweide:
            return f"inside a {'lasso' if shape.lasso else 'box'} on {what}"
        ra = " to ".join(f"{one % 360:.5g}" for one in shape.x)
        return f"right ascension {ra}, declination {_range(shape.y)} degrees"
    x = source.quantity(plot.x)
    if plot.kind is PlotKind.HISTOGRAM:
        return _side(source, plot.x, shape.x, 0.0)
    y = source.quantity(plot.y)
    if shape.lasso:
        return f"inside a lasso on {x.title} and {y.title}"
    sides = ((plot.x, shape.x), (plot.y, shape.y))
    return " and ".join(_side(source, by, ends, SPREAD) for by, ends in sides)


def _side(source: PlotSource, by: str, ends: tuple[float, ...], aside: float) -> str:
    quantity: Quantity = source.quantity(by)
    if quantity.is_number:
        return f"{quantity.title} {_range(ends)}{' ' + quantity.unit if quantity.unit else ''}"
    names = source.axis(by).names
    named = [
        name for place, name in enumerate(names) if ends[0] - aside <= place <= ends[1] + aside
    ]
    if len(named) > 4:
        named = [*named[:3], f"{len(named) - 3} more"]
    return f"{quantity.title} {' or '.join(named) or 'of no category'}"


def _range(ends: tuple[float, ...]) -> str:
    return f"{min(ends):.5g} to {max(ends):.5g}"
