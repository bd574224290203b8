"""The filter in use, as every page shows it: one line, with the ways to change and remove it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.errors import BadInput, NotFound, SkysiftError
from core.survey import Survey
from labels_db import Task
from pages._server.filters import Filtered, filtered
from pages._server.services import services
from pages._server.tables import SurveyTable
from pages._shared.selection_filters import draw_chips, draw_form, that_fit
from pages._shared.selection_state import choose_filter, current_filter
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["filter_in_use", "filter_line", "filtered_rows"]


def filter_in_use(survey: Survey, task: Task) -> Filtered | None:
    """The filter with what passes it, as this person may know; None while there is none.

    Conditions that do not fit the survey (any longer) are told and forgotten. Where it cannot be
    found now what passes, that is told and the page stops: it would show what does not.
    """
    try:
        conditions = current_filter()
        if not conditions:
            return None
        fit = that_fit(SurveyTable(services(), task, survey, who()), conditions)
        return filtered(services(), task, survey, who(), fit)
    except (NotFound, BadInput) as error:
        choose_filter(())
        st.warning(plain(str(error)))
        return None
    except SkysiftError as error:
        st.warning(plain(str(error)))
        st.stop()


def filtered_rows(survey: Survey, task: Task) -> np.ndarray | None:
    """(N,) bool by row, True for what passes the filter in use; None while there is none.

    Draws nothing but what was wrong with the filter. It may leave nothing.
    """
    found = filter_in_use(survey, task)
    return None if found is None else found.passing


def filter_line(survey: Survey, task: Task, *, offer: bool = False) -> np.ndarray | None:
    """Draw "Filter: redshift > 1 (1,234 of 10,000)" with Change and Remove; the rows as
    `filtered_rows` has them.

    offer: while there is no filter, draw a button to make one; else nothing is drawn then.
    """
    found = filter_in_use(survey, task)
    if found is None:
        if offer:
            with st.popover("Filter", icon=":material/filter_alt:"):
                draw_form(SurveyTable(services(), task, survey, who()), ())
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="filter-line"):
        st.markdown(_words(found, survey), width="content")
        with st.popover("Change", icon=":material/filter_alt:"):
            table = SurveyTable(services(), task, survey, who())
            draw_chips(table, found.conditions)
            draw_form(table, found.conditions)
        st.button("Remove", icon=":material/close:", key="filter remove", on_click=_remove)
    return found.passing


def _words(found: Filtered, survey: Survey) -> str:
    said = f"**Filter:** {plain(found.words)} ({found.n:,} of {len(survey):,})"
    return said if found.n else f"{said}: nothing passes; change or remove it"


def _remove() -> None:
    choose_filter(())
