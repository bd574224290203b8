"""The selections page: the selection in use, the survey as a table, what was saved, id lists."""

from __future__ import annotations

from enum import StrEnum

import streamlit as st

from pages._server.requests import WRITERS
from pages._server.services import services
from pages._shared.selection_label import tell_labelled, undo_button
from pages._shared.selection_panel import selection_panel
from pages._shared.selection_saved import draw_saved, draw_upload
from pages._shared.selection_state import current_selection
from pages._shared.selection_table import draw_table
from pages._shared.tasks import the_task
from pages._shared.who import who

__all__ = ["draw"]

_PART = "selections_part"
_SEEN = "selections seen"


class Part(StrEnum):
    """The parts of the page."""

    SELECTION = "Selection"
    TABLE = "Table"
    SAVED = "Saved"
    LIST = "List of ids"


def draw() -> None:
    """Draw the part of the page that was chosen."""
    task = the_task()
    survey = services().survey(task.survey)
    st.title("Selections")
    part = _choose()
    if part is Part.TABLE:
        draw_table(task, survey)
    elif part is Part.SAVED:
        draw_saved(task, survey)
    elif part is Part.LIST:
        draw_upload(survey)
    elif current_selection() is None:
        tell_labelled()
        st.info(
            "Nothing is selected. Draw a lasso on the map, filter the table, look for look-alikes,"
            " or bring a list of ids; a selection stays in use on every page and in the link."
        )
        if who().role in WRITERS:
            undo_button(task)
    else:
        selection_panel(task, survey, current_selection())


def _choose() -> Part:
    """The part in the address, or chosen before; a new selection opens its own."""
    parts = tuple(Part)
    current = current_selection()
    if current is not None and current != st.session_state.get(_SEEN):
        first = _SEEN not in st.session_state and "part" in st.query_params
        if not first:
            st.session_state[_PART] = Part.SELECTION
    st.session_state[_SEEN] = current
    if st.session_state.get(_PART) not in parts:
        wanted = st.query_params.get("part", "")
        usual = Part.TABLE if current is None else Part.SELECTION
        st.session_state[_PART] = next((one for one in parts if _word(one) == wanted), usual)
    part = st.segmented_control(
        "Part", parts, key=_PART, required=True, label_visibility="collapsed"
    )
    assert part is not None  # it is required
    st.query_params["part"] = _word(part)
    return part


def _word(part: Part) -> str:
    return part.split()[0].lower()
