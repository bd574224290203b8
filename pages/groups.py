"""The groups page: the survey told into groups of alike objects, and each of them looked at."""

from __future__ import annotations

import streamlit as st

from core.survey import Survey
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.groups import (
    KeptGrouping,
    kept_groupings,
    names_hidden,
    shown_groupings,
)
from pages._server.groups_table import GroupTable, group_table
from pages._server.services import services
from pages._server.taught import taught_words
from pages._shared.editing import tell_done
from pages._shared.faults import errors_told
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.groups_columns import draw_columns
from pages._shared.groups_make import draw_making
from pages._shared.groups_one import draw_group
from pages._shared.groups_sheet import draw_sheet
from pages._shared.groups_state import choose_group, choose_grouping
from pages._shared.selection_words import objects
from pages._shared.sight import is_hidden_here
from pages._shared.similar_results import draw_selection
from pages._shared.tasks import the_task
from pages._shared.times import moment
from pages._shared.waiting import wait_for_embedding
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["draw"]


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    survey = services().survey(task.survey)
    st.title("Groups")
    tell_done()
    from core.representation import finished_embeddings

    if not finished_embeddings(survey):
        wait_for_embedding(task.survey, "Groups are found in the embedding, which is being made.")
        return
    kept = shown_groupings(services(), survey, who())
    if n_hidden := len(kept_groupings(services(), survey)) - len(kept):
        st.caption(
            f"{n_hidden} more {'is' if n_hidden == 1 else 'are'} kept from you: the embedding was"
            " taught the answers of a blind task."
        )
    draw_making(survey, kept)
    if not kept:
        st.info(
            "There are no groups of this survey yet. They tell its objects apart by what the"
            " embedding sees, and need no answer: a quick way to look over it, and to find the"
            " artefacts together."
        )
        return
    grouping = choose_grouping(survey.name, kept)
    filter_line(survey, task, offer=True)
    filtered = filter_in_use(survey, task)
    with errors_told():
        _grouping(task, survey, grouping, filtered)
    draw_selection(task, survey)


def _grouping(
    task: Task, survey: Survey, grouping: KeptGrouping, filtered: Filtered | None
) -> None:
    passing = None if filtered is None else filtered.passing
    table = group_table(services(), task, survey, who(), grouping, passing)
    st.caption(_about(survey, grouping, table))
    if grouping.trouble:
        st.warning(plain(grouping.trouble))
    place = st.container()
    group = choose_group(survey.name, grouping, [row.size for row in table.rows])
    with place:
        draw_sheet(survey, grouping, table, group, filtered)
        for sentence in _not_shown(task, survey, table):
            st.caption(sentence)
    row = table.rows[group]
    draw_group(task, survey, grouping, row, filtered)
    if row.size:
        draw_columns(task, survey, grouping, group, filtered)


def _about(survey: Survey, grouping: KeptGrouping, table: GroupTable) -> str:
    of = f" of the embedding {grouping.embedding_run}" if grouping.embedding_run else ""
    parts = [f"{grouping.title}{of}, made {moment(grouping.made_at):%-d %B %Y, %H:%M} UTC"]
    if grouping.note:
        parts.append(grouping.note)
    if grouping.taught_by:
        parts.append(taught_words(grouping.taught_by, "the groups hang"))
    if grouping.of_version is not None:
        parts.append(
            f"They were made of version {grouping.of_version} of the survey; this is version"
            f" {survey.version}, whose new objects are in no group. Make groups again to have"
            " them in"
        )
    if table.in_none:
        are = "is" if table.in_none == 1 else "are"
        parts.append(f"{objects(table.in_none)} {are} in none of them")
    return plain(". ".join(part.rstrip(".") for part in parts) + ".")


def _not_shown(task: Task, survey: Survey, table: GroupTable) -> list[str]:
    """What the table lacks, and why."""
    told = []
    if names_hidden(services(), survey, who()):
        told.append(
            "Names that groups were given are kept from you, since a task of this survey is blind."
        )
    if is_hidden_here(task):
        told.append(
            "How many of a group are labelled or found is kept from you, since the task is blind."
        )
    if not table.measured and "images" in survey.manifest.modalities:
        told.append(
            "Groups of artefacts can be proposed once the pictures are measured:"
            f" `{command('measure', survey.name)}`."
        )
    return told
