"""What all pages share and the link carries: the selection (?selection=ID) and the filter of the
table (?filter=JSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from core.errors import BadInput
from core.survey.filtering import Condition, as_condition

__all__ = [
    "choose_filter",
    "choose_selection",
    "current_filter",
    "current_selection",
    "keep_selection",
]

_CURRENT = "selection"
_FILTER = "filter"
MAX_CONDITIONS = 20
MAX_FILTER_BYTES = 8192
"""Of a filter in the address: servers on the way refuse longer ones."""


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
    """Put the selection in use into the address of the page that is being drawn: a change of
    pages leaves the address without it."""
    kept = current_selection()
    if kept is not None and st.query_params.get(_CURRENT) != kept:
        st.query_params[_CURRENT] = kept


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
        if len(given.encode()) > MAX_FILTER_BYTES:
            raise ValueError(f"it is longer than {MAX_FILTER_BYTES:,} bytes")
        listed = json.loads(given)
        if not isinstance(listed, list) or len(listed) > MAX_CONDITIONS:
            raise ValueError("it is no list of conditions")
        found = tuple(dict.fromkeys(as_condition(one) for one in listed))
    except (ValueError, RecursionError, BadInput) as error:
        choose_filter(())
        raise BadInput(
            f"The filter of this link cannot be read ({str(error)[:160]}); it was left out."
        ) from None
    st.session_state[_FILTER] = found
    return found


def choose_filter(conditions: Sequence[Condition]) -> None:
    """Filter the table by these conditions from now on (`BadInput` for too many or too long
    ones)."""
    if len(conditions) > MAX_CONDITIONS:
        raise BadInput(
            f"A filter has up to {MAX_CONDITIONS} conditions; make a selection of this one and go"
            " on from there."
        )
    listed = [one.as_json() for one in conditions]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    if (n_bytes := len(text.encode())) > MAX_FILTER_BYTES:
        raise BadInput(
            f"A filter is part of the address and has up to {MAX_FILTER_BYTES:,} bytes, but this"
            f" one has {n_bytes:,}; instead of a long list of values bring a list of ids."
        )
    st.session_state[_FILTER] = tuple(conditions)
    if conditions:
        st.query_params[_FILTER] = text
    else:
        st.query_params.pop(_FILTER, None)
