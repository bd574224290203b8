"""The figure of a map of held-out objects, whose points keep their places between steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from pages._shared.figures import framed

__all__ = ["Coloured", "Object", "Window", "map_figure", "window_of"]

HEIGHT_PX = 440
_GREY, _LINE, _ACCENT = "#8b97a8", "rgba(139,151,168,0.28)", "#4a97df"
_SIZE_PX = 7

Object = tuple[str, str]
"""Survey and object_id."""
Window = tuple[tuple[float, float], ...]
"""Lowest and highest x, lowest and highest y."""


@dataclass(frozen=True)
class Coloured:
    """How the N objects of a map are coloured: by `values` (N,), NaN where unknown, or by `groups`
    of names (N,), each with its colour in `colours`. `title` is that of the numbers."""

    title: str = ""
    values: NDArray[np.float64] | None = None
    groups: NDArray[np.object_] | None = None
    colours: tuple[tuple[str, str], ...] = ()

    def words(self, place: int) -> str:
        """What is known of an object."""
        if self.values is not None:
            value = self.values[place]
            return f"{self.title} {value:.4g}" if np.isfinite(value) else f"{self.title} unknown"
        return "" if self.groups is None else str(self.groups[place])


def window_of(positions: NDArray[np.float64]) -> Window:
    """What shows nearly all of (S, N, 2) positions, at every step the same."""
    low, high = np.percentile(positions.reshape(-1, 2), [0.2, 99.8], axis=0)
    middle, half = (low + high) / 2, np.maximum(0.54 * (high - low), 0.1)
    return tuple((float(m - h), float(m + h)) for m, h in zip(middle, half, strict=True))


def map_figure(
    place: NDArray[np.float64],
    objects: Sequence[Object],
    coloured: Coloured,
    window: Window,
    picked: Object | None,
) -> go.Figure:
    """(N, 2) positions of objects, coloured; the picked one has a ring."""
    figure = go.Figure()
    if coloured.values is not None:
        known = np.isfinite(coloured.values)
        finite = coloured.values[known]
        # Catalogue columns have tails; the colours should tell the bulk apart.
        low, high = np.percentile(finite, [2, 98]) if len(finite) else (0.0, 1.0)
        _points(figure, place, objects, ~known, "unknown", {"color": _GREY, "opacity": 0.45})
        bar = {"title": {"text": _safe(coloured.title)}, "thickness": 10, "outlinewidth": 0}
        scale = {
            "color": finite,
            "colorscale": "Viridis",
            "cmin": float(low),
            "cmax": float(high if high > low else low + 1),
            "colorbar": bar,
        }
        _points(figure, place, objects, known, coloured.title, scale, "<br>%{marker.color:.4g}")
    elif coloured.groups is not None:
        for name, colour in coloured.colours:
            _points(figure, place, objects, coloured.groups == name, name, {"color": colour})
    else:
        everything = np.ones(len(place), bool)
        _points(figure, place, objects, everything, "", {"color": _ACCENT, "opacity": 0.8})
    ring = np.array([one == picked for one in objects], bool)
    figure.add_scatter(
        x=place[ring, 0],
        y=place[ring, 1],
        mode="markers",
        marker={"size": 2 * _SIZE_PX + 2, "symbol": "circle-open", "color": "#e5484d"},
        marker_line_width=2.5,
        hoverinfo="skip",
        showlegend=False,
    )
    _frame(figure, window, legend=coloured.groups is not None)
    return figure


def _points(
    figure: go.Figure,
    place: NDArray[np.float64],
    objects: Sequence[Object],
    chosen: NDArray[np.bool_],
    name: str,
    marker: dict[str, object],
    more: str = "",
) -> None:
    rows = np.flatnonzero(chosen).tolist()
    extra = "<extra>" + _safe(name) + "</extra>"
    figure.add_scatter(
        x=place[rows, 0],
        y=place[rows, 1],
        customdata=[list(objects[row]) for row in rows],
        mode="markers",
        name=_safe(name),
        marker={"size": _SIZE_PX, "line": {"width": 0}, **marker},
        # A click must not grey out what was not clicked: the ring says which one it was.
        unselected={"marker": {"opacity": marker.get("opacity", 0.9)}},
        selected={"marker": {"opacity": 1.0}},
        hovertemplate="%{customdata[1]}" + more + extra,
        showlegend=bool(name) and len(rows) > 0,
    )


def _frame(figure: go.Figure, window: Window, *, legend: bool) -> None:
    axis = {
        "showgrid": False,
        "zeroline": False,
        "showticklabels": False,
        "showline": True,
        "mirror": True,
        "linecolor": _LINE,
    }
    framed(
        figure,
        HEIGHT_PX,
        # The bar of buttons stands above: it would take the clicks on points below it.
        margin={"l": 2, "r": 2, "t": 52 if legend else 30, "b": 4},
        xaxis={**axis, "range": window[0]},
        yaxis={**axis, "range": window[1], "scaleanchor": "x"},
        dragmode="pan",
        # What was zoomed into stays from step to step. No transition: while one goes on, and in a
        # busy browser it may not end, Plotly hears no click.
        uirevision="map",
        showlegend=legend,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0,
            "itemsizing": "constant",
        },
    )


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
