"""The look-alikes page: from any object, picture or part of one to what looks like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from core.errors import NotReady, SkysiftError
from core.mapping.lookalikes import ALL, ANY, METRICS
from core.survey import Survey
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.services import services
from pages._server.similar import search
from pages._server.similar_query import LEAST_SHOWN, MOST_SHOWN, SimilarQuery
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.sight import shown_classes
from pages._shared.similar_examples import draw_adding, draw_examples
from pages._shared.similar_pairs import draw_pairs
from pages._shared.similar_results import draw_found, draw_selection, wanted_columns
from pages._shared.similar_state import current_query, noted, told, use_query
from pages._shared.tasks import the_task
from pages._shared.waiting import wait_for_embedding
from pages._shared.words import plain

__all__ = ["draw"]

SEARCH, PAIRS = "Look-alikes", "Near-duplicates"
_TOGETHER = {ALL: "all of them", ANY: "any of them"}


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    survey = services().survey(task.survey)
    st.title("Look-alikes")
    from core.representation import finished_embeddings

    if not finished_embeddings(survey):
        wait_for_embedding(
            task.survey, "Look-alikes are the nearest in the embedding, which is being made."
        )
        return
    query = current_query(survey)
    view = st.segmented_control(
        "View",
        (SEARCH, PAIRS),
        default=SEARCH,
        key="similar: view",
        label_visibility="collapsed",
        required=True,
    )
    if view == SEARCH:
        draw_adding(task, survey, query)
    refused = told()
    if refused:
        st.error(refused)
    done = noted()
    if done:
        st.info(plain(done))
    if view == SEARCH:
        draw_examples(survey, query)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = _settings(survey, query, with_search=view == SEARCH)
        columns = wanted_columns(task, survey) if view == SEARCH else []
    filter_line(survey, task, offer=True)
    passing = filter_in_use(survey, task)
    try:
        if view == PAIRS:
            draw_pairs(task, survey, query, passing)
        else:
            _found(task, survey, query, columns, passing)
    except SkysiftError as error:
        if isinstance(error, NotReady):
            st.info(str(error))
        else:
            st.error(str(error))
    draw_selection(task, survey)


def _found(
    task: Task,
    survey: Survey,
    query: SimilarQuery,
    columns: list[str],
    passing: Filtered | None,
) -> None:
    if not query.examples:
        st.info(
            "Give an object by its id, a picture or a place on the sky, or come here from an"
            " object on the map or the label page; what looks most like it is shown at once."
        )
        return
    rows = None if passing is None else passing.passing
    found = search(services(), survey, query, _labelled(task, survey), rows)
    draw_found(task, survey, query, found, columns, passing)


def _labelled(task: Task, survey: Survey) -> np.ndarray:
    """(L,) rows that have an answer, as far as this person may know."""
    rows = []
    for object_id in shown_classes(task):
        try:
            rows.append(survey.row(object_id))
        except SkysiftError:  # of an earlier version of the survey
            continue
    return np.array(rows, np.int64)


def _settings(survey: Survey, query: SimilarQuery, *, with_search: bool) -> SimilarQuery:
    """The settings as widgets; the search with what was chosen."""
    from core.representation import finished_embeddings
    from core.representation.quality.naming import embedding_names

    records = {one.run_id: one for one in finished_embeddings(survey)}
    names = embedding_names(survey, {run_id: one.encoder for run_id, one in records.items()})
    used = next((run_id for run_id, one in records.items() if one.in_use), "")
    choices = list(dict.fromkeys([query.embedding or used, *records]))
    embedding = st.selectbox(
        "Embedding",
        choices,
        key="similar: embedding",
        format_func=lambda run_id: (
            f"{names.get(run_id, run_id)}{' (in use)' if run_id == used else ''}"
        ),
        width=260,
    )
    metric = st.selectbox(
        "Distance",
        list(METRICS),
        index=list(METRICS).index(query.metric),
        key="similar: distance",
        help=". ".join(f"{name}: {words}" for name, words in METRICS.items()),
        width=140,
    )
    how, shown, only = query.how, query.shown, query.only_unlabelled
    if with_search:
        if sum(one.is_like for one in query.examples) > 1:
            how = st.selectbox(
                "Like",
                list(_TOGETHER),
                index=list(_TOGETHER).index(query.how),
                key="similar: together",
                format_func=_TOGETHER.__getitem__,
                width=140,
            )
        shown = st.number_input(
            "Shown", LEAST_SHOWN, MOST_SHOWN, query.shown, 12, key="similar: shown", width=120
        )
        only = st.checkbox(
            "Only unlabelled", query.only_unlabelled, key="similar: only unlabelled"
        )
    changed = replace(
        query,
        embedding="" if embedding == used else str(embedding),
        metric=str(metric),
        how=str(how),
        shown=int(shown),
        only_unlabelled=bool(only),
    )
    if changed != query:
        use_query(survey, changed)
    return changed
