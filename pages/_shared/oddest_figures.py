"""Figures of the Oddest page: how odd all objects are, and how far detectors agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pages._server.oddest import Ranked
from pages._server.oddest_agreement import Agreement
from pages._shared.figures import fixed_axis, framed
from pages._shared.review_figures import heat_map

__all__ = ["correlations", "distribution", "tops"]

_GREY, _ACCENT = "#8b97a8", "#3d8fdc"


def distribution(ranking: Ranked, shown: np.ndarray, title: str) -> go.Figure:
    """How many objects have which score, counted in powers of ten, those of the rows `shown`
    marked below."""
    edges, counts = ranking.histogram
    figure = go.Figure(
        go.Bar(
            x=(edges[1:] + edges[:-1]) / 2,
            # A logarithm of nothing is drawn nowhere.
            y=np.where(counts > 0, counts, np.nan),
            width=np.diff(edges),
            marker={"color": _GREY, "opacity": 0.55, "line": {"width": 0}},
            name="all",
            hovertemplate="%{x:.3g}: %{y:,}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=ranking.scores[shown],
        y=np.full(len(shown), 0.7),
        mode="markers",
        marker={"symbol": "line-ns", "size": 12, "line": {"width": 2, "color": _ACCENT}},
        name="shown",
        customdata=ranking.places[shown],
        hovertemplate="%{x:.4g}<extra>place %{customdata:,}</extra>",
    )
    framed(
        figure, 240, legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0}, bargap=0
    )
    figure.update_xaxes(title_text=title, **fixed_axis())
    highest = np.log10(max(int(counts.max()), 1))
    figure.update_yaxes(
        **fixed_axis(),
        title_text="objects",
        type="log",
        range=[np.log10(0.5), highest + 0.1],
        tickvals=[10.0**power for power in range(int(highest) + 1)],
        tickformat=",",
    )
    return figure


def correlations(found: Agreement, titles: Sequence[str]) -> go.Figure:
    """Rank correlations as a heat map; what is below 0 is drawn as 0, and written."""
    values = found.correlation
    words = _told(values, "{:.2f}")
    hover = _pairs(words, titles, "rank correlation {}")
    return heat_map(values, words, hover, titles, titles)


def tops(found: Agreement, titles: Sequence[str]) -> go.Figure:
    """How much of their tops two rankings share, as a heat map."""
    words = found.shared.astype(str).astype(object)
    hover = _pairs(words, titles, f"{{}} of their {found.top} oddest in common")
    return heat_map(found.shared / found.top, words, hover, titles, titles)


def _told(values: np.ndarray, form: str) -> np.ndarray:
    told = np.empty(values.shape, dtype=object)
    for place, value in np.ndenumerate(values):
        told[place] = form.format(value).replace("-", "−") if np.isfinite(value) else "–"
    return told


def _pairs(words: np.ndarray, titles: Sequence[str], form: str) -> np.ndarray:
    hover = np.empty(words.shape, dtype=object)
    for (one, other), word in np.ndenumerate(words):
        pair = titles[one] if one == other else f"{titles[one]} and {titles[other]}"
        hover[one, other] = f"{pair}: {form.format(word)}"
    return hover
