"""A selection as every page shows it: how many objects, which, and what can be done with them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import Selection, Task
from pages._server.identity import Identity
from pages._server.requests import WRITERS
from pages._server.services import services
from pages._server.tables import ANSWER, SCORE, SurveyTable
from pages._shared.faults import errors_told
from pages._shared.selection_label import label_button, tell_labelled, undo_button
from pages._shared.selection_order import BY_SCORE, has_scores, ordered, orders_of
from pages._shared.selection_queue import queue_button
from pages._shared.selection_state import choose_selection
from pages._shared.selection_take import (
    combine_popover,
    export_popover,
    link_popover,
    may_change,
    name_popover,
)
from pages._shared.selection_words import how_made, objects, title_of
from pages._shared.thumbnails import Thumbnail, thumbnails
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["PER_PAGE", "selection_panel"]

PER_PAGE = 60


def selection_panel(task: Task, survey: Survey, selection_id: str | None) -> None:
    """Draw it: what it is, its acts, its pictures; nothing while there is no selection."""
    if selection_id is None:
        return
    identity = who()
    try:
        selection = services().selections.shown(selection_id, identity)
        rows = services().selections.rows(selection_id, survey)
    except SkysiftError as error:
        st.warning(str(error))
        if st.button("Forget this selection", key="selection forget"):
            choose_selection(None)
            st.rerun()
        return
    tell_labelled()
    with errors_told():
        _draw(task, survey, identity, selection, rows)


def _draw(
    task: Task, survey: Survey, identity: Identity, selection: Selection, rows: np.ndarray
) -> None:
    table = SurveyTable(services(), task, survey, identity)
    _head(survey, selection, rows)
    acts = st.container(horizontal=True, key="selection-acts")
    pages = max(-(-len(rows) // PER_PAGE), 1)
    left, right, _ = st.columns([2, 2, 5], vertical_alignment="bottom")
    with left:
        order = st.selectbox(
            "Order",
            orders_of(table),
            format_func=lambda one: _by_score(table) if one == BY_SCORE else one,
            key="selection order",
        )
    page = 1
    if pages > 1:
        with right:
            if st.session_state.get("selection page", 1) > pages:
                st.session_state["selection page"] = 1
            page = int(st.number_input(f"Page of {pages:,}", 1, pages, key="selection page"))
    rows = ordered(table, selection, rows, order)
    with acts:
        _acts(task, survey, identity, selection, rows, order)
    if not len(rows):
        st.info("It has no objects: nothing fulfils what it was made from.")
        return
    _grid(task, table, rows[(page - 1) * PER_PAGE : page * PER_PAGE])


def _head(survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    st.markdown(f"#### {plain(title_of(selection))}")
    gone = selection.n_objects - len(rows)
    lost = (
        f" {objects(gone)} of version {selection.survey_version} are not in version"
        f" {survey.version}."
        if gone > 0
        else ""
    )
    st.caption(f"**{objects(len(rows))}.** {plain(how_made(selection))}{lost}")


def _acts(
    task: Task,
    survey: Survey,
    identity: Identity,
    selection: Selection,
    rows: np.ndarray,
    order: str,
) -> None:
    if identity.role in WRITERS:
        label_button(task, survey, selection, rows)
        queue_button(task, survey, selection, rows)
    export_popover(task, survey, selection, rows, order)
    combine_popover(survey, selection)
    if may_change(selection, identity):
        name_popover(selection)
    link_popover(task, selection)
    if st.button("Clear", icon=":material/close:", key="selection clear"):
        choose_selection(None)
        st.rerun()
    if identity.role in WRITERS:
        undo_button(task)


def _by_score(table: SurveyTable) -> str:
    return f"Score: {table.column(SCORE).title}"


def _grid(task: Task, table: SurveyTable, rows: np.ndarray) -> None:
    names = [ANSWER, SCORE] if has_scores(table) else [ANSWER]
    shown = []
    for row, cell in zip(rows.tolist(), table.cells(rows, names), strict=True):
        score = cell.get(SCORE)
        about = [cell[ANSWER], f"{score:.3f}" if score is not None else None]
        shown.append(
            Thumbnail(
                str(table.survey.object_ids[row]), ", ".join(filter(None, about)) or "no answer"
            )
        )
    thumbnails(task, table.survey, shown)
