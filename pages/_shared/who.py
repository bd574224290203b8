"""Who looks at the page that is being drawn."""

from __future__ import annotations

import html

import streamlit as st

from core.errors import Forbidden
from pages._server.identity import OWNER, Identity, resolver
from pages._server.services import services

__all__ = ["sign_out_button", "who"]

_BUTTON = """<form method="post" action="{action}" style="margin:0">
<button style="all:unset;cursor:pointer;font-size:.875rem;text-decoration:underline;opacity:.75"
>Sign out</button></form>"""


def who() -> Identity:
    """Return who the browser is, looked up anew: a page is drawn for whom it is now.

    Raises
    ------
    Forbidden
        Their access was taken away while the page was open.
    """
    found = resolver()(st.context.cookies)
    if isinstance(found, Identity):
        return found
    raise Forbidden(
        "You are no longer signed in: your link was revoked, has expired or was replaced; ask"
        " the owner for a new one, or reload the page to sign in again."
    )


def sign_out_button() -> None:
    """Draw it for people who were invited; the owner's own machine needs none."""
    if who().user != OWNER:
        st.html(_BUTTON.format(action=html.escape(f"{services().base_path}/sign-out")))
