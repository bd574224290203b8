"""Editing on the pages: nothing typed is lost, each change is checked, refusals are sentences."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import Role
from pages._server.identity import require
from pages._shared.who import who

__all__ = ["as_owner", "attempt", "field", "tell_done"]

_DONE = "done"


def as_owner() -> str:
    """The owner's name to sign a change with; `Forbidden` for anybody else, looked up anew."""
    identity = who()
    require(identity, Role.OWNER)
    return identity.annotator


def attempt(act: Callable[[str], object], done: str) -> None:
    """Call `act(by)` for the owner, then draw the page anew and say `done`; or say why not."""
    try:
        act(as_owner())
    except SkysiftError as error:
        st.error(str(error))
    else:
        st.session_state[_DONE] = done
        st.rerun()


def tell_done() -> None:
    """Say what the last `attempt` did, once."""
    done = st.session_state.pop(_DONE, None)
    if done:
        st.toast(done, icon=":material/check:")


def field(
    key: str,
    stored: Any,
    options: Container[Any] | None = None,
    many: Container[Any] | None = None,
) -> str:
    """Have the widget `key` show `stored`, unless somebody is typing there; returns `key`.

    What was typed and not saved stays, even when others change the same field meanwhile; what
    nobody touched follows. `options` are those of a selectbox, `many` those of a multiselect.
    """
    state, base = st.session_state, f"{key} as stored"
    missing = object()
    shown = state.get(key, missing)
    if options is not None and shown not in options:
        shown = missing
    if many is not None and shown is not missing and any(one not in many for one in shown):
        shown = missing
    if shown is missing or shown in (state.get(base, missing), stored):
        state[base] = stored
        # Set only when it differs: setting it again would overwrite what is being typed.
        if shown is missing or shown != stored:
            state[key] = stored
    return key
