"""The oddest page: a survey ranked by how odd its objects are to detectors, and why."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import NotReady, SkysiftError
from core.run_detect import DEFAULT_DETECTOR, Detection
from core.survey import Survey
from labels_db import Task
from pages._server.oddest import n_of_older_versions, rankings, shown_rankings
from pages._server.services import services
from pages._shared.oddest_agreement import draw_agreement
from pages._shared.oddest_make import draw_making, draw_ranking_job
from pages._shared.oddest_ranking import draw_ranking
from pages._shared.oddest_unseen import draw_unseen
from pages._shared.oddest_words import ranking_titles
from pages._shared.sight import is_hidden_here
from pages._shared.similar_results import draw_selection
from pages._shared.tasks import the_task
from pages._shared.waiting import wait_for_embedding
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw"]

_PARAMETER = "ranking"
_KEPT = "oddest ranking kept"
"""In the session: the widget forgets when another page is drawn."""


class View(StrEnum):
    """The views of the page."""

    RANKING = "Ranking"
    AGREEMENT = "Agreement"
    UNSEEN = "Unseen"


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    survey = services().survey(task.survey)
    st.title("Oddest")
    if is_hidden_here(task):
        st.info(
            "How odd objects are to a detector is kept from you on this blind task, since it might"
            " sway your answers; ask the owner, or choose another task of the survey."
        )
        return
    from core.representation import finished_embeddings

    if not finished_embeddings(survey):
        wait_for_embedding(task.survey, "Detectors look at the embedding, which is being made.")
        return
    draw_ranking_job(survey)
    found = shown_rankings(services(), survey, who())
    if n_hidden := len(rankings(survey)) - len(found):
        st.caption(
            f"{n_hidden} more {'is' if n_hidden == 1 else 'are'} kept from you: the embedding was"
            " taught the answers of a blind task."
        )
    if not found:
        _nothing_yet(survey)
        draw_making(survey)
    else:
        _found(task, survey, found)
    draw_selection(task, survey)


def _nothing_yet(survey: Survey) -> None:
    older = n_of_older_versions(survey)
    if older:
        of = "ranking is" if older == 1 else "rankings are"
        st.info(f"{older} {of} of an earlier version of this survey; rank it as it is now.")
    else:
        st.info("The survey is not ranked yet. A detector takes seconds to a few minutes.")


def _found(task: Task, survey: Survey, found: Sequence[Detection]) -> None:
    above = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        detection = _choose(survey, found, above)
        view = st.segmented_control(
            "View",
            list(View),
            default=View.RANKING,
            format_func=lambda one: _title(one, detection),
            key="oddest: view",
            label_visibility="collapsed",
            required=True,
        )
        with st.popover("Rank by others", icon=":material/add:"):
            draw_making(survey, detection.embedding_run)
    try:
        if view == View.AGREEMENT:
            draw_agreement(task, survey, detection, found)
        elif view == View.UNSEEN:
            draw_unseen(task, survey, detection)
        else:
            draw_ranking(task, survey, detection, found)
    except SkysiftError as error:
        if isinstance(error, NotReady):
            st.info(plain(str(error)))
        else:
            st.error(plain(str(error)))


def _title(view: str, detection: Detection) -> str:
    if view == View.UNSEEN and detection.n_unseen:
        return f"{view} ({detection.n_unseen:,})"
    return str(view)


def _choose(survey: Survey, found: Sequence[Detection], above: DeltaGenerator) -> Detection:
    """The ranking in use: chosen here, else of the link, else what was chosen last, else the usual
    one. A link to one that is gone is told `above`."""
    from core.representation import finished_embeddings

    used = next((one.run_id for one in finished_embeddings(survey) if one.in_use), "")
    by_name = {f"{one.detector}@{one.embedding_run}": one for one in found}
    titles = ranking_titles(survey, found)
    # Those of the embedding in use first, and by name within one: new ones do not move the others.
    names = sorted(
        by_name,
        key=lambda name: (by_name[name].embedding_run != used, titles[by_name[name].run_id]),
    )
    key = f"oddest: ranking {survey.name}"
    if st.session_state.get(key) not in names:
        given, last = st.query_params.get(_PARAMETER, ""), st.session_state.get(_KEPT, "")
        if given not in ("", last, *names):
            above.warning(
                f"The ranking {plain(given[:80])} of this link is not there (any longer); another"
                " one is shown."
            )
        wanted = (
            given,
            last,
            f"{DEFAULT_DETECTOR}@{used}",
        )
        st.session_state[key] = next((one for one in wanted if one in names), names[0])
    chosen = st.selectbox(
        "Ranking",
        names,
        format_func=lambda name: titles[by_name[name].run_id],
        key=key,
        width=340,
    )
    if st.query_params.get(_PARAMETER) != chosen:
        st.query_params[_PARAMETER] = str(chosen)
    st.session_state[_KEPT] = chosen
    return by_name[str(chosen)]
