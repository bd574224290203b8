"""What makes something else of a selection: a file, a name, another selection, a link."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import streamlit as st

from core.errors import BadInput, SkysiftError
from core.exchange import MEDIA_TYPES, SUFFIXES, Format
from core.survey import Survey
from core.vocabulary import Role
from labels_db import Selection, Task
from pages._server.identity import Identity, require, resolver
from pages._server.requests import WRITERS
from pages._server.selection_export import export_selection
from pages._server.services import services
from pages._server.tables import SurveyTable
from pages._shared.selection_order import ordered
from pages._shared.selection_state import choose_selection
from pages._shared.selection_words import objects, title_of
from pages._shared.who import who

__all__ = ["combine_popover", "export_popover", "link_popover", "may_change", "name_popover"]

FORMATS = {
    Format.CSV: "CSV (zip, with its provenance)",
    Format.PARQUET: "Parquet",
    Format.VOTABLE: "VOTable",
    Format.FITS: "FITS table",
}
COMBINED = {
    "and": "in both",
    "or": "in either",
    "not": "in this one, not in the other",
}


def may_change(selection: Selection, identity: Identity) -> bool:
    """Whether this person may name or delete it: whoever made it, and the owner."""
    if identity.role is Role.VIEWER:
        return False
    return identity.role is Role.OWNER or selection.made_by == identity.annotator


def name_popover(selection: Selection) -> None:
    """Name it, by which it is kept."""
    with st.popover("Rename" if selection.name else "Name", icon=":material/edit:"):
        with st.form("selection name", border=False):
            name = st.text_input("Name", value=selection.name or "", max_chars=80)
            saved = st.form_submit_button("Save", type="primary")
        st.caption(
            "Selections with a name are kept; others are cleared away after 30 days, or"
            " when you have made many newer ones."
        )
        if saved:
            try:
                if not may_change(services().selections.get(selection.id), who()):
                    raise BadInput("Only the owner and whoever made a selection may name it.")
                services().selections.rename(selection.id, name)
            except SkysiftError as error:
                st.error(str(error))
            else:
                st.rerun()


def link_popover(task: Task, selection: Selection) -> None:
    """The address that shows it to others."""
    with st.popover("Link", icon=":material/link:"):
        parts = urlsplit(st.context.url or "")
        origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        query = urlencode({"task": task.name, "selection": selection.id})
        address = f"{origin}{services().base_path}/selections?{query}"
        st.code(address, language=None, wrap_lines=True)
        st.caption("For people who can sign in here. They see what their role lets them see.")


def export_popover(
    task: Task, survey: Survey, selection: Selection, rows: np.ndarray, order: str
) -> None:
    """The objects as a file, in the order of the grid."""
    with st.popover("Export", icon=":material/download:", disabled=not len(rows)):
        format = st.selectbox(
            "As", list(FORMATS), format_func=FORMATS.__getitem__, key="selection format"
        )
        suffix = ".zip" if format is Format.CSV else SUFFIXES[format]
        name = f"{survey.name}-selection-{selection.id[:6]}{suffix}"
        cookies = dict(st.context.cookies)
        st.download_button(
            f"Download {objects(len(rows))}",
            lambda: _file(task.name, selection.id, order, format, name, cookies),
            file_name=name,
            mime="application/zip" if format is Format.CSV else MEDIA_TYPES[format],
            on_click="ignore",
            type="primary",
            key="selection file",
        )
        st.caption(
            "Every column, with the answers and the score on this task as far as you may see"
            " them; the file says how the selection was made."
        )


def _file(
    task_name: str,
    selection_id: str,
    order: str,
    format: Format,
    name: str,
    cookies: dict[str, str],
) -> bytes:
    """The file, made when it is asked for, by whoever asks then, of the survey as it is then: a
    newer version has other rows for the same objects."""
    asking = resolver()(cookies)
    if not isinstance(asking, Identity):
        raise BadInput("You are no longer signed in; reload the page.")
    task = services().db().task(task_name)
    survey = services().survey(task.survey)
    selection = services().selections.shown(selection_id, asking)
    table = SurveyTable(services(), task, survey, asking)
    rows = ordered(table, selection, services().selections.rows(selection_id, survey), order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        export_selection(table, selection, rows, format, path)
        return path.read_bytes()


def combine_popover(survey: Survey, selection: Selection) -> None:
    """A new selection of this one and a saved one."""
    with st.popover("Combine", icon=":material/join_inner:"):
        identity = who()
        saved = services().selections.saved(survey.name, identity)
        others = {one.id: one for one in saved if one.id != selection.id}
        if not others:
            st.caption("Name another selection of this survey first; then the two can be joined.")
            return
        other = st.selectbox(
            "With",
            list(others),
            format_func=lambda one: f"{title_of(others[one])} ({others[one].n_objects:,})",
            key="combine with",
        )
        how = st.radio(
            "Take what is",
            list(COMBINED),
            format_func=COMBINED.__getitem__,
            key="combine how",
        )
        if st.button("Combine them", type="primary"):
            try:
                require(identity, *WRITERS, Role.VIEWER)
                made = services().selections.combine(
                    how, selection.id, other, survey, identity.annotator
                )
            except SkysiftError as error:
                st.error(str(error))
            else:
                choose_selection(made.id)
                st.rerun()
