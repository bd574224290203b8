"""What a person sees when a page fails: one sentence; the traceback goes to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import SkysiftError

__all__ = ["errors_told", "on_script_error"]

_log = logging.getLogger("skysift.pages")


@contextmanager
def errors_told() -> Iterator[None]:
    """Within a page: what the body refuses is told where it stands, and the page goes on."""
    try:
        yield
    except SkysiftError as error:
        st.error(str(error))


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
