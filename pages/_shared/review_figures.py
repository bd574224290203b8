"""Figures of the review page: heat maps, intervals, lines and boxes, for dark and for light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages._shared.colours import CLASS_COLOURS
from pages._shared.figures import fixed_axis, framed

__all__ = ["boxes", "heat_map", "intervals", "lines", "show"]

ROW_PX, CELL_PX = 34, 44
MAX_DRAWN = 400
"""Points of a line: more cannot be told apart on a screen."""
_ACCENT = "#6db3f2"
_GREY = "#8b97a8"


def show(figure: go.Figure, key: str) -> None:
    """Draw a figure without the bar of buttons."""
    st.plotly_chart(
        figure,
        key=key,
        theme=None,
        config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
    )


def heat_map(
    values: np.ndarray,
    words: np.ndarray,
    hover: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_title: str = "",
    column_title: str = "",
) -> go.Figure:
    """A table of shares, darker the higher.

    values : (R, C) 0..1, NaN for an empty cell; what lies below 0 is drawn as 0
    words, hover : (R, C) what is written in a cell, and what is said of it under the pointer
    """
    # Opaque: Plotly chooses black or white for the words by the cell, as if on white.
    low, high = ("#e6edf5" if _is_light() else "#171d28"), "#2f7fcc"
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=_distinct(columns),
            y=_distinct(rows),
            text=words,
            customdata=hover,
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            colorscale=[[0, low], [1, high]],
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    long = max(map(len, columns)) * len(columns) > 36
    _framed(figure, (150 if long else 90) + CELL_PX * len(rows))
    figure.update_xaxes(
        **_names(columns), side="top", title_text=column_title, tickangle=-35 if long else 0
    )
    figure.update_yaxes(**_names(rows), autorange="reversed", title_text=row_title)
    return figure


def intervals(
    names: Sequence[str], values: Sequence[float], lows: Sequence[float], highs: Sequence[float]
) -> go.Figure:
    """A share and its interval for each name, one under the other; the axis is 0 to 100%."""
    middle = np.asarray(values, float)
    figure = go.Figure(
        go.Scatter(
            x=middle,
            y=_distinct(names),
            mode="markers",
            marker={"size": 10, "color": _ACCENT},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.asarray(highs, float) - middle,
                "arrayminus": middle - np.asarray(lows, float),
                "color": _GREY,
                "thickness": 1.5,
                "width": 4,
            },
            hovertemplate="%{x:.1%}<extra></extra>",
        )
    )
    _framed(figure, 60 + ROW_PX * len(names))
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", **fixed_axis())
    figure.update_yaxes(**_names(names), autorange="reversed")
    return figure


def lines(series: dict[str, tuple[pd.DatetimeIndex, np.ndarray]], title: str) -> go.Figure:
    """One line a name over time; long ones are thinned out, their last point kept."""
    figure = go.Figure()
    for place, (name, (times, values)) in enumerate(series.items()):
        kept = np.unique(np.linspace(0, len(values) - 1, MAX_DRAWN).astype(int))
        figure.add_scatter(
            x=times[kept],
            y=values[kept],
            mode="lines" if len(kept) > 1 else "markers",
            name=_safe(_short(name)),
            line={"shape": "hv", "width": 2, "color": CLASS_COLOURS[place % len(CLASS_COLOURS)]},
            hovertemplate="%{y:,} by %{x}<extra>" + _safe(name) + "</extra>",
        )
    _framed(figure, 300)
    figure.update_xaxes(**fixed_axis() | {"showgrid": False})
    figure.update_yaxes(title_text=title, rangemode="tozero", **fixed_axis())
    figure.update_layout(
        showlegend=len(series) > 1,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )
    return figure


def boxes(series: dict[str, np.ndarray], title: str) -> go.Figure:
    """The spread of a positive number for each name, on a logarithmic axis."""
    figure = go.Figure()
    for place, (name, values) in enumerate(series.items()):
        low, quarter, half, most, high = np.percentile(values, [5, 25, 50, 75, 95])
        figure.add_box(
            y=[_distinct(series)[place]],
            lowerfence=[low],
            q1=[quarter],
            median=[half],
            q3=[most],
            upperfence=[high],
            orientation="h",
            name=_safe(_short(name)),
            line={"color": CLASS_COLOURS[place % len(CLASS_COLOURS)], "width": 1.5},
            showlegend=False,
        )
    _framed(figure, 70 + ROW_PX * len(series))
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    figure.update_xaxes(
        type="log",
        title_text=title,
        tickmode="array",
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
        **fixed_axis(),
    )
    figure.update_yaxes(**_names(list(series)), autorange="reversed")
    return figure


def _is_light() -> bool:
    return st.context.theme.type == "light"


def _names(names: Sequence[str]) -> dict[str, object]:
    """An axis of names."""
    return {
        **fixed_axis(),
        "showgrid": False,
        "type": "category",
        "tickmode": "array",
        "tickvals": _distinct(names),
        "ticktext": [_safe(_short(name)) for name in names],
        "ticks": "",
    }


def _framed(figure: go.Figure, height: int) -> None:
    framed(
        figure,
        height,
        margin={"l": 0, "t": 8, "b": 0},
        font={"color": "#5b6675" if _is_light() else "#9aa6b6"},
        dragmode=False,
    )


def _distinct(names: Sequence[str] | dict[str, np.ndarray]) -> list[str]:
    """Values of a category axis: Plotly reads "2027" as a number and "1-2" as a date."""
    return [f"{place} {name}" for place, name in enumerate(names)]


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}\N{HORIZONTAL ELLIPSIS}"


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
