"""The review page: what annotators differ on, what happened to an object, how far all agree."""

from __future__ import annotations

import streamlit as st

from pages._server.services import services
from pages._shared.review_agreement import draw_agreement
from pages._shared.review_disputes import draw_disputes
from pages._shared.review_gold import draw_gold
from pages._shared.review_history import LINKED, draw_history
from pages._shared.review_sight import Part, sight
from pages._shared.review_work import draw_work
from pages._shared.tasks import the_task
from pages._shared.who import who

__all__ = ["draw"]

_PART = "review_part"
_CSS = """<style>
.review-picture img { display: block; width: min(100%, max(16rem, 100svh - 15rem)); height: auto;
  aspect-ratio: 1; object-fit: contain; border-radius: 10px; background: #05070a; }
.review-ahead { position: absolute; width: 1px; height: 1px; overflow: hidden; opacity: 0; }
.block-container h3 { font-size: 1.05rem; font-weight: 600; padding: .4rem 0 0; }
.review-said h2 { font: 600 .95rem var(--st-code-font, ui-monospace, monospace); padding: 0;
  margin: 0 0 .1rem; overflow-wrap: anywhere; letter-spacing: 0; }
.review-said p { font-size: .82rem; opacity: .72; margin: 0; overflow-wrap: anywhere; }
.review-said ul { list-style: none; margin: .7rem 0 0; padding: 0; max-height: 15rem;
  overflow: auto; display: grid; gap: .35rem; }
.review-said li { margin: 0; padding: 0; font-size: .9rem; overflow-wrap: anywhere; }
.review-said b { font-weight: 600; }
.review-said b::before { content: ""; display: inline-block; width: .6em; height: .6em;
  border-radius: 50%; margin-right: .5em; background: var(--c); }
.review-said span { font-size: .8rem; opacity: .65; }
.review-said .notes q { font-style: italic; white-space: pre-wrap; }
.review-link { font-size: .875rem; color: inherit !important; opacity: .75; }
</style>"""


def draw() -> None:
    """Draw the part of the page that was chosen, as far as the person may see it."""
    task = the_task()
    survey = services().survey(task.survey)
    st.html(_CSS)
    st.title("Review")
    sees = sight(task, who())
    part = _choose(sees.parts)
    if sees.why:
        st.caption(sees.why)
    if part is Part.DISAGREEMENTS:
        draw_disputes(task, survey, sees)
    elif part is Part.HISTORY:
        draw_history(task, survey, sees)
    elif part is Part.AGREEMENT:
        draw_agreement(task)
    elif part is Part.GOLD:
        draw_gold(task, survey, sees)
    else:
        draw_work(task, sees)


def _choose(parts: tuple[Part, ...]) -> Part:
    """The part in the address, or chosen before; a link to an object opens its history."""
    linked = st.query_params.get("object", "")
    if linked and Part.HISTORY in parts and linked != st.session_state.get(LINKED, ""):
        st.session_state[_PART] = Part.HISTORY
    elif st.session_state.get(_PART) not in parts:
        wanted = st.query_params.get("part", "").capitalize()
        st.session_state[_PART] = next((one for one in parts if one == wanted), parts[0])
    part = st.segmented_control(
        "Part", parts, key=_PART, required=True, label_visibility="collapsed"
    )
    assert part is not None  # it is required
    st.query_params["part"] = part.lower()
    if part is not Part.HISTORY:
        st.query_params.pop("object", None)
        st.session_state[LINKED] = ""
    return part
