"""The saved selections of a survey, and lists of ids brought in as one."""

from __future__ import annotations

import html
from collections.abc import Callable
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import BadInput, SkysiftError
from core.survey import Survey
from labels_db import Selection, Task
from pages._server.id_lists import MAX_UPLOAD_MB, IdList, read_ids
from pages._server.identity import require
from pages._server.requests import WRITERS
from pages._server.services import services
from pages._shared.selection_state import choose_selection, current_selection
from pages._shared.selection_take import may_change
from pages._shared.selection_words import how_made, objects, title_of
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_saved", "draw_upload"]

_READ = "ids read"
_CSS = """<style>
.saved { display: grid; gap: .1rem; }
.saved > div { display: grid; grid-template-columns: minmax(0, 2fr) minmax(5rem, 1fr)
  minmax(0, 4fr); gap: 0 1rem; padding: .55rem .2rem; align-items: baseline;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.saved a { color: inherit !important; font-weight: 600; overflow-wrap: anywhere; }
.saved .n { text-align: right; font-variant-numeric: tabular-nums; }
.saved .how { font-size: .8rem; opacity: .72; overflow-wrap: anywhere; }
@media (max-width: 640px) { .saved > div { grid-template-columns: minmax(0, 1fr) auto; }
  .saved .how { grid-column: 1 / -1; } }
</style>"""


def draw_saved(task: Task, survey: Survey) -> None:
    """Draw the selections that have a name, and what may be done to one of them."""
    identity = who()
    saved = services().selections.saved(survey.name, identity)
    if not saved:
        st.info(
            "No selection of this survey has a name yet. Make one by a filter, a lasso on the map"
            " or a list of ids, and name it: named ones are kept and listed here."
        )
        return
    rows = "".join(_row(task, one) for one in saved)
    st.html(f'{_CSS}<div class="saved">{rows}</div>')
    mine = {one.id: one for one in saved if may_change(one, identity)}
    if not mine:
        return
    st.space("small")
    with st.expander("Rename or delete one"):
        chosen = st.selectbox(
            "Selection", list(mine), format_func=lambda one: title_of(mine[one]), key="saved one"
        )
        name = st.text_input("Name", value=mine[chosen].name or "", key=f"saved name {chosen}")
        left, right, _ = st.columns([1, 1, 4])
        with left:
            if st.button("Rename", width="stretch"):
                _change(chosen, name=name)
        with right:
            if st.button("Delete", width="stretch"):
                _change(chosen, name=None)
        st.caption("A selection is only a list: what was labelled from it stays.")


def _row(task: Task, selection: Selection) -> str:
    query = urlencode({"task": task.name, "selection": selection.id})
    address = html.escape(f"{services().base_path}/selections?{query}")
    name, how = html.escape(title_of(selection)), html.escape(how_made(selection))
    return (
        f'<div><a href="{address}" target="_self">{name}</a>'
        f'<span class="n">{selection.n_objects:,}</span><span class="how">{how}</span></div>'
    )


def _change(selection_id: str, *, name: str | None) -> None:
    """Rename it, or delete it where there is no name; others may have done so meanwhile."""
    selections = services().selections
    try:
        if not may_change(selections.get(selection_id), who()):
            raise BadInput("Only the owner and whoever made a selection may change it.")
        if name is not None:
            selections.rename(selection_id, name)
        else:
            selections.delete(selection_id)
            if current_selection() == selection_id:
                choose_selection(None)
    except SkysiftError as error:
        st.error(str(error))
        return
    st.rerun()


def draw_upload(survey: Survey) -> None:
    """Draw what takes in a list of ids: a file, or typed ones."""
    if who().role not in WRITERS:
        st.info("Viewers look and bring no lists; ask the owner, or filter the table.")
        return
    st.caption(
        "A text file with one object id a line, or a CSV with a column object_id (else its first"
        " column is taken). The ids are those of the survey's catalogue."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        upload = st.file_uploader(
            f"A file of up to {MAX_UPLOAD_MB} MB", max_upload_size=MAX_UPLOAD_MB, key="ids file"
        )
    with right:
        typed = st.text_area("Or ids, one a line", key="ids typed", height=118)
    try:
        if upload is not None:
            found = _read(upload.getvalue, upload.name, upload.file_id, survey)
        elif typed.strip():
            found = _read(typed.encode, "", typed, survey)
        else:
            return
        _describe(found, survey)
        if st.button(
            f"Select {objects(len(found.rows))}", type="primary", disabled=not len(found.rows)
        ):
            _make(survey, found)
    except SkysiftError as error:
        st.error(str(error))


def _read(content: Callable[[], bytes], name: str, of: str, survey: Survey) -> IdList:
    """The list, read once: every press on the page draws it anew. `of` tells it from others."""
    key = (of, survey.manifest.content_hash)
    kept: tuple[tuple[str, str], IdList] | None = st.session_state.get(_READ)
    if kept is not None and kept[0] == key:
        return kept[1]
    found = read_ids(content(), name, survey)
    st.session_state[_READ] = key, found
    return found


def _describe(found: IdList, survey: Survey) -> None:
    st.write(
        f"{found.n_given:,} ids from {plain(found.column)}: {len(found.rows):,} are in the survey"
        f" {plain(survey.name)}."
    )
    if found.unknown:
        st.warning(
            f"{found.n_unknown:,} are not in it"
            + (f"; the first {len(found.unknown)} are listed." if found.is_cut else ":")
        )
        st.dataframe(pd.DataFrame({"Unknown id": found.unknown}), hide_index=True, height=180)


def _make(survey: Survey, found: IdList) -> None:
    identity = who()
    require(identity, *WRITERS)
    origin = {
        "kind": "upload",
        "n_given": found.n_given,
        "n_unknown": found.n_unknown,
        "file": found.file,
    }
    made = services().selections.add(survey, np.asarray(found.rows), origin, identity.annotator)
    choose_selection(made.id)
    st.rerun()
