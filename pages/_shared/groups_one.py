"""One group: its contact sheet, its name, and the ways to select it or its core."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.survey import Survey
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.groups import (
    CENTRAL,
    MAX_NAME,
    ORDERS,
    KeptGrouping,
    core_of,
    members,
    name_group,
    names_hidden,
    title_of,
)
from pages._server.groups_table import GroupRow
from pages._server.identity import require
from pages._server.requests import WRITERS
from pages._server.selections import knowing
from pages._server.services import services
from pages._shared.faults import errors_told
from pages._shared.groups_sheet import flagged_words, suspect_words
from pages._shared.selection_state import choose_selection
from pages._shared.selection_words import objects
from pages._shared.sight import may_start, shown_classes
from pages._shared.thumbnails import Thumbnail, thumbnails
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["PER_PAGE", "draw_group", "group_origin"]

PER_PAGE = 36
LEAST_CORE, USUAL_CORE = 10, 50
"""Percent of a group that its core may be, and is at first."""


def draw_group(
    task: Task,
    survey: Survey,
    grouping: KeptGrouping,
    row: GroupRow,
    filtered: Filtered | None = None,
) -> None:
    """Draw the group with what can be done with it."""
    st.subheader(f"{plain(title_of(grouping, row.group))}: {objects(row.size)}")
    if row.flagged is not None:
        if suspect := suspect_words(row.flagged):
            st.warning(
                f"May be artefacts. {suspect}. Look at its sheet, then name it, or select it and"
                " label it at once.",
                icon=":material/warning:",
            )
        said = flagged_words(row.flagged)
        st.caption(f"{said[0].upper()}{said[1:]}.")
    passing = None if filtered is None else filtered.passing
    rows = members(grouping, row.group, passing=passing)
    if not len(rows):
        st.info("The filter leaves none of its objects; change or remove it.")
        return
    if may_start():
        with st.container(horizontal=True, vertical_alignment="bottom", key="group-acts"):
            _select(survey, grouping, row.group, rows, filtered)
            if who().role in WRITERS and not names_hidden(services(), survey, who()):
                _naming(survey, grouping, row.group)
    _sheet(task, survey, grouping, row.group, passing)


def group_origin(
    grouping: KeptGrouping, group: int, percent: int, filtered: Filtered | None
) -> dict[str, Any]:
    """What a selection of a group, or of its most central `percent`, says of how it was made.

    A name says what somebody thinks of the objects, which every secret task of the survey keeps
    back; so do groups of an embedding that was taught answers.
    """
    part = f", the most central {percent} % of it" if percent < 100 else ""
    among = f", among what passes {filtered.words}" if filtered is not None else ""
    name = title_of(grouping, group)
    origin: dict[str, Any] = {
        "kind": "group",
        "run": grouping.run_id,
        "group": group,
        "name": name,
        "core": percent,
        "embedding": grouping.embedding_run,
        "words": f"{name} of {grouping.title} ({grouping.run_id}){part}{among}",
    }
    tells = set(grouping.taught_by)
    if group in grouping.names:
        tells.update(one.name for one in services().db().tasks(grouping.survey.name))
    told: dict[str, Any] = {"tells": sorted(tells)}
    if filtered is not None:
        origin["filter"] = filtered.origin["filter"]
        return origin | knowing(told, filtered.origin)
    return origin | knowing(told)


def _select(
    survey: Survey,
    grouping: KeptGrouping,
    group: int,
    rows: np.ndarray,
    filtered: Filtered | None,
) -> None:
    percent: int = st.slider(
        "Core: the most central part of it",
        LEAST_CORE,
        100,
        USUAL_CORE,
        5,
        format="%d %%",
        key="groups: core",
        width=240,
    )
    core = core_of(rows, percent)
    some = st.button(
        f"Select its core ({len(core):,})",
        type="primary",
        key="groups: select core",
        help="To label them together, send them to the queue, save or export them.",
    )
    every = st.button(f"Select this group ({len(rows):,})", key="groups: select all")
    if some or every:
        with errors_told():
            made = services().selections.add(
                survey,
                core if some else rows,
                group_origin(grouping, group, percent if some else 100, filtered),
                who().annotator,
            )
            choose_selection(made.id)
            st.toast(
                f"{objects(made.n_objects)} selected; the selection opens at the end of the page.",
                icon=":material/select_all:",
            )


def _naming(survey: Survey, grouping: KeptGrouping, group: int) -> None:
    with st.popover("Name this group", icon=":material/edit:"):
        with st.form(f"groups: naming {grouping.run_id} {group}", border=False):
            name = st.text_input(
                "Name of the group",
                grouping.names.get(group, ""),
                max_chars=MAX_NAME,
                placeholder=f"Group {group + 1}",
                help="For everybody who works here; kept with the grouping. Empty takes it away.",
            )
            saved = st.form_submit_button("Save its name")
        if saved:
            with errors_told():
                require(who(), *WRITERS)
                if names_hidden(services(), survey, who()):  # since the form was drawn
                    st.rerun()
                name_group(grouping, group, name)
                st.rerun()


def _sheet(
    task: Task, survey: Survey, grouping: KeptGrouping, group: int, passing: np.ndarray | None
) -> None:
    left, right, _ = st.columns([4, 2, 4], vertical_alignment="bottom")
    with left:
        order = st.segmented_control(
            "Order",
            ORDERS,
            default=CENTRAL,
            key="groups: order",
            required=True,
            label_visibility="collapsed",
        )
    rows = members(grouping, group, str(order), passing)
    pages = -(-len(rows) // PER_PAGE)
    page = 1
    if pages > 1:
        key = "groups: sheet page"
        if st.session_state.get(key, 1) > pages:
            st.session_state[key] = 1
        with right:
            page = int(st.number_input(f"Page of {pages:,}", 1, pages, key=key))
    labels, distances = shown_classes(task), grouping.distances()
    shown = []
    for place in rows[(page - 1) * PER_PAGE : page * PER_PAGE].tolist():
        object_id = str(survey.object_ids[place])
        label = labels.get(object_id, "no answer")
        shown.append(Thumbnail(object_id, f"{distances[place]:.3g} · {label}"))
    thumbnails(task, survey, shown)
    st.caption(
        "Below each: how far it is from the centre of the group, and its answer. A press opens it"
        " on the Label page."
    )
