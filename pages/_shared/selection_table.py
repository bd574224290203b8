"""A survey as a table with pictures: filtered, sorted, a hundred rows at a time."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from core.survey.filtering import Condition, Kind
from labels_db import Selection, Task
from pages._server.selections import knowing
from pages._server.services import services
from pages._server.tables import Column, SurveyTable
from pages._shared.faults import errors_told
from pages._shared.selection_filters import draw_filter, title
from pages._shared.selection_state import choose_selection, current_selection, object_query
from pages._shared.selection_words import objects
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_table"]

PER_PAGE = 100
SHOWN_COLUMNS = 8
AS_THEY_ARE = "as in the survey"
_PAGE = "table page"

_CSS = """<style>
.sheet { overflow: auto; max-height: 46rem; border-radius: 8px;
  border: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.sheet table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: 0; }
.sheet th { position: sticky; top: 0; z-index: 1; text-align: left; font-weight: 600;
  padding: .5rem .7rem; white-space: nowrap; background: var(--st-secondary-background-color); }
.sheet th { vertical-align: top; }
.sheet th small { display: block; font-weight: 400; opacity: .72; }
.sheet td { padding: .3rem .7rem; border: 0; max-width: 18rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap;
  border-top: 1px solid color-mix(in srgb, currentColor 8%, transparent); }
.sheet .number { text-align: right; font-variant-numeric: tabular-nums; }
.sheet .id { font-family: ui-monospace, monospace; font-size: .8rem; }
.sheet img { display: block; width: 3rem; height: 3rem; object-fit: cover; border-radius: 5px;
  background: #05070a; }
.sheet a { color: inherit !important; }
.sheet .none { opacity: .4; }
</style>"""


def draw_table(task: Task, survey: Survey) -> None:
    """Draw the filter, the way to a selection, and a page of the table."""
    with errors_told():
        _draw(task, survey)


def _draw(task: Task, survey: Survey) -> None:
    table = SurveyTable(services(), task, survey, who())
    conditions = draw_filter(table)
    try:
        within = _within(survey)
    except SkysiftError as error:
        st.warning(f"{error} Untick it to see the whole table.")
        return
    columns = {one.name: one for one in table.columns}
    left, middle, right, last = st.columns([6, 4, 3, 3], vertical_alignment="bottom")
    with left:
        names = _shown_columns(survey, columns)
    with middle:
        sort = st.selectbox(
            "Sort by",
            [None, *columns],
            format_func=lambda one: AS_THEY_ARE if one is None else title(columns[one]),
            key=f"table sort {survey.name}",
        )
    with right:
        descending = st.toggle(
            "Highest first", key="table descending", value=True, disabled=sort is None
        )
    with st.spinner("Sorting", show_time=False):
        rows = table.rows(
            conditions,
            None if within is None else within[1],
            sort,
            descending=descending and sort is not None,
        )
    pages = max(-(-len(rows) // PER_PAGE), 1)
    with last:
        if st.session_state.get(_PAGE, 1) > pages:
            st.session_state[_PAGE] = 1
        page = int(st.number_input(f"Page of {pages:,}", 1, pages, key=_PAGE))
    _summary(table, conditions, within, rows)
    if not len(rows):
        st.info("Nothing fulfils all of these conditions; take one out.")
        return
    _sheet(table, rows[(page - 1) * PER_PAGE : page * PER_PAGE], [columns[one] for one in names])


def _within(survey: Survey) -> tuple[Selection, np.ndarray] | None:
    """The selection in use and its rows, if the table is to show it alone (the errors of
    `Selections` if it cannot be shown)."""
    current = current_selection()
    if current is None:
        return None
    found: tuple[Selection, np.ndarray] | None = None
    problem: SkysiftError | None = None
    try:
        selection = services().selections.shown(current, who())
        found = selection, services().selections.rows(current, survey)
    except SkysiftError as error:
        problem = error
    what = f"the {objects(len(found[1]))}" if found else "what is"
    if not st.checkbox(f"Only {what} selected", key="table within"):
        return None
    if problem is not None:
        raise problem
    return found


def _shown_columns(survey: Survey, columns: dict[str, Column]) -> list[str]:
    there = [name for name in columns if name not in ("object_id", "group_id")]
    return st.multiselect(
        "Columns",
        there,
        default=there[:SHOWN_COLUMNS],
        format_func=lambda one: title(columns[one]),
        key=f"table columns {survey.name}",
    )


def _summary(
    table: SurveyTable,
    conditions: tuple[Condition, ...],
    within: tuple[Selection, np.ndarray] | None,
    rows: np.ndarray,
) -> None:
    """How many rows there are, and the button that selects them."""
    left, right = st.columns([2, 5], vertical_alignment="center")
    with left:
        pressed = st.button(
            f"Select {objects(len(rows))}",
            type="primary",
            width="stretch",
            disabled=not len(rows),
            key="table select",
        )
    with right:
        st.caption(f"{len(rows):,} of {objects(len(table.survey))} of {plain(table.survey.name)}")
    if pressed:
        origin: dict[str, Any] = {
            "kind": "filter",
            "conditions": [one.as_json() for one in conditions],
        }
        parts = [table.tells(conditions)]
        if within is not None:
            origin["within"] = {"id": within[0].id, "name": within[0].name}
            parts.append(within[0].origin)
        origin |= knowing(*parts)
        made = services().selections.add(table.survey, rows, origin, who().annotator)
        choose_selection(made.id)
        st.rerun()


def _sheet(table: SurveyTable, rows: np.ndarray, columns: list[Column]) -> None:
    task, survey = table.task, table.survey
    units = any(one.unit for one in columns)
    heads = "".join(
        f'<th{_class(one)} title="{html.escape(one.description)}">{html.escape(one.title)}'
        + (f"<small>{html.escape(one.unit)}</small></th>" if units else "</th>")
        for one in columns
    )
    lines = []
    has_pictures = (
        "images" in survey.manifest.modalities or "spectra" in survey.manifest.modalities
    )
    for row, cell in zip(
        rows.tolist(), table.cells(rows, [one.name for one in columns]), strict=True
    ):
        object_id = str(survey.object_ids[row])
        name = html.escape(object_id)
        query = object_query(task, object_id)
        address = html.escape(f"{services().base_path}/?{query}")
        picture = (
            f'<img src="{html.escape(picture_address(survey, object_id, 96))}" alt=""'
            ' loading="lazy" width="48" height="48">'
            if has_pictures
            else ""
        )
        values = "".join(f"<td{_class(one)}>{_shown(cell[one.name])}</td>" for one in columns)
        lines.append(
            f'<tr><td><a href="{address}" tabindex="-1">{picture}</a></td>'
            f'<td class="id"><a href="{address}" title="Open it on the label page">{name}</a></td>'
            f"{values}</tr>"
        )
    st.html(
        f'{_CSS}<div class="sheet" role="region" tabindex="0" aria-label="Objects of the survey">'
        f"<table><thead><tr><th></th><th>object_id</th>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _class(column: Column) -> str:
    return ' class="number"' if column.kind is Kind.NUMBER else ""


def _shown(value: Any) -> str:
    if value is None:
        return '<span class="none">–</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    return html.escape(str(value)[:200])
