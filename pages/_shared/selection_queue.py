"""A selection put ahead of the queue: looked at one by one before the ranking goes on."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from core.survey import Survey
from core.vocabulary import SELECTION_SAMPLER, Role
from labels_db import MAX_AHEAD, QueueItem, Selection, Task
from pages._server.identity import Identity, require
from pages._server.more_like import ahead_payload
from pages._server.requests import WRITERS
from pages._server.services import services
from pages._shared.faults import errors_told
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
    by: str,
) -> int:
    """Put the objects of `rows` ahead of the queue of these people, in that order, as `by` wants
    it; returns how many objects (`BadInput`)."""
    items = [
        QueueItem(str(survey.object_ids[row]), place, SELECTION_SAMPLER)
        for place, row in enumerate(rows.tolist())
    ]
    for name in people:
        services().db().put_ahead(task.name, name, items, title_of(selection), by=by)
    return len(items)


@st.dialog("Send to the queue", width="medium")
def _dialog(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    with errors_told():
        _draw(task, survey, selection, rows)


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
    _say_what_it_replaces(task, identity, people)
    if st.button("Send", type="primary"):
        send_to_queue(task, survey, selection, rows, people, identity.annotator)
        left = services().db().ahead(task.name, identity.annotator)
        if left is None:
            st.info("Nothing of it is left for you to answer: the queue goes on as before.")
            return
        rest = len(rows) - left.n_left
        answered = f" {objects(rest)} {'has' if rest == 1 else 'have'} answers already."
        # On a secret task nobody is told what is settled.
        told = answered if rest and not services().db().is_secret(task.name) else ""
        come = "comes" if left.n_left == 1 else "come"
        st.success(f"{objects(left.n_left)} {come} next.{told}")
        address = f"{services().base_path}/?{urlencode({'task': task.name})}"
        st.html(
            f'<a class="act" href="{html.escape(address)}" target="_self">Open the Label page</a>'
        )


def _say_what_it_replaces(task: Task, identity: Identity, people: list[str]) -> None:
    database = services().db()
    own = ahead_payload(database, task.name, identity)
    if own is not None:
        st.caption(f"It takes the place of {objects(own['n_left'])} ahead now ({own['reason']}).")
    everybody_else = [name for name in people if name != identity.annotator]
    others = [name for name in everybody_else if database.ahead(task.name, name) is not None]
    if others:
        st.warning(
            f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} other objects ahead now,"
            " which this takes the place of."
        )
    if everybody_else and database.is_secret(task.name):
        st.caption("The others are not told its name: on this task nothing may sway an answer.")


def _annotators(owner: Identity) -> list[str]:
    """Everybody who may answer: the owner first."""
    invited = [
        person.name
        for person in services().db().people()
        if person.disabled_at is None and person.role in WRITERS and person.name != owner.annotator
    ]
    return [owner.annotator, *invited]
