"""The map page: the survey in two dimensions, coloured; a selection opens its objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.errors import NotReady
from core.survey import Survey
from core.vocabulary import JobKind
from labels_db import Task
from pages._server.services import MapView, Scores, services
from pages._shared.colours import CLASS_COLOURS, class_colours
from pages._shared.sight import may_start, shown_classes, shown_scores
from pages._shared.tasks import the_task
from pages._shared.thumbnails import Thumbnail, thumbnails
from pages._shared.times import ago, moment
from pages._shared.who import who

__all__ = ["draw"]

MAX_POINTS = 50_000
"""Plotly's lasso is unusable past 100,000 points (measured)."""
MAX_OPENED = 60
UNLABELLED = "rgba(128,140,160,0.6)"
BY_LABEL, BY_SCORE = "Answers", "Score"


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    st.title("Map")
    survey = services().survey(task.survey)
    preparation = services().prepare(survey)
    if not preparation.embedded:
        _wait()
        return
    try:
        view = services().map(survey)
    except NotReady as error:
        st.info(str(error))
        return
    scores = shown_scores(task)
    rows, sampled = _shown_rows(view, survey, task)
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        choices = [BY_LABEL, *([BY_SCORE] if scores else []), *_columns(survey)]
        colour = st.selectbox("Colour by", choices)
    with right:
        st.caption(_about(view, scores, sampled, len(rows), len(survey)))
    if view.map_run is None or not preparation.mapped:
        _umap_state(survey)
    figure = _figure(task, survey, view, scores, rows, colour)
    event = st.plotly_chart(
        figure,
        key=f"map {task.name} {colour}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "scrollZoom": True},
        theme=None,
    )
    _selection(task, survey, scores, event)


@st.fragment(run_every=2.0)
def _wait() -> None:
    who()  # asked anew: a fragment outlives a sign-out
    survey = services().survey(the_task().survey)
    preparation = services().prepare(survey)
    if preparation.embedded:
        st.rerun()
    if preparation.error:
        st.error(preparation.error)
        if may_start() and st.button("Try again"):
            services().restart_job(JobKind.EMBED, survey)
        return
    st.progress(preparation.fraction or 0.0, preparation.sentence)
    st.caption("The map is a projection of the embedding, which is being made.")


@st.fragment(run_every=2.0)
def _umap_state(survey: Survey) -> None:
    who()
    preparation = services().prepare(survey)
    if preparation.mapped:
        st.rerun()
    if preparation.error:
        st.warning(f"There is no UMAP of the embedding in use: {preparation.error}")
        if may_start() and st.button("Make the UMAP"):
            services().restart_job(JobKind.MAP, survey)
            st.rerun(scope="fragment")
    elif preparation.sentence:
        st.progress(preparation.fraction or 0.0, preparation.sentence)


def _shown_rows(view: MapView, survey: Survey, task: Task) -> tuple[np.ndarray, bool]:
    """Rows drawn: all with a position, or a random sample and every labelled one."""
    rows = np.flatnonzero(np.isfinite(view.coordinates).all(axis=1))
    if len(rows) <= MAX_POINTS:
        return rows, False
    labelled = np.array([survey.row(name) for name in shown_classes(task)], dtype=int)
    sample = np.random.default_rng(0).choice(rows, MAX_POINTS, replace=False)
    return np.intersect1d(np.union1d(sample, labelled), rows), True


def _columns(survey: Survey) -> list[str]:
    return [
        str(name)
        for name in survey.catalogue.columns
        if name not in ("object_id", "group_id")
        and (
            pd.api.types.is_numeric_dtype(survey.catalogue[name])
            or survey.catalogue[name].nunique() <= len(CLASS_COLOURS)
        )
    ]


