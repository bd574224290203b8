"""Which objects a box or lasso drawn in a plot holds: told of every object, drawn or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from core.mapping.polygon import MAX_VERTICES, in_polygon
from pages._server.catalogue_counts import coordinates

__all__ = ["Shape", "inside", "shape_of"]

_AGAIN = "draw it again."


@dataclass(frozen=True)
class Shape:
    """A box or lasso in the values of the axes.

    Attributes
    ----------
    x, y
        The box's (low, high), or (V,) vertices of the lasso.
    lasso
        Whether it is one.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    lasso: bool = False

    def as_json(self) -> dict[str, Any]:
        """The ranges of a box, or the vertices of a lasso, to be kept with a selection."""
        kept = 200
        step = -(-len(self.x) // kept) if self.lasso else 1
        return {"lasso": self.lasso, "x": list(self.x[::step]), "y": list(self.y[::step])}


def shape_of(selection: Mapping[str, Any]) -> Shape | None:
    """What Plotly says was drawn last; None if that was taken away.

    Raises
    ------
    BadInput
        It is no box or lasso of finite numbers.
    """
    lassos, boxes = selection.get("lasso") or [], selection.get("box") or []
    if not lassos and not boxes:
        return None
    given = (lassos or boxes)[-1]
    try:
        x, y = (tuple(float(one) for one in given[axis]) for axis in "xy")
    except (TypeError, ValueError, KeyError, OverflowError):
        x, y = (), ()
    fewest = 3 if lassos else 2
    most = MAX_VERTICES if lassos else 2
    if len(x) != len(y) or not fewest <= len(x) or not np.isfinite([*x, *y]).all():
        raise BadInput(f"What was drawn is no box or lasso of finite numbers; {_AGAIN}")
    if len(x) > most:
        raise BadInput(
            f"A lasso has up to {most:,} vertices, but this one has {len(x):,}; {_AGAIN}"
        )
    if lassos:
        return Shape(x, y, lasso=True)
    return Shape((min(x), max(x)), (min(y), max(y)))


def inside(
    shape: Shape,
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    log_x: bool = False,
    log_y: bool = False,
    period: float | None = None,
) -> np.ndarray:
    """(N,) bool: the objects in the shape, as it looks in the plot.

    x, y: (N,) values; one that is not finite is outside, and so is one of zero or less on a
    logarithmic axis. y None: a histogram, of which the range of x alone counts. The ends of a box
    belong to it. A lasso is a polygon with straight edges on the screen, hence in the logarithms
    on logarithmic axes; even-odd rule. period: x comes round again after so much (360 degrees of
    right ascension), so that a box across the end of the axis holds both its sides.
    """
    if shape.lasso and y is not None:
        return _in_lasso(shape, x, y, log_x, log_y, period)
    found = _between(x, shape.x, log_x, period)
    if y is not None:
        found &= _between(y, shape.y, log_y, None)
    return found


def _between(
    values: np.ndarray, ends: tuple[float, ...], log: bool, period: float | None
) -> np.ndarray:
    low, high = min(ends), max(ends)
    if period is not None:
        if high - low >= period:
            return np.isfinite(values)
        with np.errstate(invalid="ignore"):
            past: np.ndarray = (values - low) % period <= high - low
        return past
    found: np.ndarray = (values >= low) & (values <= high) & np.isfinite(values)
    return found & (values > 0) if log else found


def _in_lasso(
    shape: Shape, x: np.ndarray, y: np.ndarray, log_x: bool, log_y: bool, period: float | None
) -> np.ndarray:
    across, up = (
        coordinates(np.array(one), log) for one, log in ((shape.x, log_x), (shape.y, log_y))
    )
    if not (np.isfinite(across).all() and np.isfinite(up).all()):
        raise BadInput(f"A lasso on a logarithmic axis reaches below zero; {_AGAIN}")
    places = np.column_stack([coordinates(x, log_x), coordinates(y, log_y)])
    found = np.zeros(len(places), dtype=bool)
    for turn in (0.0,) if period is None else (-period, 0.0, period):
        # Objects lie within one turn: elsewhere the lasso beside it holds them.
        found |= in_polygon(places, np.column_stack([across + turn, up]))
    return found
