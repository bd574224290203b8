"""What a plot of the catalogue page shows, as CSV: the points with their object_ids, the cells, or
the bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from core.csvsafe import safe_cell
from pages._server.catalogue import Axis, PlotSource
from pages._server.catalogue_counts import Bins
from pages._server.catalogue_spec import Plot, PlotKind
from pages._server.catalogue_view import Bars, Cells, Places, Points

__all__ = ["drawn_csv"]


def drawn_csv(source: PlotSource, plot: Plot, places: Places, view: Points | Cells | Bars) -> str:
    """The text of the file, safe to open in a spreadsheet; its first line names the columns.

    Of cells and bars every number that is drawn; empty cells are left out.
    """
    if isinstance(view, Bars):
        return _written(_of_bars(source, plot, places, view))
    if isinstance(view, Cells):
        return _written(_of_cells(source, plot, places, view))
    return _written(_of_points(source, plot, places, view))


def _of_points(
    source: PlotSource, plot: Plot, places: Places, view: Points
) -> Iterable[list[Any]]:
    rows = np.union1d(view.rows, view.selected.rows)
    columns: dict[str, list[Any]] = {"object_id": source.survey.object_ids[rows].tolist()}
    if plot.kind is PlotKind.SKY:
        ra, dec = source.positions()
        columns["ra_deg"], columns["dec_deg"] = ra[rows].tolist(), dec[rows].tolist()
    else:
        for axis in (places.x_axis, places.y_axis):
            assert axis is not None  # it is not the sky
            columns[axis.quantity.title] = _cells_of(axis, rows)
    if plot.colour:
        axis = source.axis(plot.colour)
        columns[axis.quantity.title] = _cells_of(axis, rows)
    columns["selected"] = np.isin(rows, view.selected.rows).astype(int).tolist()
    yield list(columns)
    yield from (list(line) for line in zip(*columns.values(), strict=True))


def _of_cells(source: PlotSource, plot: Plot, places: Places, view: Cells) -> Iterable[list[Any]]:
    names = ("x", "y")
    if plot.kind is not PlotKind.SKY:
        names = source.quantity(plot.x).title, source.quantity(plot.y).title
    heads = [f"{name} {end}" for name in names for end in ("from", "to")]
    mean = view.mean
    kind = "geometric mean" if plot.log_colour else "mean"  # that of the logarithms
    more = [f"{kind} {view.mean_of.title}"] if view.mean_of else []
    yield [*heads, "objects", *(["selected"] if view.chosen is not None else []), *more]
    x, y = _edges(view.x_bins, places.log_x), _edges(view.y_bins, places.log_y)
    for row, column in np.argwhere(view.table > 0).tolist():
        line = [x[column], x[column + 1], y[row], y[row + 1], int(view.table[row, column])]
        if view.chosen is not None:
            line.append(int(view.chosen[row, column]))
        if mean is not None:
            value = float(mean[row, column])
            line.append(10**value if plot.log_colour else value)
        yield line


def _of_bars(source: PlotSource, plot: Plot, places: Places, view: Bars) -> Iterable[list[Any]]:
    axis = places.x_axis
    assert axis is not None  # the sky is no histogram
    name = source.quantity(plot.x).title
    heads = [name] if axis.names else [f"{name} from", f"{name} to"]
    yield [*heads, "objects", "selected", *(one for one, _, _ in view.split)]
    edges = _edges(view.bins, places.log_x)
    for place in range(view.bins.n):
        ends = [axis.names[place]] if axis.names else [edges[place], edges[place + 1]]
        counts = (view.table, view.selected, *(counts for _, _, counts in view.split))
        yield [*ends, *(int(one[place]) for one in counts)]


def _edges(bins: Bins, log: bool) -> list[float]:
    edges: list[float] = (10.0**bins.edges if log else bins.edges).tolist()
    return edges


def _cells_of(axis: Axis, rows: np.ndarray) -> list[Any]:
    values = axis.values[rows]
    if axis.names:
        return [axis.names[place] for place in values.astype(np.int64).tolist()]
    return [None if value != value else value for value in values.tolist()]


def _written(lines: Iterable[list[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in lines:
        # Numbers are no formulas, and most cells are numbers.
        writer.writerow([safe_cell(one) if isinstance(one, str) else one for one in line])
    return file.getvalue()
