"""The map for browsers without WebGL: a picture from the server under Plotly's lasso."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import Selection, Task
from pages._server.filters import Filtered, filter_text
from pages._server.map_colours import Paint, colourings, paint
from pages._server.map_data import Placed
from pages._server.map_picture import EXTENT
from pages._server.map_selecting import Filter, select
from pages._server.services import services
from pages._shared.selection_state import current_selection
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["drawn_map", "outline_of"]

SIDE_PX = 900
_SHOWN = 12
"""Categories in the legend; the others are counted."""
_MARKED = 5_000
"""Objects of the selection that are marked on the picture; of more a part, evenly taken."""
_GRID = 60
"""Plotly selects nothing where it has no points: a grid of unseen ones lies under the lasso."""


def drawn_map(
    task: Task, survey: Survey, placed: Placed, found: Filtered | None = None
) -> Selection | None:
    """Draw it; what was selected in this run, if anything was.

    found: the filter in use; what does not pass is dim, and is not selected.
    """
    offered = colourings(services(), task, survey, who())
    titles = {one["by"]: one["title"] for one in offered}
    by = st.selectbox("Colour by", list(titles), format_func=lambda one: titles[one])
    made = paint(services(), task, survey, who(), placed, by)
    _legend(made)
    parts: dict[str, Any] = {
        "task": task.name,
        "map": placed.key,
        "by": by,
        "size": SIDE_PX,
        "v": _named(made, found),
    }
    conditions = found.conditions if found else ()
    if conditions:
        parts["filter"] = filter_text(conditions)
    query = urlencode(parts)
    event = st.plotly_chart(
        _figure(f"{services().base_path}/api/map_picture?{query}", _marked(survey, placed)),
        key=f"drawn map {task.name} {placed.key}",
        on_select="rerun",
        selection_mode=("box", "lasso"),
        config={"displaylogo": False, "scrollZoom": True},
        theme=None,
    )
    outline = outline_of(event["selection"])
    if outline is None:
        st.caption("Draw a lasso or a box around objects to select them.")
        return None
    seen = f"{placed.key} {outline.tobytes()!r}"
    if st.session_state.get("drawn map outline") == seen:
        return None  # of an earlier run
    st.session_state["drawn map outline"] = seen
    made_of = Filter(conditions=conditions)
    selection = select(services(), task, survey, who(), placed, outline, made_of)
    if selection is None:
        nothing = "Nothing in there passes the filter" if conditions else "No object lies in there"
        st.info(f"{nothing}; the selection stays as it is.")
    return selection


def outline_of(selection: Mapping[str, Any]) -> np.ndarray | None:
    """(V, 2): the polygon of Plotly's last lasso, or the corners of its box; None of neither."""
    for one in reversed(selection.get("lasso") or []):
        outline = np.column_stack([one["x"], one["y"]]).astype(np.float64)
        return outline if len(outline) > 2 else None
    for one in reversed(selection.get("box") or []):
        (x0, x1), (y0, y1) = one["x"], one["y"]
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
    return None


def _named(made: Paint, found: Filtered | None = None) -> str:
    """A name of the colours and of what passes: Plotly fetches no picture again whose address
    stays."""
    passing = found.key if found else ""
    content = made.codes.tobytes() + repr((made.legend["colours"], passing)).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _legend(made: Paint) -> None:
    legend = made.legend
    if legend["kind"] == "numbers":
        ends = f"{legend['low']:.4g} (dark) to {legend['high']:.4g} (light)"
        st.caption(f"{plain(legend['title'])}: {ends}")
        return
    entries = list(zip(legend["names"], legend["counts"], legend["colours"], strict=True))
    shown = [
        f'<li><i style="background:{colour};height:.8em"></i>{_safe(name)} <b>{count:,}</b></li>'
        for name, count, colour in entries[:_SHOWN]
    ]
    if len(entries) > _SHOWN:
        shown.append(f"<li>and {len(entries) - _SHOWN} more</li>")
    st.html(f'<ul class="curve-legend">{"".join(shown)}</ul>')


def _marked(survey: Survey, placed: Placed) -> np.ndarray:
    """(K, 2) places of the selection in use; none of one that cannot be shown."""
    chosen = current_selection()
    if chosen is None:
        return np.empty((0, 2))
    try:
        services().selections.shown(chosen, who())
        rows = services().selections.rows(chosen, survey)
    except SkysiftError:  # the panel below says what is wrong with it
        return np.empty((0, 2))
    places = placed.places[np.isin(placed.rows, rows, assume_unique=True)]
    return places[:: -(-len(places) // _MARKED) or 1]


def _figure(address: str, marked: np.ndarray) -> go.Figure:
    side = np.linspace(-EXTENT, EXTENT, _GRID)
    x, y = (one.ravel() for one in np.meshgrid(side, side))
    figure = go.Figure(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            marker={"opacity": 0, "size": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.add_scatter(
        x=marked[:, 0],
        y=marked[:, 1],
        mode="markers",
        marker={"symbol": "circle-open", "size": 5, "color": "#6db3f2"},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_layout_image(
        source=address,
        xref="x",
        yref="y",
        x=-EXTENT,
        y=EXTENT,
        sizex=2 * EXTENT,
        sizey=2 * EXTENT,
        sizing="stretch",
        layer="below",
    )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_layout(
        height=640,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**hidden, "range": [-EXTENT, EXTENT], "constrain": "domain"},
        yaxis={**hidden, "range": [-EXTENT, EXTENT], "scaleanchor": "x"},
        dragmode="lasso",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8b97a8", "activecolor": "#6db3f2"},
    )
    return figure


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
