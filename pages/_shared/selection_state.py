"""What all pages share and the link carries: the selection (?selection=ID) and the filter
(?filter=JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from core.errors import BadInput
from core.survey.filtering import Condition
from labels_db import Task
from pages._server.filters import conditions_of, filter_text
from pages._shared.words import plain

__all__ = [
    "choose_filter",
    "choose_selection",
    "current_filter",
    "current_selection",
    "keep_selection",
    "object_query",
]

_CURRENT = "selection"
_FILTER = "filter"


def current_selection() -> str | None:
    """The id of the selection in use: of the link, else what was chosen on another page."""
    given = st.query_params.get(_CURRENT)
    if given:
        st.session_state[_CURRENT] = given
    kept: str | None = st.session_state.get(_CURRENT)
    return kept


def choose_selection(selection_id: str | None) -> None:
    """Use a selection from now on, on every page; None: no selection."""
    if selection_id is None:
        st.session_state.pop(_CURRENT, None)
        st.query_params.pop(_CURRENT, None)
        return
    st.session_state[_CURRENT] = selection_id
    if st.query_params.get(_CURRENT) != selection_id:
        st.query_params[_CURRENT] = selection_id


def keep_selection() -> None:
    """Put the selection and the filter in use into the address of the page that is being drawn: a
    change of pages leaves the address without them. A filter that cannot be read is told."""
    kept = current_selection()
    if kept is not None and st.query_params.get(_CURRENT) != kept:
        st.query_params[_CURRENT] = kept
    try:
        current_filter()
    except BadInput as error:
        st.warning(plain(str(error)))


def current_filter() -> tuple[Condition, ...]:
    """The conditions of the link, each once, else those chosen before, which then go into the
    link (`BadInput` for a broken link, which is forgotten)."""
    given = st.query_params.get(_FILTER)
    if given is None:
        kept: tuple[Condition, ...] = st.session_state.get(_FILTER, ())
        if kept:
            choose_filter(kept)
        return kept
    try:
        found = conditions_of(given)
    except BadInput as error:
        choose_filter(())
        raise BadInput(f"{error} It was left out.") from None
    st.session_state[_FILTER] = found
    return found


def choose_filter(conditions: Sequence[Condition]) -> None:
    """Filter all pages by these conditions from now on (`BadInput` for too many or too long
    ones)."""
    text = filter_text(conditions)
    st.session_state[_FILTER] = tuple(conditions)
    if conditions:
        st.query_params[_FILTER] = text
    else:
        st.query_params.pop(_FILTER, None)


def object_query(task: Task, object_id: str) -> str:
    """The query of a link to an object: a new page would forget the selection and the filter."""
    kept = {name: st.query_params[name] for name in (_CURRENT, _FILTER) if name in st.query_params}
    return urlencode({"task": task.name, "object": object_id, **kept})
