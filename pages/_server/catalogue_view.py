"""What is drawn in a plot of the catalogue page: points or cells or bars, and what was left out.

Reckoned from every object that passes the filter; of more points than a browser takes a sample is
drawn, the same each time. The selected ones are told apart in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pages._server.catalogue import Axis, PlotSource, Quantity
from pages._server.catalogue_categories import told_apart
from pages._server.catalogue_counts import (
    Bins,
    binned,
    bins_of,
    coordinates,
    counted,
    counted_2d,
    ends_of,
    mean_2d,
    sample,
)
from pages._server.catalogue_spec import Drawn, Plot, PlotKind
from pages._server.map_colours import Paint

__all__ = [
    "MAX_POINTS",
    "Bars",
    "Cells",
    "Counts",
    "Places",
    "Points",
    "Selected",
    "places_of",
    "view_of",
]

MAX_POINTS = 50_000
"""Drawn in one plot: Plotly takes seconds for more."""
_CELLS_X, _CELLS_Y = 160, 120
_MANY_SELECTED = 2_000
"""Over cells: more points than that would cover them."""
_SPLITS = 8
"""Lines that a histogram is split into; the smaller categories are one of them."""
_WHOLE_SKY = (-165.0, 165.0), (-84.0, 84.0)
"""A little beyond the outline of a Mollweide projection in degrees."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where the objects lie in a plot, by row.

    Attributes
    ----------
    x, y
        (N,) values; y is None in a histogram.
    x_axis, y_axis
        What they are of; None on the sky.
    log_x, log_y
        Whether the axes are logarithmic.
    period
        After which x comes round again; None: never.
    """

    x: np.ndarray
    y: np.ndarray | None
    x_axis: Axis | None
    y_axis: Axis | None
    log_x: bool = False
    log_y: bool = False
    period: float | None = None
    centre_deg: float = 0.0


@dataclass(frozen=True)
class Counts:
    """How many objects are in a plot and how many are not: `n` have a place in it, of which
    `n_outside` lie beyond its axes; `n_missing` have no value, and of `n_not_positive` it is zero
    or less on a logarithmic axis. `n_selected` of the selected ones have a place."""

    n: int
    n_missing: int
    n_not_positive: int
    n_outside: int
    n_selected: int


@dataclass(frozen=True, eq=False)
class Selected:
    """The selected objects that are drawn as points: rows, and their x and y."""

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray


_NONE = Selected(np.empty(0, np.int64), np.empty(0), np.empty(0))


@dataclass(frozen=True, eq=False)
class Points:
    """Objects as points: (K,) rows, x and y; `codes` into `paint`, where they have a colour.
    `x_ends`, `y_ends`: of the axes, in coordinates (the logarithm on a logarithmic axis).
    `chosen`: (N,) bool by row, every selected object that has a place, drawn or not."""

    counts: Counts
    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    selected: Selected
    chosen: np.ndarray
    paint: Paint | None = None
    codes: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Cells:
    """Objects counted in cells: (ny, nx), and where they are coloured by numbers, `mean` (ny, nx)
    of these, NaN where no object has one. Bins in coordinates. Many selected objects are counted
    too, in `chosen` (ny, nx), and then not drawn as points."""

    counts: Counts
    x_bins: Bins
    y_bins: Bins
    table: np.ndarray
    selected: Selected
    chosen: np.ndarray | None = None
    mean: np.ndarray | None = None
    mean_of: Quantity | None = None


@dataclass(frozen=True, eq=False)
class Bars:
    """A histogram: objects in each bin, selected ones among them, and those of each category as
    (name, colour, counts)."""

    counts: Counts
    bins: Bins
    table: np.ndarray
    selected: np.ndarray
    split: list[tuple[str, str, np.ndarray]]


def places_of(source: PlotSource, plot: Plot) -> Places:
    """Where every object lies in a plot.

    Raises
    ------
    BadInput, NotReady
        A quantity is not there, or the survey has no positions.
    """
    if plot.kind is PlotKind.SKY:
        plane = source.sky(whole_sky=plot.mollweide, centre_deg=plot.centre)
        return Places(
            plane.x, plane.y, None, None, period=plane.period, centre_deg=plane.centre_deg
        )
    x_axis = source.axis(plot.x)
    log_x = plot.log_x and x_axis.quantity.is_number
    if plot.kind is PlotKind.HISTOGRAM:
        return Places(x_axis.values, None, x_axis, None, log_x)
    y_axis = source.axis(plot.y)
    log_y = plot.log_y and y_axis.quantity.is_number
    return Places(x_axis.spread(0), y_axis.spread(1), x_axis, y_axis, log_x, log_y)


def view_of(
    source: PlotSource, plot: Plot, passing: np.ndarray | None, selected: np.ndarray | None
) -> Points | Cells | Bars:
    """What to draw of the objects that pass the filter.

    passing, selected: (N,) bool by row; None: all, and none.

    Raises
    ------
    BadInput, NotReady
        As `places_of`; or something that it is coloured by is not there.
    """
    places = places_of(source, plot)
    n = len(source.survey)
    shown = np.ones(n, bool) if passing is None else passing
    chosen = np.zeros(n, bool) if selected is None else selected & shown
    x = coordinates(places.x, places.log_x)
    if places.y is None:
        return _bars(source, plot, places, x, shown, chosen)
    y = coordinates(places.y, places.log_y)
    placed = shown & np.isfinite(x) & np.isfinite(y)
    if plot.kind is PlotKind.SKY and plot.mollweide:
        x_ends, y_ends = _WHOLE_SKY
    else:
        whole = plot.whole or plot.kind is PlotKind.SKY  # no position is an outlier
        x_ends = _sides(places.x_axis, x[placed], whole)
        y_ends = _sides(places.y_axis, y[placed], whole)
    within = (x >= x_ends[0]) & (x <= x_ends[1]) & (y >= y_ends[0]) & (y <= y_ends[1])
    chosen = chosen & placed
    counts = _counts(places, shown, placed, placed & ~within, chosen)
    drawn = sample(np.flatnonzero(chosen), MAX_POINTS)
    marked = Selected(drawn, places.x[drawn], places.y[drawn])
    numbers = bool(plot.colour) and source.quantity(plot.colour).is_number
    if _as_cells(plot, counts.n, numbers=numbers):
        return _cells(source, plot, counts, (x, y), (x_ends, y_ends), placed, chosen, marked)
    rows = sample(np.flatnonzero(placed), MAX_POINTS)
    paint = source.colours(plot.colour, log=plot.log_colour) if plot.colour else None
    codes = paint.codes[rows] if paint is not None else None
    at_x, at_y = places.x[rows], places.y[rows]
    return Points(counts, rows, at_x, at_y, x_ends, y_ends, marked, chosen, paint, codes)


def _as_cells(plot: Plot, n: int, *, numbers: bool) -> bool:
    """Whether objects are counted rather than drawn: on request, and where there are more than
    can be drawn; cells have no categories, so that for these a sample is drawn."""
    if plot.drawn is not Drawn.AUTO:
        return plot.drawn is Drawn.DENSITY
    return n > MAX_POINTS and (numbers or not plot.colour)


def _sides(axis: Axis | None, places: np.ndarray, whole: bool) -> tuple[float, float]:
    if axis is not None and axis.names:
        return -0.6, len(axis.names) - 0.4
    return ends_of(places, whole=whole)


def _counts(
    places: Places,
    shown: np.ndarray,
    placed: np.ndarray,
    outside: np.ndarray,
    chosen: np.ndarray,
) -> Counts:
    not_positive = np.zeros(len(shown), bool)
    for values, log in ((places.x, places.log_x), (places.y, places.log_y)):
        if values is not None and log:
            not_positive |= values <= 0
    n_shown, n = np.count_nonzero(shown), np.count_nonzero(placed)
    n_low = np.count_nonzero(not_positive & shown)
    return Counts(
        int(n),
        int(n_shown - n - n_low),
        int(n_low),
        int(np.count_nonzero(outside)),
        int(np.count_nonzero(chosen)),
    )


def _cells(
    source: PlotSource,
    plot: Plot,
    counts: Counts,
    at: tuple[np.ndarray, np.ndarray],
    ends: tuple[tuple[float, float], tuple[float, float]],
    placed: np.ndarray,
    chosen: np.ndarray,
    marked: Selected,
) -> Cells:
    bins = Bins(*ends[0], _CELLS_X), Bins(*ends[1], _CELLS_Y)
    cells = binned(at[0], bins[0]), binned(at[1], bins[1])
    table = counted_2d(*cells, *bins, placed)
    among = None
    if counts.n_selected > _MANY_SELECTED:
        among, marked = counted_2d(*cells, *bins, chosen), _NONE
    if plot.colour and source.quantity(plot.colour).is_number:
        axis = source.axis(plot.colour)
        values = coordinates(axis.values, plot.log_colour)
        mean = mean_2d(*cells, *bins, values, placed)
        return Cells(counts, *bins, table, marked, among, mean, axis.quantity)
    return Cells(counts, *bins, table, marked, among)


def _bars(
    source: PlotSource,
    plot: Plot,
    places: Places,
    x: np.ndarray,
    shown: np.ndarray,
    chosen: np.ndarray,
) -> Bars:
    axis = places.x_axis
    assert axis is not None  # the sky is no histogram
    placed = shown & np.isfinite(x)
    if axis.names:
        bins = Bins(-0.5, len(axis.names) - 0.5, len(axis.names))
    else:
        whole_numbers = axis.whole_numbers and not places.log_x
        bins = bins_of(x[placed], plot.bins, whole_numbers=whole_numbers, whole=plot.whole)
    of = binned(x, bins)
    chosen = chosen & placed
    counts = _counts(places, shown, placed, placed & (of == bins.n), chosen)
    split = _split(source, plot, of, bins, placed) if plot.colour else []
    return Bars(counts, bins, counted(of, bins, placed), counted(of, bins, chosen), split)


def _split(
    source: PlotSource, plot: Plot, of: np.ndarray, bins: Bins, placed: np.ndarray
) -> list[tuple[str, str, Any]]:
    """The counts of each category; none for a quantity of numbers, which has no categories."""
    if source.quantity(plot.colour).is_number:
        return []
    told = told_apart(source.colours(plot.colour), plot.colour, _SPLITS)
    n = len(told.names)
    # All at once: a pass for each category would take as long for eight as for all of them.
    table = np.bincount(
        told.codes[placed] * (bins.n + 1) + of[placed], minlength=n * (bins.n + 1)
    ).reshape(n, bins.n + 1)[:, : bins.n]
    return list(zip(told.names, told.colours, table, strict=True))
