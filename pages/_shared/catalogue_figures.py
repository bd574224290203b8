"""The figures of the catalogue page, for dark and for light; each has its download as PNG."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.survey import Survey
from pages._server.catalogue import Axis
from pages._server.catalogue_categories import others_in
from pages._server.catalogue_counts import Bins, values_at
from pages._server.catalogue_sky import graticule
from pages._server.catalogue_spec import Plot, PlotKind
from pages._server.catalogue_view import Bars, Cells, Places, Points, Selected
from pages._server.map_colours import LEVELS, Paint
from pages._shared.catalogue_axes import grid_axis, safe, short, sky_axes, value_axis
from pages._shared.figures import framed

__all__ = ["figure_of"]

HEIGHT_PX = 400
_WEBGL_ABOVE = 3_000
"""Points: up to here a drawing that needs no graphics card is as quick."""
_SIZES = ((300, 7.0, 0.9), (3_000, 5.0, 0.75), (20_000, 3.5, 0.6), (1 << 62, 2.6, 0.5))
"""Up to so many points: their size in pixels and opacity."""
_IN_LEGEND = 8
_ALL, _CHOSEN, _GREY = "#5b93cf", "#f08c1a", "#8b97a8"
"""Blue against orange is told apart by everybody (Okabe & Ito 2008)."""
_COLOUR_BAR: dict[str, Any] = {
    "thickness": 10,
    "outlinewidth": 0,
    "len": 0.9,
    "title": {"side": "right", "font": {"size": 13}},
}
_SCALES = {
    "dark": [[0, "#17324d"], [0.5, "#3f7fbe"], [1, "#d3e8ff"]],
    "light": [[0, "#d4e4f4"], [0.5, "#5b93cf"], [1, "#0b2f57"]],
}
"""Of the number in a cell: one hue, so that the selected points stand out."""


def figure_of(
    survey: Survey, plot: Plot, places: Places, view: Points | Cells | Bars, *, light: bool = False
) -> go.Figure:
    """The figure of a plot.

    The axes hold values, also logarithmic ones, so that a box drawn there is one of values.
    """
    figure = go.Figure()
    if isinstance(view, Bars):
        _draw_bars(figure, places, view)
        _bar_axes(figure, plot, places, view)
    else:
        if plot.kind is PlotKind.SKY and plot.mollweide:
            _draw_graticule(figure, places)
        if isinstance(view, Cells):
            _draw_cells(figure, plot, places, view, light=light)
            ends = (view.x_bins.low, view.x_bins.high), (view.y_bins.low, view.y_bins.high)
        else:
            _draw_points(figure, survey, plot, places, view)
            ends = view.x_ends, view.y_ends
        plain = isinstance(view, Cells) or view.paint is None
        _draw_selected(
            figure, survey, view.selected, view.counts.n_selected, filled=plain, light=light
        )
        if plot.kind is PlotKind.SKY:
            sky_axes(figure, plot, places, *ends)
        else:
            figure.update_xaxes(**value_axis(places.x_axis, ends[0], places.log_x))
            figure.update_yaxes(**value_axis(places.y_axis, ends[1], places.log_y))
    _frame(figure, histogram=isinstance(view, Bars), light=light)
    return figure


def _draw_points(
    figure: go.Figure, survey: Survey, plot: Plot, places: Places, view: Points
) -> None:
    size, opacity = _size(len(view.rows))
    marker: dict[str, Any] = {"size": size, "opacity": opacity, "color": _ALL}
    paint, known = view.paint, np.ones(len(view.rows), bool)
    if paint is not None and view.codes is not None:
        if paint.legend["kind"] == "numbers":
            known = view.codes < LEVELS
            marker |= _number_colours(paint, view.codes[known])
        else:
            marker |= _category_colours(paint, view.codes)
            _legend_of(figure, paint, plot.colour)
    for part, look in ((~known, {**marker, "color": _GREY, "showscale": False}), (known, marker)):
        if not part.any():
            continue
        _add_points(
            figure, survey, view.rows[part], view.x[part], view.y[part], places, marker=look
        )


def _add_points(
    figure: go.Figure,
    survey: Survey,
    rows: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    places: Places,
    marker: dict[str, Any],
) -> None:
    make = go.Scattergl if len(rows) > _WEBGL_ABOVE else go.Scatter
    said = "%{text}"
    if places.x_axis is not None and not places.x_axis.names:
        said += "<br>x %{x:.6~g}"
    if places.y_axis is not None and not places.y_axis.names:
        said += "<br>y %{y:.6~g}"
    figure.add_trace(
        make(
            x=x,
            y=y,
            text=_ids(survey, rows),
            mode="markers",
            marker=marker,
            hovertemplate=f"{said}<extra></extra>",
            showlegend=False,
        )
    )


def _draw_selected(
    figure: go.Figure, survey: Survey, selected: Selected, n: int, *, filled: bool, light: bool
) -> None:
    """On top of all; as rings where colours mean something."""
    if not len(selected.rows):
        return
    size, _ = _size(len(selected.rows))
    look: dict[str, Any] = {"size": size + 2, "color": _CHOSEN, "opacity": 0.9}
    if not filled:
        ring = "#111722" if light else "#ffffff"
        few = len(selected.rows) <= _WEBGL_ABOVE  # more would cover what they ring
        look = {"size": size + (3 if few else 1.5), "opacity": 0.9 if few else 0.4}
        look |= {"color": ring, "symbol": "circle-open"}
    make = go.Scattergl if len(selected.rows) > _WEBGL_ABOVE else go.Scatter
    figure.add_trace(
        make(
            x=selected.x,
            y=selected.y,
            text=_ids(survey, selected.rows),
            mode="markers",
            marker=look,
            name=f"selected ({n:,})",
            hovertemplate="%{text}, selected<extra></extra>",
        )
    )


def _draw_cells(
    figure: go.Figure, plot: Plot, places: Places, view: Cells, *, light: bool
) -> None:
    bar = _COLOUR_BAR
    if view.mean is not None and view.mean_of is not None:
        known = view.mean[np.isfinite(view.mean)]
        low, high = np.percentile(known, (1, 99)).tolist() if len(known) else (0.0, 1.0)
        title = f"mean {'log ' if plot.log_colour else ''}{safe(view.mean_of.label)}"
        look: dict[str, Any] = {
            "z": view.mean,
            "zmin": low,
            "zmax": high if high > low else low + 1,
            "colorscale": "Viridis",
            "colorbar": {**bar, "title": {**bar["title"], "text": title}},
            "hovertemplate": "%{z:.4~g}, %{customdata:,} objects<extra></extra>",
        }
    else:
        with np.errstate(divide="ignore"):
            number = np.log10(np.where(view.table > 0, view.table, np.nan))
        most = int(view.table.max(initial=1))
        ticks = [10**power for power in range(len(str(most)))]
        look = {
            "z": number,
            "zmin": 0,
            "zmax": max(np.log10(most), 0.3),
            "colorscale": _SCALES["light" if light else "dark"],
            "colorbar": {
                **bar,
                "title": {**bar["title"], "text": "objects in a cell"},
                "tickvals": np.log10(ticks).tolist(),
                "ticktext": [f"{one:,}" for one in ticks],
            },
            "hovertemplate": "%{customdata:,} objects<extra></extra>",
        }
    figure.add_heatmap(
        x=_values(view.x_bins, places.log_x),
        y=_values(view.y_bins, places.log_y),
        customdata=view.table,
        **look,
    )
    if view.chosen is not None:
        _draw_shares(figure, places, view, view.chosen)


def _draw_shares(figure: go.Figure, places: Places, view: Cells, chosen: np.ndarray) -> None:
    """The selected ones over the cells, the more opaque the more of a cell they are."""
    some = chosen > 0
    share = np.full(chosen.shape, np.nan)
    share[some] = chosen[some] / view.table[some]
    figure.add_heatmap(
        x=_values(view.x_bins, places.log_x),
        y=_values(view.y_bins, places.log_y),
        z=share,
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(240,140,26,0.3)"], [1, "rgba(240,140,26,1)"]],
        showscale=False,
        customdata=np.dstack([chosen, view.table]),
        hovertemplate="%{customdata[0]:,} of %{customdata[1]:,} selected<extra></extra>",
    )


def _draw_bars(figure: go.Figure, places: Places, view: Bars) -> None:
    edges = _values(view.bins, places.log_x)
    middle, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    if places.x_axis is not None and places.x_axis.names:
        width = width * 0.8
    whole = _share_words(places.x_axis, edges)
    figure.add_bar(
        x=middle,
        y=view.table,
        width=width,
        marker={"color": _GREY if view.split else _ALL, "opacity": 0.35 if view.split else 0.85},
        customdata=whole,
        hovertemplate="%{customdata}: %{y:,}<extra></extra>",
        name="all",
        showlegend=bool(view.split),
    )
    for name, colour, counts in view.split:
        figure.add_scatter(
            x=edges,
            y=_steps(counts),
            mode="lines",
            line={"shape": "hv", "width": 1.8, "color": colour},
            name=safe(short(name)),
            hovertemplate=f"{safe(short(name))}: %{{y:,}}<extra></extra>",
        )
    if view.counts.n_selected:
        figure.add_bar(
            x=middle,
            y=view.selected,
            width=width,
            marker={"color": _CHOSEN, "opacity": 0.95},
            customdata=[
                f"{part:,} of {n:,} in {words}"
                for part, n, words in zip(view.selected, view.table, whole, strict=True)
            ],
            hovertemplate="%{customdata} selected<extra></extra>",
            name=f"selected ({view.counts.n_selected:,})",
        )


def _share_words(axis: Axis | None, edges: np.ndarray) -> list[str]:
    """What each bar holds."""
    if axis is not None and axis.names:
        return [safe(name) for name in axis.names]
    return [f"{low:.5g} to {high:.5g}" for low, high in pairwise(edges)]


def _steps(counts: np.ndarray) -> np.ndarray:
    """Heights of a step line with an end; none where there is nothing, which a logarithmic axis
    could not show."""
    heights = np.append(counts, counts[-1:]).astype(np.float64)
    heights[heights == 0] = np.nan
    return heights


def _bar_axes(figure: go.Figure, plot: Plot, places: Places, view: Bars) -> None:
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(**value_axis(places.x_axis, (view.bins.low, view.bins.high), places.log_x))
    top = max(int(view.table.max(initial=0)), 1)
    span = [np.log10(0.7), np.log10(1.4 * top)] if plot.log_y else [0, 1.06 * top]
    look = grid_axis() if plot.log_y else {**grid_axis(), "tickformat": ",~d"}
    figure.update_yaxes(
        **look, title_text="objects", type="log" if plot.log_y else "linear", range=span
    )


def _draw_graticule(figure: go.Figure, places: Places) -> None:
    x, y = [], []
    for across, up in graticule(places.centre_deg):
        x += [*across.tolist(), None]
        y += [*up.tolist(), None]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": "rgba(128,140,160,0.35)", "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )


def _number_colours(paint: Paint, codes: np.ndarray) -> dict[str, Any]:
    legend = paint.legend
    low, high = legend["low"], legend["high"]
    middle = float(np.sqrt(low * high)) if legend["log"] else (low + high) / 2
    steps = np.linspace(0, 1, len(legend["colours"]))
    return {
        "color": codes,
        "cmin": 0,
        "cmax": LEVELS - 1,
        "colorscale": [[at, colour] for at, colour in zip(steps, legend["colours"], strict=True)],
        "showscale": True,
        "colorbar": {
            **_COLOUR_BAR,
            "title": {**_COLOUR_BAR["title"], "text": safe(legend["title"])},
            "tickvals": [0, (LEVELS - 1) / 2, LEVELS - 1],
            "ticktext": [f"{one:.3g}" for one in (low, middle, high)],
        },
    }


def _category_colours(paint: Paint, codes: np.ndarray) -> dict[str, Any]:
    colours, n = paint.legend["colours"], len(paint.names)
    steps = [[at, colours[code]] for code in range(n) for at in (code / n, (code + 1) / n)]
    return {"color": codes, "cmin": -0.5, "cmax": n - 0.5, "colorscale": steps}


def _legend_of(figure: go.Figure, paint: Paint, by: str) -> None:
    """The largest categories by name, as traces without points."""
    counts = paint.legend["counts"]
    largest = sorted(range(len(paint.names)), key=lambda one: -counts[one])
    for code in sorted(largest[:_IN_LEGEND]):
        _legend_entry(figure, short(paint.names[code]), paint.legend["colours"][code])
    left = largest[_IN_LEGEND:]
    if left:
        others, n_held = others_in(paint, by) or (None, 1)
        n = len(left) + (n_held - 1 if others in left else 0)
        _legend_entry(figure, f"and {n:,} more", "rgba(0,0,0,0)")


def _legend_entry(figure: go.Figure, name: str, colour: str) -> None:
    look = {"color": colour, "size": 8}
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=look, name=safe(name))


def _frame(figure: go.Figure, *, histogram: bool, light: bool) -> None:
    framed(
        figure,
        HEIGHT_PX,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        font={"color": "#4a5462" if light else "#a9b4c3"},
        modebar={"activecolor": _CHOSEN},
        dragmode="select",
        newselection={"line": {"color": _CHOSEN, "width": 1.5, "dash": "solid"}},
        legend={
            "orientation": "h",
            "y": -0.2,
            "yanchor": "top",
            "x": 0,
            # What is hidden in the browser alone would still be selected.
            "itemclick": False,
            "itemdoubleclick": False,
        },
        **({"selectdirection": "h"} if histogram else {}),
    )


def _values(bins: Bins, log: bool) -> np.ndarray:
    """(n + 1,) edges as values."""
    return values_at(bins.edges, log)


def _size(n: int) -> tuple[float, float]:
    return next((size, opacity) for most, size, opacity in _SIZES if n <= most)


def _ids(survey: Survey, rows: np.ndarray) -> list[str]:
    ids: list[str] = survey.object_ids[rows].tolist()
    marks = set("".join(ids)) & set("&<>")
    return [safe(one) for one in ids] if marks else ids
