"""What a plot of the catalogue page shows, as a link says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from core.errors import BadInput

__all__ = [
    "LEAST_BINS",
    "MOST_BINS",
    "USUAL_BINS",
    "Drawn",
    "Plot",
    "PlotKind",
    "as_plot",
    "quantities_of",
]

LEAST_BINS, USUAL_BINS, MOST_BINS = 5, 60, 300


class PlotKind(StrEnum):
    """What a plot is."""

    SCATTER = "scatter"
    HISTOGRAM = "histogram"
    SKY = "sky"


class Drawn(StrEnum):
    """How the objects of a plot are drawn."""

    AUTO = "auto"
    POINTS = "points"
    DENSITY = "density"


@dataclass(frozen=True)
class Plot:
    """What a plot shows; quantities by their names in `PlotSource.quantities`.

    Attributes
    ----------
    kind
        Of a histogram `x` counts alone, of the sky neither `x` nor `y`.
    colour
        What points are coloured by or a histogram is split by; "": nothing.
    log_x, log_y, log_colour
        Logarithmic scales; `log_y` of a histogram is that of its counts.
    whole
        The axes reach to the last object, however far out it lies.
    bins
        Of a histogram.
    mollweide, centre
        Of the sky: the whole of it, and the right ascension in the middle in degrees (None: where
        the objects are).
    """

    kind: PlotKind
    x: str = ""
    y: str = ""
    colour: str = ""
    log_x: bool = False
    log_y: bool = False
    log_colour: bool = False
    whole: bool = False
    drawn: Drawn = Drawn.AUTO
    bins: int = USUAL_BINS
    mollweide: bool = False
    centre: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What differs from an empty plot, as `as_plot` reads it."""
        empty = Plot(self.kind)
        mine, usual = asdict(self), asdict(empty)
        return {
            name: value for name, value in mine.items() if name == "kind" or value != usual[name]
        }


def as_plot(given: Any) -> Plot:
    """Read what `Plot.as_json` gave (`BadInput`)."""
    try:
        if not isinstance(given, dict):
            raise ValueError("it is no object")
        unknown = given.keys() - {one.name for one in fields(Plot)}
        if unknown:
            raise ValueError(f"it has no {str(sorted(unknown)[0])[:40]!r}")
        words: dict[str, Any] = {
            name: _text(given[name]) for name in ("x", "y", "colour") if name in given
        }
        flags: dict[str, Any] = {
            name: _flag(given[name])
            for name in ("log_x", "log_y", "log_colour", "whole", "mollweide")
            if name in given
        }
        kind = PlotKind(given["kind"])
        if kind is not PlotKind.SKY and not words.get("x"):
            raise ValueError("it names no x")
        if kind is PlotKind.SCATTER and not words.get("y"):
            raise ValueError("it names no y")
        return Plot(
            kind=kind,
            drawn=Drawn(given.get("drawn", Drawn.AUTO)),
            bins=int(_number(given.get("bins", USUAL_BINS), LEAST_BINS, MOST_BINS)),
            centre=None if given.get("centre") is None else _number(given["centre"], 0, 360),
            **words,
            **flags,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            "A plot of the link is like {'kind': 'scatter', 'x': 'column:mag', 'y': 'column:z'},"
            f" but one cannot be read ({str(error)[:80]}); add it anew."
        ) from None


def quantities_of(plot: Plot) -> dict[str, str]:
    """The quantities that a plot shows, by "x", "y" and "colour"."""
    shown = {
        PlotKind.SCATTER: ("x", "y", "colour"),
        PlotKind.HISTOGRAM: ("x", "colour"),
        PlotKind.SKY: ("colour",),
    }[plot.kind]
    return {name: getattr(plot, name) for name in shown if getattr(plot, name)}


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 140:
        raise ValueError("a quantity is named by up to 140 characters")
    value.encode()  # half a surrogate pair is no text
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("a switch is true or false")
    return value


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"a number of it is not one from {low} to {high}")
    return float(value)
