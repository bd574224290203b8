"""The answers that the model contradicts most: likely mistakes, of people or of the model."""

from __future__ import annotations

import streamlit as st

from core.errors import NotReady
from core.survey import Survey
from labels_db import Task
from pages._shared.discovery_model import how_checked
from pages._shared.discovery_numbers import checked
from pages._shared.review_words import counted, share
from pages._shared.sight import may_start
from pages._shared.thumbnails import Thumbnail, thumbnails
from pages._shared.words import plain

__all__ = ["draw_surprises"]

PER_PAGE = 24


def draw_surprises(task: Task, survey: Survey) -> None:
    """Draw them, the most surprising first, each with its way to the label page.

    It stands still while others answer: pictures that move under a finger are pressed wrongly.
    """
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with right:
        afresh = may_start() and st.button("Check anew", width="stretch")
    try:
        found, behind = checked(task, afresh=afresh)
    except NotReady as error:
        st.info(str(error))
        return
    check = found.validation
    places = check.surprising()
    with left:
        st.caption(plain(how_checked(task, found, behind)))
    if not len(places):
        st.info("The model agrees with every answer; there is nothing to look at again.")
        return
    st.write(
        f"{counted(len(places), 'answer')} of {len(check.answers):,} differ from what the model"
        " says. Either may be wrong: open an object on the Label page and look again."
    )
    thumbnails(
        task,
        survey,
        [
            Thumbnail(
                found.object_ids[place],
                f"{found.classes[check.answers[place]]}; the model:"
                f" {found.classes[check.predicted[place]]}"
                f" {share(float(check.probabilities[place].max()))}",
            )
            for place in places[:PER_PAGE].tolist()
        ],
    )
    if len(places) > PER_PAGE:
        st.caption(f"The {len(places) - PER_PAGE:,} less surprising ones are not shown.")
