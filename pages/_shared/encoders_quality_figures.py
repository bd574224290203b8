"""Figures of the quality of embeddings: curves side by side, distances, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from core.representation.quality import Assessment
from pages._shared.colours import CLASS_COLOURS
from pages._shared.figures import framed

__all__ = ["differences", "distances", "probes", "rank_spectrum", "two_point_curves"]

HEIGHT_PX = 300
_GREY, _LINE, _ACCENT = "#8b97a8", "rgba(139,151,168,0.28)", "#4a97df"

Names = Mapping[str, str]
"""Run id -> how the embedding is called."""


def two_point_curves(found: Sequence[Assessment], names: Names) -> go.Figure:
    """Excess of pairs over a plain cloud against distance, with errors, of each embedding."""
    figure = go.Figure()
    for place, one in enumerate(found):
        if "r" not in one.arrays:
            continue
        name, colour = _safe(names[one.run_id]), _colour(place)
        figure.add_scatter(
            x=one.arrays["r"],
            y=one.arrays["eps"] + 1,
            error_y={"type": "data", "array": one.arrays["sigma"], "thickness": 1, "width": 3},
            mode="lines+markers",
            line={"width": 1.8, "color": colour},
            marker={"size": 5},
            name=name,
            hovertemplate="%{y:.3g} times as many pairs at %{x:.2f}<extra>" + name + "</extra>",
        )
    _framed(figure)
    figure.add_hline(y=1, line={"color": _GREY, "width": 1, "dash": "dot"})
    ticks = [0.3, 0.4, 0.5, 0.7, 1.0, 1.5]
    figure.update_xaxes(
        type="log",
        title_text="distance / median distance",
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
        **_axis(),
    )
    figure.update_yaxes(
        type="log",
        title_text="pairs / pairs of a cloud",
        dtick=1,
        exponentformat="power",
        **_axis(),
    )
    return figure


def rank_spectrum(found: Sequence[Assessment], names: Names) -> go.Figure:
    """Share of the spread in each direction, largest first, of each embedding."""
    figure = go.Figure()
    for place, one in enumerate(found):
        shares = np.asarray(one.arrays["shares"], float)
        shares = shares[shares > 1e-7]
        name = _safe(names[one.run_id])
        figure.add_scatter(
            x=np.arange(1, len(shares) + 1),
            y=shares,
            mode="lines+markers" if len(shares) < 20 else "lines",
            line={"width": 1.8, "color": _colour(place)},
            name=name,
            hovertemplate="direction %{x}: %{y:.2%}<extra>" + name + "</extra>",
        )
    _framed(figure)
    figure.update_xaxes(title_text="direction, by its spread", **_axis())
    figure.update_yaxes(
        type="log", title_text="share of the spread", tickformat=".1p", dtick=1, **_axis()
    )
    return figure


def differences(one: Assessment, ids: Sequence[str]) -> go.Figure:
    """Mean squared difference of each pair of a batch; collapse is a dark square.

    ids : the object ids of the batch, in its order
    """
    words = [_safe(name) for name in ids]
    values = np.asarray(one.arrays["differences"], float)
    apart = values[~np.eye(len(values), dtype=bool)]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            customdata=[[f"{a}<br>{b}" for b in words] for a in words],
            colorscale="Viridis",
            zmin=0.0,
            zmax=float(np.percentile(apart, 98)) if len(apart) else 1.0,
            hovertemplate="%{customdata}<br>%{z:.3g}<extra></extra>",
            colorbar={
                "thickness": 10,
                "outlinewidth": 0,
                "title": {"text": "difference", "side": "right", "font": {"size": 12}},
            },
        )
    )
    _framed(figure, 360)
    bare = {"showticklabels": False, "showgrid": False, "ticks": "", "zeroline": False}
    figure.update_xaxes(**bare, constrain="domain")
    figure.update_yaxes(**bare, autorange="reversed", scaleanchor="x", constrain="domain")
    return figure


def distances(samples: Mapping[str, np.ndarray], names: Names, places: Sequence[str]) -> go.Figure:
    """How far the other objects lie from one, of each embedding.

    samples : run id -> (n,) cosine distances. places : run ids in the order of the colours
    """
    figure = go.Figure()
    edges = np.linspace(0, 2, 61)
    for run_id, values in samples.items():
        counts, _edges = np.histogram(values, edges)
        shares = counts / max(1, counts.sum())
        name = _safe(names[run_id])
        figure.add_scatter(
            x=edges,
            y=np.append(shares, 0.0),
            mode="lines",
            line={"shape": "hv", "width": 1.6, "color": _colour(list(places).index(run_id))},
            name=name,
            hovertemplate="%{x:.2f}: %{y:.1%}<extra>" + name + "</extra>",
        )
    _framed(figure, 260)
    figure.update_xaxes(title_text="1 \N{MINUS SIGN} cosine of the angle", range=[0, 2], **_axis())
    figure.update_yaxes(title_text="share of objects", tickformat=".0%", **_axis())
    return figure


def probes(found: Sequence[Assessment], names: Names, target: str) -> go.Figure:
    """Average precision with its interval for a class, linear probe and neighbours."""
    figure = go.Figure()
    for place, (kind, title) in enumerate((("linear", "linear probe"), ("nearest", "neighbours"))):
        rows = [
            (names[one.run_id], getattr(probe, kind))
            for one in found
            for probe in one.probes
            if probe.target == target
        ]
        middle = np.array([value[0] for _, value in rows])
        figure.add_scatter(
            x=middle,
            y=[_safe(name) for name, _ in rows],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.array([value[2] for _, value in rows]) - middle,
                "arrayminus": middle - np.array([value[1] for _, value in rows]),
                "thickness": 1.5,
                "width": 4,
            },
            mode="markers",
            marker={"size": 9, "color": _colour(place), "symbol": ["circle", "diamond"][place]},
            name=title,
            hovertemplate="%{x:.3f}<extra>%{y}, " + title + "</extra>",
        )
    _framed(figure, 110 + 34 * len(found))
    figure.update_xaxes(title_text="average precision", range=[0, 1.02], **_axis())
    figure.update_yaxes(type="category", autorange="reversed", **_axis() | {"showgrid": False})
    return figure


def _colour(place: int) -> str:
    return CLASS_COLOURS[place % len(CLASS_COLOURS)]


def _axis() -> dict[str, object]:
    return {
        "gridcolor": _LINE,
        "zeroline": False,
        "automargin": True,
        "title_standoff": 6,
        "title_font_size": 13,
    }


def _framed(figure: go.Figure, height: int = HEIGHT_PX) -> None:
    framed(
        figure,
        height,
        margin={"t": 30},
        showlegend=len(figure.data) > 1,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
