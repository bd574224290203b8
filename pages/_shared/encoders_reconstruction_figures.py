"""Figures of reconstructions: errors, walks through codes, correlations, error against length."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import plotly.graph_objects as go

from core.display.stretch import dealt
from core.representation.compression import LatentError
from pages._shared.colours import CLASS_COLOURS
from pages._shared.figures import framed

__all__ = [
    "as_rgb",
    "correlations",
    "error_curves",
    "error_histogram",
    "latent_scatter",
    "traversal_sheet",
]

_GREY, _LINE, _ACCENT = "#8b97a8", "rgba(139,151,168,0.28)", "#4a97df"
MAX_FEATURES = 256
"""Rows of the heat map of correlations: more cannot be told apart on a screen."""
_GAP_PX = 2


def as_rgb(pictures: np.ndarray, is_rgb: bool) -> np.ndarray:
    """(B, band, y, x) of 0 to 1 -> (B, y, x, 3) uint8; `is_rgb`: the three bands are R, G, B."""
    planes = [dealt(one, as_rgb=is_rgb and len(one) == 3) for one in pictures]
    levels = np.rint(np.clip(np.stack(planes), 0, 1) * 255).astype(np.uint8)
    return np.moveaxis(levels, 1, -1)


def error_histogram(errors: np.ndarray) -> go.Figure:
    """How many objects have which error, in equal steps of its logarithm."""
    positive = np.maximum(errors, 1e-12)
    low, high = np.log10(positive.min()), np.log10(positive.max())
    edges = np.linspace(low - 1e-3, high + 1e-3, min(40, ceil(np.sqrt(len(errors))) + 4))
    counts, _ = np.histogram(np.log10(positive), edges)
    figure = go.Figure(
        go.Bar(
            x=10 ** ((edges[:-1] + edges[1:]) / 2),
            y=counts,
            width=10 ** edges[1:] - 10 ** edges[:-1],
            marker={"color": _ACCENT, "line": {"width": 0}},
            hovertemplate="%{y:,} objects at %{x:.2~g}<extra></extra>",
        )
    )
    framed(figure, 240)
    figure.update_xaxes(
        title_text="mean squared error a pixel (logarithmic)",
        type="log",
        **_log_ticks(positive),
        **_axis(),
    )
    figure.update_yaxes(title_text="objects", **_axis())
    return figure


def traversal_sheet(
    pictures: np.ndarray, names: Sequence[str], values: Sequence[float], is_rgb: bool
) -> go.Figure:
    """A row of pictures for each number of a code, as it takes the values.

    pictures : (R, S, band, y, x)
    values : (S,) in deviations from the middle
    """
    rows, steps, _, side, _ = pictures.shape
    cell = side + _GAP_PX
    sheet = np.zeros((rows * cell - _GAP_PX, steps * cell - _GAP_PX, 4), np.uint8)
    for row in range(rows):
        drawn = as_rgb(pictures[row], is_rgb)
        for step in range(steps):
            y, x = row * cell, step * cell
            sheet[y : y + side, x : x + side, :3] = drawn[step]
            sheet[y : y + side, x : x + side, 3] = 255
    figure = go.Figure(go.Image(z=sheet, colormodel="rgba", hoverinfo="skip"))
    framed(figure, max(140, round(480 * rows / steps)) + 50)
    figure.update_xaxes(
        title_text="deviations from the middle",
        tickvals=[step * cell + side / 2 for step in range(steps)],
        ticktext=[f"{value:+.0f}" if value else "0" for value in values],
        **_axis() | {"showgrid": False},
    )
    figure.update_yaxes(
        tickvals=[row * cell + side / 2 for row in range(rows)],
        ticktext=list(names),
        **_axis() | {"showgrid": False},
    )
    return figure


def latent_scatter(
    codes: np.ndarray, pair: tuple[int, int], ids: Sequence[str], errors: np.ndarray
) -> go.Figure:
    """Objects by two numbers of their codes, coloured by the logarithm of their error."""
    figure = go.Figure(
        go.Scattergl(
            x=codes[:, pair[0]],
            y=codes[:, pair[1]],
            mode="markers",
            marker={
                "size": 5,
                "opacity": 0.8,
                "color": np.log10(np.maximum(errors, 1e-12)),
                "colorscale": "Viridis",
                "showscale": False,
            },
            text=[_safe(one) for one in ids],
            customdata=list(ids),
            hovertemplate="%{text}<br>%{x:.2f}, %{y:.2f}<extra></extra>",
        )
    )
    framed(figure, 300)
    figure.update_xaxes(title_text=f"number {pair[0] + 1}", **_axis())
    figure.update_yaxes(title_text=f"number {pair[1] + 1}", **_axis())
    return figure


def correlations(matrix: np.ndarray) -> go.Figure:
    """A heat map of correlations, -1 to 1; the first `MAX_FEATURES` of more numbers."""
    shown = matrix[:MAX_FEATURES, :MAX_FEATURES]
    names = np.arange(1, len(shown) + 1)
    figure = go.Figure(
        go.Heatmap(
            z=np.round(shown, 3),
            x=names,
            y=names,
            zmin=-1,
            zmax=1,
            colorscale=[[0, "#d6604d"], [0.5, "#f4f4f4"], [1, "#4393c3"]],
            colorbar={"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1]},
            hovertemplate="%{x} with %{y}: %{z:.2f}<extra></extra>",
            hoverongaps=False,
        )
    )
    framed(figure, 460)
    figure.update_xaxes(
        title_text="number of the code", constrain="domain", **_axis() | {"showgrid": False}
    )
    figure.update_yaxes(
        autorange="reversed", scaleanchor="x", constrain="domain", **_axis() | {"showgrid": False}
    )
    return figure


def error_curves(errors: Sequence[LatentError]) -> go.Figure:
    """Held-out error against the length of codes: the mean over seeds, bars to their extremes."""
    figure = go.Figure()
    lengths = sorted({one.latent for one in errors})
    curves = dict.fromkeys((one.kind, one.depth) for one in errors)
    for place, (kind, depth) in enumerate(curves):
        mine = [
            [one.error for one in errors if (one.kind, one.depth, one.latent) == (kind, depth, at)]
            for at in lengths
        ]
        middle = np.array([np.mean(one) for one in mine])
        name = kind.replace("_", " ") + ("" if depth is None else f", depth {depth}")
        figure.add_scatter(
            x=lengths,
            y=middle,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": np.array([max(one) for one in mine]) - middle,
                "arrayminus": middle - np.array([min(one) for one in mine]),
                "thickness": 1,
                "width": 3,
                "visible": len(mine[0]) > 1,
            },
            mode="lines+markers",
            name=name,
            line={
                "width": 1.8,
                "color": CLASS_COLOURS[place % len(CLASS_COLOURS)],
                "dash": "solid" if depth is None else "dash",
            },
            hovertemplate="%{y:.3e} with %{x} numbers<extra>" + name + "</extra>",
        )
    framed(figure, 380)
    without = float(np.mean([one.mean_error for one in errors]))
    figure.add_scatter(
        x=[lengths[0], lengths[-1]],
        y=[without, without],
        mode="lines",
        line={"color": _GREY, "width": 1, "dash": "dot"},
        name="the mean picture",
        hovertemplate="%{y:.3e}<extra>the mean picture</extra>",
    )
    every = [without, *(one.error for one in errors)]
    figure.update_xaxes(
        title_text="numbers in a code",
        type="log",
        tickvals=lengths,
        ticktext=[f"{at:,}" for at in lengths],
        **_axis(),
    )
    figure.update_yaxes(
        title_text="held-out error a pixel", type="log", **_log_ticks(np.array(every)), **_axis()
    )
    figure.update_layout(
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
    )
    return figure


def _log_ticks(values: np.ndarray) -> dict[str, object]:
    """Round ticks where the values lie: Plotly draws none on a short logarithmic axis."""
    low, high = float(values.min()), float(values.max())
    first, last = np.floor(np.log10(low)), np.ceil(np.log10(high))
    decades = 10.0 ** np.arange(first, last + 1)
    for steps in ([1.0], [1.0, 3.0], [1.0, 2.0, 5.0], [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]):
        at = np.outer(decades, steps).ravel()
        at = at[(at >= low * 0.999) & (at <= high * 1.001)]
        if len(at) >= 3:
            break
    if len(at) < 2:
        at = np.geomspace(low, high, 3) if high > low else np.array([low])
    return {"tickvals": at.tolist(), "ticktext": [_rounded(one) for one in at.tolist()]}


def _rounded(value: float) -> str:
    if 1e-3 <= value < 1e4:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    power = f"10<sup>{int(exponent)}</sup>".replace("-", "\N{MINUS SIGN}")
    lead = f"{float(mantissa):g}"
    return power if lead == "1" else f"{lead}\N{MULTIPLICATION SIGN}{power}"


def _axis() -> dict[str, object]:
    return {"gridcolor": _LINE, "zeroline": False, "automargin": True, "title_standoff": 6}


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
