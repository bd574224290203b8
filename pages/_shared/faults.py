"""What a person sees when a page fails: one sentence; the traceback goes to the log."""

from __future__ import annotations

import logging

import streamlit as st

from core.errors import SkysiftError

__all__ = ["on_script_error"]

_log = logging.getLogger("skysift.pages")


def on_script_error(error: Exception) -> bool:
    """Streamlit's hook for what a page did not catch; True: do not show the traceback."""
    if isinstance(error, SkysiftError):
        st.error(str(error))
    else:
        _log.error("A page failed.", exc_info=error)
        st.error(
            f"This page met an unforeseen error ({type(error).__name__}); the file logs/server.log"
            " in the workspace has the details. Reload the page to try again."
        )
    return True
