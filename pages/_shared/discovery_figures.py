"""Figures of the discovery page, for dark and for light; each has its download as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages._shared.figures import fixed_axis as _axis
from pages._shared.figures import framed

if TYPE_CHECKING:
    from core.discovery.random_rate import RandomRate
    from core.metrics.discovery import Calibration

__all__ = ["calibration_curve", "finds_curve", "learning_curve", "precision_curve"]

HEIGHT_PX = 320
MAX_DRAWN = 500
"""Points of a line: more cannot be told apart on a screen."""
_FINDS, _CHANCE, _BAND, _GREY = "#3f8fdc", "#8b97a8", "rgba(139,151,168,0.20)", "#8b97a8"
_EACH = ("#e69f00", "#009e73", "#cc79a7", "#d55e00")
"""Of several targets, one a line (Okabe & Ito)."""


def finds_curve(
    finds: np.ndarray,
    rate: RandomRate | None,
    changes: Mapping[int, str],
    *,
    target: str,
    of_each: Mapping[str, np.ndarray] | None = None,
) -> go.Figure:
    """Finds against answers, with what a search at random would find.

    finds : (k,) after each answer; changes : number of answers -> what was shown from then on;
    of_each : of several targets, target -> (k,) finds of it
    """
    n = len(finds)
    figure = go.Figure()
    if rate is not None:
        ends = np.array([0, n])
        for value, fill in ((rate.low, None), (rate.high, "tonexty")):
            figure.add_scatter(
                x=ends,
                y=value * ends,
                mode="lines",
                line={"width": 0},
                fill=fill,
                fillcolor=_BAND,
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            x=ends,
            y=rate.rate * ends,
            mode="lines",
            line={"color": _CHANCE, "width": 1.6, "dash": "dash"},
            name="At random",
            hovertemplate="%{y:.1f} at random after %{x:,}<extra></extra>",
        )
    kept = np.unique(np.linspace(0, n, min(n + 1, MAX_DRAWN)).astype(int))
    figure.add_scatter(
        x=kept,
        y=np.append(0, finds)[kept],
        mode="lines",
        line={"color": _FINDS, "width": 2.4, "shape": "hv" if n < MAX_DRAWN else "linear"},
        name="Found",
        hovertemplate="%{y:,} found after %{x:,} answers<extra></extra>",
    )
    for number, (name, own) in enumerate((of_each or {}).items()):
        figure.add_scatter(
            x=kept,
            y=np.append(0, own)[kept],
            mode="lines",
            line={
                "color": _EACH[number % len(_EACH)],
                "width": 1.8,
                "shape": "hv" if n < MAX_DRAWN else "linear",
            },
            name=_safe(_short(name)),
            hovertemplate=f"%{{y:,}} {_safe(name)} after %{{x:,}} answers<extra></extra>",
        )
    for answers, words in changes.items():
        figure.add_vline(x=answers, line={"color": _GREY, "width": 1, "dash": "dot"})
        figure.add_scatter(
            x=[answers],
            y=[0],
            mode="markers",
            marker={"symbol": "triangle-up", "size": 9, "color": _GREY},
            name="Strategy changed",
            showlegend=False,
            hovertemplate=f"From here: {_safe(words)}<extra></extra>",
        )
    _framed(figure, legend=rate is not None or bool(of_each))
    figure.update_xaxes(title_text="answers", range=[0, 1.01 * n], **_axis())
    # By what was found and the dashed line: after few controls the band is wider than all else.
    top = max(float(finds.max(initial=0)), 0.0 if rate is None else rate.rate * n, 1.0)
    figure.update_yaxes(
        title_text=f"found: {_safe(_short(target))}", range=[0, 1.08 * top], **_axis()
    )
    return figure


def calibration_curve(found: Calibration) -> go.Figure:
    """Told against come true, with exact intervals; on the diagonal the model is right."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": _CHANCE, "width": 1.2, "dash": "dash"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=found.told,
        y=found.came,
        customdata=found.n,
        mode="markers",
        marker={"size": 10, "color": _FINDS},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": found.high - found.came,
            "arrayminus": found.came - found.low,
            "color": _GREY,
            "thickness": 1.4,
            "width": 4,
        },
        hovertemplate="told %{x:.0%}, came %{y:.0%} (%{customdata:,} objects)<extra></extra>",
    )
    _framed(figure, legend=False)
    share: dict[str, Any] = {"tickformat": ".0%", "range": [-0.03, 1.03], **_axis()}
    figure.update_xaxes(title_text="P(target) told", **share)
    figure.update_yaxes(title_text="answered as the target", **share)
    return figure


def precision_curve(precision: np.ndarray, share: float) -> go.Figure:
    """Precision among the first k by the model's order; dashed: in any order."""
    kept = np.unique(np.geomspace(1, len(precision), MAX_DRAWN).astype(int)) - 1
    figure = go.Figure()
    figure.add_scatter(
        x=kept + 1,
        y=precision[kept],
        mode="lines" if len(kept) > 1 else "markers",
        line={"color": _FINDS, "width": 2.2},
        hovertemplate="%{y:.0%} of the first %{x:,}<extra></extra>",
    )
    _framed(figure, legend=False)
    figure.add_hline(y=share, line={"color": _CHANCE, "width": 1.2, "dash": "dash"})
    figure.update_xaxes(title_text="first objects by the model", rangemode="tozero", **_axis())
    figure.update_yaxes(title_text="targets", tickformat=".0%", range=[0, 1.03], **_axis())
    return figure


def learning_curve(sizes: Sequence[int], precisions: np.ndarray, share: float) -> go.Figure:
    """Average precision against the number of answers taught; dashed: in any order."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(sizes),
        y=precisions,
        mode="lines+markers",
        line={"color": _FINDS, "width": 2.2},
        marker={"size": 8},
        connectgaps=False,
        hovertemplate="%{y:.2f} with %{x:,} answers<extra></extra>",
    )
    _framed(figure, legend=False)
    figure.add_hline(y=share, line={"color": _CHANCE, "width": 1.2, "dash": "dash"})
    figure.update_xaxes(title_text="answers taught", rangemode="tozero", **_axis())
    figure.update_yaxes(title_text="average precision", range=[0, 1.03], **_axis())
    return figure


def _framed(figure: go.Figure, *, legend: bool) -> None:
    framed(
        figure,
        HEIGHT_PX,
        margin={"l": 0, "t": 28, "b": 0},
        font={"color": "#5b6675" if st.context.theme.type == "light" else "#9aa6b6"},
        dragmode=False,
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}\N{HORIZONTAL ELLIPSIS}"


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