def _about(view: MapView, scores: Scores | None, sampled: bool, shown: int, total: int) -> str:
    parts = [f"{view.projection} of the embedding {view.embedding_run}", view.note]
    if scores is not None:
        age = datetime.now(UTC) - moment(scores.model.created_at)
        parts.append(
            f"{scores.kind.value} by model {scores.model.version}, trained on"
            f" {scores.model.n_labels} answers {ago(age.total_seconds())}"
        )
    if sampled:
        parts.append(f"A random sample of {shown:,} of {total:,} objects and all labelled ones")
    elif shown < total:
        parts.append(f"{total - shown:,} objects have no embedding and are not on the map")
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _figure(
    task: Task,
    survey: Survey,
    view: MapView,
    scores: Scores | None,
    rows: np.ndarray,
    colour: str,
) -> go.Figure:
    ids = survey.object_ids[rows]
    place = view.coordinates[rows]
    size = float(np.clip(9 - np.log10(max(len(rows), 1)) * 1.5, 2.5, 7))
    if colour == BY_LABEL:
        groups, colours = _label_groups(task, ids)
    elif colour == BY_SCORE and scores is not None:
        return _framed(_continuous(place, ids, scores.values[rows], scores.kind.value, size))
    else:
        column = survey.catalogue[colour].iloc[rows]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=float, na_value=np.nan)
            return _framed(_continuous(place, ids, values, colour, size))
        words = column.astype(str).to_numpy()
        groups = {str(word): words == word for word in sorted(set(words))}
        colours = dict(zip(groups, CLASS_COLOURS, strict=False))
    figure = go.Figure()
    for name, chosen in groups.items():
        hollow = name == NO_ANSWER
        figure.add_scattergl(
            x=place[chosen, 0],
            y=place[chosen, 1],
            customdata=ids[chosen],
            mode="markers",
            name=_safe(name),
            marker={"size": size if hollow else size + 3, "color": colours.get(name, UNLABELLED)},
            hovertemplate="%{customdata}<extra>" + _safe(name) + "</extra>",
        )
    return _framed(figure)


NO_ANSWER = "no answer"


def _label_groups(task: Task, ids: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    labels = shown_classes(task)
    answers = np.array([labels.get(name, "") for name in ids], dtype=object)
    groups = {NO_ANSWER: answers == ""}
    groups.update({name: answers == name for name in task.every_class})
    colours = class_colours(task) | {NO_ANSWER: UNLABELLED}
    return groups, colours


def _continuous(
    place: np.ndarray, ids: np.ndarray, values: np.ndarray, title: str, size: float
) -> go.Figure:
    finite = values[np.isfinite(values)]
    # Catalogue columns have tails; the colours should tell the bulk apart.
    low, high = np.percentile(finite, [2, 98]) if len(finite) else (0.0, 1.0)
    return go.Figure(
        go.Scattergl(
            x=place[:, 0],
            y=place[:, 1],
            customdata=ids,
            mode="markers",
            marker={
                "size": size,
                "color": values,
                "colorscale": "Viridis",
                "cmin": float(low),
                "cmax": float(high if high > low else low + 1),
                "colorbar": {"title": {"text": _safe(title)}, "thickness": 10, "outlinewidth": 0},
            },
            hovertemplate="%{customdata}<br>%{marker.color:.4g}<extra></extra>",
        )
    )


def _framed(figure: go.Figure) -> go.Figure:
    # The browser may be light or dark: grey reads on both, and the ground is the page's.
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "showline": False}
    figure.update_layout(
        height=620,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#8b97a8", "size": 13, "family": "Source Sans, sans-serif"},
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"},
        dragmode="lasso",
        hoverlabel={"bgcolor": "#151a23", "font": {"color": "#d9dee7"}},
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0,
            "itemsizing": "constant",
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8b97a8", "activecolor": "#6db3f2"},
    )
    return figure


def _selection(task: Task, survey: Survey, scores: Scores | None, event: Any) -> None:
    # By customdata and not by index: an index counts within a trace, not within the survey.
    picked = [point.get("customdata") for point in event.selection.points]
    ids = list(dict.fromkeys(one[0] if isinstance(one, list) else one for one in picked if one))
    if not ids:
        st.caption("Draw a lasso or a box, or click a point, to see the objects there.")
        return
    labels = shown_classes(task)
    if scores is not None:
        ids.sort(key=lambda name: -_score(scores, survey, name))
    st.subheader(f"{len(ids):,} {'object' if len(ids) == 1 else 'objects'}")
    if len(ids) > MAX_OPENED:
        st.caption(f"The {MAX_OPENED} with the highest score are shown.")
    shown = []
    for name in ids[:MAX_OPENED]:
        parts = [labels[name]] if name in labels else []
        if scores is not None:
            parts.append(f"{_score(scores, survey, name):.3f}")
        shown.append(Thumbnail(name, ", ".join(parts) or NO_ANSWER))
    thumbnails(task, survey, shown)


def _score(scores: Scores, survey: Survey, name: str) -> float:
    value = float(scores.values[survey.row(name)])
    return value if np.isfinite(value) else -np.inf


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
