"""What a search for look-alikes found: the sheet, how far all others are, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import Task
from pages._server.columns import (
    MAX_COLUMNS,
    column_list,
    columns_of,
    known_columns,
    known_sentences,
)
from pages._server.filters import Filtered
from pages._server.selections import knowing
from pages._server.services import services
from pages._server.similar import Similar
from pages._server.similar_query import Example, SimilarQuery
from pages._server.visibility import prediction_shown
from pages._shared.colours import class_colours
from pages._shared.faults import errors_told
from pages._shared.figures import fixed_axis, framed, show
from pages._shared.selection_panel import selection_panel
from pages._shared.selection_state import choose_selection, current_selection, object_query
from pages._shared.sight import may_start, shown_classes
from pages._shared.similar_state import add, change
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import plain
from pages.components.lookalikes import picks, sheet

__all__ = ["about", "draw_found", "draw_selection", "wanted_columns"]

PICTURE_PX = 256
_GREY, _ACCENT = "#8b97a8", "#6db3f2"
_UNLABELLED = "#808ca0"


def draw_found(
    task: Task,
    survey: Survey,
    query: SimilarQuery,
    found: Similar,
    columns: Sequence[str],
    passing: Filtered | None = None,
) -> None:
    """The sheet, with what may be done with those that are picked, and the histogram.

    passing: the filter that was searched among.
    """
    st.caption(about(query, found, is_filtered=passing is not None))
    if not len(found.rows):
        reasons = "has an answer or no embedding"
        if passing is not None:
            reasons = "has an answer, no embedding, or does not pass the filter"
        st.info(f"Nothing is left to be found: every other object {reasons}.")
        return
    above = st.container(horizontal=True)
    cells = _cells(task, survey, query, found, columns)
    of = str(query.as_parameters())
    told = sheet(of=of, cells=cells)
    act = getattr(told, "act", None)
    if act:
        _search_on(survey, act)
    with above:
        _take(task, survey, query, found, picks(told, of), passing)
    st.markdown("**How far all others are**")
    show(_histogram(query, found), f"lookalikes {survey.name}")


def about(query: SimilarQuery, found: Similar, *, is_filtered: bool = False) -> str:
    """Which embedding was searched, how, among what, and what a distance means."""
    metric = "cosine" if query.metric == "cosine" else "Euclidean"
    others = "unlabelled objects" if query.only_unlabelled else "objects"
    if is_filtered:
        others += " that pass the filter"
    parts = [
        f"The {len(found.rows)} nearest of {found.n_searched:,} {others} by {found.encoder}"
        f" ({found.run_id}), {metric} distance; two random objects are {found.typical:.3g} apart"
    ]
    if any(not one.is_like for one in query.examples):
        parts.append("What is nearer to what it shall not look like is pushed back by as much")
    if found.recall is not None:
        parts.append(
            f"Searched through cells of alike objects, which hold {found.recall:.0%} of the ten"
            " nearest, as measured with up to ten examples; the histogram is of a sample"
        )
    if found.twins:
        are = "is the very picture" if len(found.twins) == 1 else "are the very pictures"
        parts.append(f"{len(found.twins)} of them {are} that you gave, by its pixels")
    return ". ".join(plain(part) for part in parts) + "."


def wanted_columns(task: Task, survey: Survey) -> list[str]:
    """Have the columns chosen that stand below the pictures."""
    hidden = () if prediction_shown(services().db(), task) else known_columns(survey)
    names = [one["name"] for one in column_list(survey, hidden)]
    if not names:
        return []
    key = f"similar columns {survey.name}"
    chosen = st.multiselect("Columns", names, key=key, placeholder="none", width=260)
    return chosen[:MAX_COLUMNS]


def _cells(
    task: Task, survey: Survey, query: SimilarQuery, found: Similar, columns: Sequence[str]
) -> list[dict[str, Any]]:
    labels, colours = shown_classes(task), class_colours(task)
    rows = found.rows.tolist()
    known: Sequence[str | None] = [None] * len(rows)
    if prediction_shown(services().db(), task):
        known = known_sentences(survey, rows)
    values = columns_of(survey, rows, columns) if columns else [{}] * len(rows)
    counter = any(not one.is_like for one in query.examples)
    selected = _selected(survey, found.rows)
    cells = []
    for place, row in enumerate(rows):
        object_id = str(survey.object_ids[row])
        label = labels.get(object_id, "")
        link = object_query(task, object_id)
        distance = float(found.distances[place])
        share = f", {distance / found.typical:.0%} of that of random ones" if found.typical else ""
        stands = f"; pushed back to {found.standings[place]:.4g}" if counter else ""
        cells.append(
            {
                "id": object_id,
                "src": picture_address(survey, object_id, PICTURE_PX),
                "href": f"{services().base_path}/?{link}",
                "distance": f"{place + 1}. {distance:.3g}",
                "standing": f"Distance {distance:.4g}{share}{stands}",
                "label": label,
                "colour": colours.get(label, _UNLABELLED),
                "known": known[place] or "",
                "columns": [[name, values[place].get(name)] for name in columns],
                "twin": row in found.twins,
                "selected": bool(selected[place]),
            }
        )
    return cells


def _selected(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """(k,) bool: which of the rows are in the selection in use."""
    chosen = current_selection()
    if chosen is None:
        return np.zeros(len(rows), bool)
    try:
        services().selections.shown(chosen, who())
        return np.isin(rows, services().selections.rows(chosen, survey))
    except SkysiftError:  # the panel below says what is wrong with it
        return np.zeros(len(rows), bool)


def _search_on(survey: Survey, act: dict[str, Any]) -> None:
    """Go on with one that was found: as an example, a counter-example, or alone."""
    object_id = str(act.get("id", ""))
    try:
        survey.row(object_id)
    except SkysiftError as error:
        st.error(str(error))
        return
    if act.get("kind") == "only":
        change(survey, lambda query: replace(query, examples=(Example(object_id=object_id),)))
    else:
        add(survey, Example(object_id=object_id, is_like=act.get("kind") == "like"))
    st.rerun()


def _take(
    task: Task,
    survey: Survey,
    query: SimilarQuery,
    found: Similar,
    picked: list[str],
    passing: Filtered | None,
) -> None:
    """Turn what is picked, or all that is shown, into the selection."""
    if not may_start():
        return
    shown = {str(survey.object_ids[row]): int(row) for row in found.rows}
    rows = [shown[name] for name in picked if name in shown]
    some = st.button(
        f"Select the {len(rows)} picked" if rows else "Select the picked",
        type="primary",
        disabled=not rows,
        help="To label them together, send them to the queue, save or export them.",
    )
    every = st.button(f"Select all {len(shown)} shown")
    if some or every:
        origin: dict[str, Any] = {
            "kind": "similar",
            "query": query.as_parameters(),
            "embedding": found.run_id,
            "shown": len(shown),
        }
        parts: list[dict[str, Any]] = []
        if query.only_unlabelled:
            parts.append({"tells": [task.name]})
        if passing is not None:
            origin["filter"] = passing.origin["filter"]
            parts.append(passing.origin)
        origin |= knowing(*parts)
        chosen = np.array(list(shown.values()) if every else rows)
        with errors_told():
            made = services().selections.add(survey, chosen, origin, who().annotator)
            choose_selection(made.id)
            st.rerun()  # the sheet above marks what is selected


def draw_selection(task: Task, survey: Survey) -> None:
    """The selection in use, where it is one of this survey."""
    chosen = current_selection()
    if chosen is None:
        return
    try:
        if services().selections.get(chosen).survey != survey.name:
            return
    except SkysiftError as error:
        st.caption(plain(str(error)))
        return
    st.divider()
    selection_panel(task, survey, chosen)


def _histogram(query: SimilarQuery, found: Similar) -> go.Figure:
    """How many objects stand how far off, those shown marked below."""
    counter = any(not one.is_like for one in query.examples)
    middle = (found.edges[1:] + found.edges[:-1]) / 2
    figure = go.Figure(
        go.Bar(
            x=middle,
            y=found.counts,
            width=np.diff(found.edges),
            marker={"color": _GREY, "opacity": 0.55, "line": {"width": 0}},
            name="all",
            hovertemplate="%{x:.3g}: %{y:,}<extra></extra>",
        )
    )
    ids = [f"{place + 1}" for place in range(len(found.rows))]
    figure.add_scatter(
        x=found.standings,
        y=np.zeros(len(found.rows)),
        mode="markers",
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": _ACCENT}},
        name="shown",
        customdata=ids,
        hovertemplate="%{x:.4g}<extra>place %{customdata}</extra>",
    )
    title = f"{query.metric} distance" + (", longer near what is not sought" if counter else "")
    framed(
        figure, 240, legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0}, bargap=0
    )
    figure.update_xaxes(title_text=title, **fixed_axis())
    figure.update_yaxes(title_text="objects", **fixed_axis())
    return figure
