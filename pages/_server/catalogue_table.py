"""What a plot of the catalogue page shows, as CSV: the points with their object_ids, the cells, or
the bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import numpy as np

from core.csvsafe import safe_cell
from pages._server.catalogue import Axis, PlotSource
from pages._server.catalogue_counts import Bins, values_at
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
    ours = ["object_id"]
    cells: list[list[Any]] = [source.survey.object_ids[rows].tolist()]
    titles: list[str] = []
    if plot.kind is PlotKind.SKY:
        ours += ["ra_deg", "dec_deg"]
        cells += [_known(one[rows]) for one in source.positions()]
    else:
        for axis in (places.x_axis, places.y_axis):
            assert axis is not None  # it is not the sky
            titles.append(axis.quantity.title)
            cells.append(_cells_of(axis, rows))
    if plot.colour:
        titles.append(source.quantity(plot.colour).title)
        cells.append(_colours_of(source, plot, view, rows))
    yield [*ours, *_free(titles, [*ours, "selected"]), "selected"]
    cells.append(view.chosen[rows].astype(int).tolist())
    yield from (list(line) for line in zip(*cells, strict=True))


def _of_cells(source: PlotSource, plot: Plot, places: Places, view: Cells) -> Iterable[list[Any]]:
    names = ("x", "y")
    if plot.kind is not PlotKind.SKY:
        names = source.quantity(plot.x).title, source.quantity(plot.y).title
    heads = [f"{name} {end}" for name in names for end in ("from", "to")]
    mean = None if view.mean is None else values_at(view.mean, plot.log_colour)
    kind = "geometric mean" if plot.log_colour else "mean"  # that of the logarithms
    more = [f"{kind} {view.mean_of.title}"] if view.mean_of else []
    ours = ["objects", *(["selected"] if view.chosen is not None else [])]
    heads = _free([*heads, *more], ours)
    yield [*heads[:4], *ours, *heads[4:]]
    x, y = _edges(view.x_bins, places.log_x), _edges(view.y_bins, places.log_y)
    for row, column in np.argwhere(view.table > 0).tolist():
        line: list[Any] = [x[column], x[column + 1], y[row], y[row + 1]]
        line.append(int(view.table[row, column]))
        if view.chosen is not None:
            line.append(int(view.chosen[row, column]))
        if mean is not None:
            line += _known(mean[row, column, np.newaxis])
        yield line


def _of_bars(source: PlotSource, plot: Plot, places: Places, view: Bars) -> Iterable[list[Any]]:
    axis = places.x_axis
    assert axis is not None  # the sky is no histogram
    name = source.quantity(plot.x).title
    ends = [name] if axis.names else [f"{name} from", f"{name} to"]
    ours = ["objects", "selected"]
    heads = _free([*ends, *(one for one, _, _ in view.split)], ours)
    yield [*heads[: len(ends)], *ours, *heads[len(ends) :]]
    edges = _edges(view.bins, places.log_x)
    for place in range(view.bins.n):
        at = [axis.names[place]] if axis.names else [edges[place], edges[place + 1]]
        counts = (view.table, view.selected, *(counts for _, _, counts in view.split))
        yield [*at, *(int(one[place]) for one in counts)]


def _edges(bins: Bins, log: bool) -> list[float]:
    edges: list[float] = values_at(bins.edges, log).tolist()
    return edges


def _free(names: Iterable[str], ours: Iterable[str]) -> list[str]:
    """The names of columns of the file beside `ours`: one that is taken gets a number."""
    found: list[str] = []
    taken = set(ours)
    for name in names:
        tries = chain([name], (f"{name} ({number})" for number in count(2)))
        found.append(next(one for one in tries if one not in taken))
        taken.add(found[-1])
    return found


def _cells_of(axis: Axis, rows: np.ndarray) -> list[Any]:
    values = axis.values[rows]
    if axis.names:
        return [axis.names[place] for place in values.astype(np.int64).tolist()]
    return _known(values)


def _colours_of(source: PlotSource, plot: Plot, view: Points, rows: np.ndarray) -> list[Any]:
    """The numbers that points are coloured by; of categories the names as drawn."""
    if source.quantity(plot.colour).is_number:
        return _cells_of(source.axis(plot.colour), rows)
    assert view.paint is not None  # the plot has a colour
    names = view.paint.names
    return [names[code] for code in view.paint.codes[rows].tolist()]


def _known(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _written(lines: Iterable[list[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in lines:
        # Numbers are no formulas, and most cells are numbers.
        writer.writerow([safe_cell(one) if isinstance(one, str) else one for one in line])
    return file.getvalue()
