"""What a ranking has no place for: objects in which the encoder had nothing to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.run_detect import Detection
from core.survey import Survey
from labels_db import Task
from pages._server.map_data import labels_seen
from pages._server.oddest import ranked
from pages._server.selections import knowing
from pages._server.services import services
from pages._shared.faults import errors_told
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.oddest_grid import Card, draw_cards
from pages._shared.selection_state import choose_selection
from pages._shared.selection_words import objects
from pages._shared.sight import may_start
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_unseen"]

PER_PAGE = 48


def draw_unseen(task: Task, survey: Survey, detection: Detection) -> None:
    """Draw them, in the order of the survey."""
    rows = ranked(detection).unseen
    if not len(rows):
        st.info(plain(f"The encoder {detection.encoder} saw something in every object."))
        return
    st.caption(
        f"The encoder {plain(detection.encoder)} could not see these {objects(len(rows))}: no"
        " picture or spectrum, or nothing in it to measure. They are neither odd nor usual to a"
        " detector, and have no place in its ranking; look at them by themselves."
    )
    passing = filter_line(survey, task, offer=True)
    filtered = filter_in_use(survey, task) if passing is not None else None
    if filtered is not None:
        rows = rows[filtered.passing[rows]]
    if not len(rows):
        st.info("None of them passes the filter.")
        return
    n_pages = -(-len(rows) // PER_PAGE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        page = 1
        if n_pages > 1:
            key = f"oddest: unseen page {detection.run_id} {len(rows)}"
            page = int(st.number_input(f"Page of {n_pages:,}", 1, n_pages, key=key, width=140))
        if may_start() and st.button(f"Select all {len(rows):,}", type="primary"):
            origin: dict[str, Any] = {
                "kind": "search",
                "words": f"What the encoder {detection.encoder} could not see",
                "embedding": detection.embedding_run,
            }
            if filtered is not None:
                origin |= {"filter": filtered.origin["filter"]} | knowing(filtered.origin)
                origin["words"] += f", {filtered.words}"
            with errors_told():
                made = services().selections.add(survey, rows, origin, who().annotator)
                choose_selection(made.id)
    _seq, labels, _key = labels_seen(services(), task, who())
    draw_cards(
        task,
        survey,
        [_card(survey, row, labels) for row in _of_page(rows, page).tolist()],
    )


def _of_page(rows: np.ndarray, page: int) -> np.ndarray:
    return rows[(page - 1) * PER_PAGE : page * PER_PAGE]


def _card(survey: Survey, row: int, labels: dict[str, str]) -> Card:
    object_id = str(survey.object_ids[row])
    return Card(object_id, "not seen", answer=labels.get(object_id, ""))
