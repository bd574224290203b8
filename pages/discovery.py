"""The discovery page: how the search goes, how good its model is, what to look at again."""

from __future__ import annotations

from enum import StrEnum

import streamlit as st

from pages._server.services import services
from pages._shared.discovery_finds import draw_finds
from pages._shared.discovery_model import draw_model
from pages._shared.discovery_numbers import HIDDEN
from pages._shared.discovery_refining import draw_refining
from pages._shared.discovery_surprises import draw_surprises
from pages._shared.sight import is_hidden_here
from pages._shared.tasks import the_task

__all__ = ["draw"]

_PART = "discovery_part"
_CSS = """<style>
.block-container h3 { font-size: 1.05rem; font-weight: 600; padding: .4rem 0 0; }
</style>"""


class Part(StrEnum):
    """The parts of the page, in the order of its choice."""

    FINDS = "Finds"
    MODEL = "Model"
    SURPRISES = "Surprises"


def draw() -> None:
    """Draw the part of the page that was chosen, for the chosen task."""
    task = the_task()
    st.html(_CSS)
    st.title("Discovery")
    if is_hidden_here(task):
        st.info(HIDDEN)
        return
    part = _choose()
    if part is Part.FINDS:
        draw_finds(task.name)
    elif part is Part.MODEL:
        draw_model(task.name)
        draw_refining(task.name)
    else:
        draw_surprises(task, services().survey(task.survey))


def _choose() -> Part:
    """The part in the address, or chosen before."""
    if st.session_state.get(_PART) not in tuple(Part):
        wanted = st.query_params.get("part", "").capitalize()
        st.session_state[_PART] = next((one for one in Part if one == wanted), Part.FINDS)
    part = st.segmented_control(
        "Part", tuple(Part), key=_PART, required=True, label_visibility="collapsed"
    )
    assert part is not None  # it is required
    st.query_params["part"] = part.lower()
    return part
