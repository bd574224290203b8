"""A selection put ahead of the queue: looked at one by one before the ranking goes on."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from core.vocabulary import SELECTION_SAMPLER, Role
from labels_db import MAX_AHEAD, QueueItem, Selection, Task
from pages._server.identity import Identity, require
from pages._server.requests import WRITERS
from pages._server.services import services
from pages._shared.selection_words import objects, title_of
from pages._shared.who import who

__all__ = ["queue_button", "send_to_queue"]

ME, EVERYBODY = "Me", "Everybody who answers on this task"


def queue_button(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    """Draw it; it opens the dialog that sends. `rows` are in the order to be shown in."""
    if st.button("To the queue", icon=":material/low_priority:", disabled=not len(rows)):
        _dialog(task, survey, selection, rows)


def send_to_queue(
    task: Task,
    survey: Survey,
    selection: Selection,
    rows: np.ndarray,
    people: list[str],
) -> int:
    """Put the objects of `rows` ahead of the queue of these people, in that order; returns how
    many objects (`BadInput`)."""
    items = [
        QueueItem(str(survey.object_ids[row]), place, SELECTION_SAMPLER)
        for place, row in enumerate(rows.tolist())
    ]
    for name in people:
        services().db().put_ahead(task.name, name, items, title_of(selection))
    return len(items)


@st.dialog("Send to the queue", width="medium")
def _dialog(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    try:
        _draw(task, survey, selection, rows)
    except SkysiftError as error:
        st.error(str(error))


def _draw(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    identity = who()
    require(identity, *WRITERS)
    if len(rows) > MAX_AHEAD:
        st.warning(
            f"Up to {MAX_AHEAD:,} objects can go ahead of the queue, and this selection has"
            f" {len(rows):,}; take a smaller one."
        )
        return
    st.write(
        f"The Label page then shows {'this' if len(rows) == 1 else 'these'} {objects(len(rows))}"
        " first, in the order of the grid, and goes on with the ranking after them. What is"
        " answered already is passed over."
    )
    people = [identity.annotator]
    if identity.role is Role.OWNER:
        everybody = _annotators(identity)
        if len(everybody) > 1:
            chosen = st.radio("Ahead for", (ME, EVERYBODY), key="ahead for")
            if chosen == EVERYBODY:
                people = everybody
                st.caption(", ".join(everybody))
    now = services().db().ahead(task.name, identity.annotator)
    if now is not None:
        st.caption(f"It takes the place of {objects(now.n_left)} ahead now ({now.reason}).")
    if st.button("Send", type="primary"):
        send_to_queue(task, survey, selection, rows, people)
        left = services().db().ahead(task.name, identity.annotator)
        if left is None:
            st.info("Every one of them has its answers already: the queue goes on as before.")
            return
        rest = len(rows) - left.n_left
        answered = f" {objects(rest)} {'has' if rest == 1 else 'have'} answers already."
        st.success(f"{objects(left.n_left)} come next.{answered if rest else ''}")
        address = f"{services().base_path}/?{urlencode({'task': task.name})}"
        st.html(
            f'<a class="act" href="{html.escape(address)}" target="_self">Open the Label page</a>'
        )


def _annotators(owner: Identity) -> list[str]:
    """Everybody who may answer: the owner first."""
    invited = [
        person.name
        for person in services().db().people()
        if person.disabled_at is None and person.role in WRITERS and person.name != owner.annotator
    ]
    return [owner.annotator, *invited]
