"""Ranking a survey by detectors: the form that starts the job, and what it comes to."""

from __future__ import annotations

import streamlit as st

from core.run_detect import DEFAULT_DETECTOR
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.oddest_words import detector_title, meaning
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["detect_arguments", "draw_making", "draw_ranking_job", "may_rank"]

FIRST = (DEFAULT_DETECTOR, "knn_distance", "mahalanobis", "reconstruction")
"""Chosen at first: each of another kind, so that their agreement says something."""


def may_rank() -> bool:
    """Whether this person may start the job."""
    return who().role is Role.OWNER


def detect_arguments(
    survey: str, detectors: list[str], embedding_run: str, seed: int
) -> list[str]:
    """The command line of `python -m core.run detect`."""
    named = [f"--detector={one}" for one in detectors]
    return [survey, *named, f"--embedding={embedding_run}", f"--seed={seed}"]


def draw_ranking_job(survey: Survey) -> None:
    """The job while it runs, and how it ended."""

    def done(run: RunRow) -> None:
        detector = str((run.result or {}).get("detector", ""))
        st.success(f"Ranked; the last ranking is by {plain(detector_title(detector))}.")
        # Of several detectors one may have refused, and those after it been done.
        refused = services().children.job_error(JobKind.DETECT, survey.name)
        if refused:
            st.warning(plain(refused))

    advice = "What was ranked before it ended is kept."
    draw_job(JobKind.DETECT, survey.name, done, advice)


def draw_making(survey: Survey, embedding_run: str = "") -> None:
    """The form: which detectors, of which embedding; for others than the owner who can do it.

    embedding_run: the one that is chosen at first, of which there are rankings already; "" for the
    one in use and a choice of detectors to begin with.
    """
    from core.discovery import DETECTORS
    from core.representation import finished_embeddings
    from core.representation.quality.naming import embedding_names

    if not may_rank():
        st.caption("The owner can rank the survey by detectors here.")
        return
    records = finished_embeddings(survey)
    used = next((one.run_id for one in records if one.in_use), "")
    names = embedding_names(survey, {one.run_id: one.encoder for one in records})
    ids = list(names)
    wanted = embedding_run if embedding_run in names else used
    detectors = st.multiselect(
        "Detectors",
        list(DETECTORS),
        default=[] if embedding_run else [one for one in FIRST if one in DETECTORS],
        format_func=detector_title,
        key=f"oddest: detectors {survey.name}",
        placeholder="Choose detectors",
    )
    for one in detectors:
        st.caption(f"**{plain(detector_title(one))}.** {plain(meaning(one))}")
    chosen = st.selectbox(
        "Embedding",
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        format_func=lambda one: f"{names[one]}{' (in use)' if one == used else ''}",
        key=f"oddest: of embedding {survey.name}",
    )
    seed = st.number_input(
        "Seed",
        0,
        2**31 - 1,
        0,
        key=f"oddest: seed {survey.name}",
        help="Of what a detector leaves to chance; the same seed gives the same ranking.",
    )
    busy = is_running(JobKind.DETECT, survey.name)
    arguments = detect_arguments(survey.name, detectors, str(chosen), int(seed))
    if st.button("Rank", type="primary", disabled=busy or not detectors, key="oddest: rank"):
        attempt(lambda _by: start(JobKind.DETECT, survey.name, arguments), "The job started.")
    if busy:
        st.caption("A survey is ranked by one job at a time.")
    st.caption(f"In a terminal: `{command('detect', *arguments)}`")
