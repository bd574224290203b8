"""Making groups: which way, how many, of which embedding."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.mapping.groups import MIXTURE, MOST_GAUSSIANS, MOST_GROUPS
from core.run_group import AUTO
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.groups import METHOD_NAMES, KeptGrouping
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.groups_state import show_when_made
from pages._shared.who import who
from pages._shared.words import command

__all__ = ["draw_making", "group_arguments"]

USUAL = 8
_SAID = {
    "kmeans": "K groups of about the same width; every object is in the one whose centre is"
    " nearest.",
    "hdbscan": "Dense places, as many as there are; what lies between them is in none.",
    "mixture": "K Gaussians of any width and tilt; every object is in the most probable one.",
}


def draw_making(survey: Survey, kept: Sequence[KeptGrouping]) -> None:
    """The job as it stands, and for the owner the form that starts it."""
    draw_job(JobKind.GROUP, survey.name, _done, "Make them again.")
    if who().role is not Role.OWNER:
        if not kept:
            st.caption("The owner can make groups here.")
        return
    with st.expander("Make groups", expanded=not kept, icon=":material/workspaces:"):
        arguments = _form(survey)
        busy = is_running(JobKind.GROUP, survey.name)
        if st.button("Make groups", type="primary", disabled=busy, key="groups: make"):
            show_when_made(survey.name, kept)
            attempt(
                lambda _by: start(JobKind.GROUP, survey.name, arguments), "Making groups started."
            )
        st.caption(f"Or by command: `{command('group', *arguments)}`")


def group_arguments(
    survey: str,
    method: str,
    k: int | None,
    embedding_run: str,
    *,
    standardise: bool,
    min_size: int | None,
    seed: int,
) -> list[str]:
    """The command line of `python -m core.run group`; k: None for a proposed number."""
    arguments = [survey, f"--method={method}", f"--embedding={embedding_run}"]
    if method == "hdbscan":
        arguments += [f"--min-size={min_size}"] if min_size else []
    else:
        arguments.append(f"--k={AUTO if k is None else k}")
    if standardise:
        arguments.append("--standardise")
    if seed:
        arguments.append(f"--seed={seed}")
    return arguments


def _form(survey: Survey) -> list[str]:
    from core.representation import finished_embeddings
    from core.representation.quality.naming import embedding_names

    records = {one.run_id: one for one in finished_embeddings(survey)}
    names = embedding_names(survey, {run_id: one.encoder for run_id, one in records.items()})
    used = next((run_id for run_id, one in records.items() if one.in_use), "")
    runs = sorted(records, key=lambda run_id: run_id != used)
    left, middle, right = st.columns([3, 3, 4], vertical_alignment="bottom")
    with left:
        method: str = st.selectbox(
            "Method",
            list(METHOD_NAMES),
            format_func=METHOD_NAMES.__getitem__,
            key="groups: method",
        )
    k: int | None = None
    min_size: int | None = None
    with middle:
        if method == "hdbscan":
            min_size = st.number_input(
                "Fewest objects in a group",
                2,
                max(2, len(survey) // 2),
                None,
                key=f"groups: smallest {survey.name}",
                placeholder="a five-hundredth of all",
            )
        else:
            proposed = st.session_state.get("groups: propose", False)
            most = MOST_GAUSSIANS if method == MIXTURE else MOST_GROUPS
            most = max(2, min(most, len(survey)))
            given = st.number_input(
                "K, the number of groups",
                2,
                most,
                min(USUAL, most),
                key=f"groups: k {survey.name} {most}",
                disabled=proposed,
            )
            k = None if proposed else int(given)
    with right:
        embedding: str = st.selectbox(
            "Embedding",
            runs,
            format_func=lambda run_id: (
                f"{names.get(run_id, run_id)}{' (in use)' if run_id == used else ''}"
            ),
            key=f"groups: embedding {survey.name}",
        )
    st.caption(_SAID[method])
    with st.container(horizontal=True, vertical_alignment="center"):
        if method != "hdbscan":
            st.checkbox(
                "Propose K",
                key="groups: propose",
                help="The number of 2 to 12 at which groups stand apart best (silhouette). Where"
                " objects pass into one another it is often 2: then look at more.",
            )
        standardise = st.checkbox(
            "Weigh columns equally",
            key="groups: standardise",
            help="Else columns of the embedding count as they come, as on the map.",
        )
        seed = st.number_input("Seed", 0, 10**6, 0, key="groups: seed", width=120)
    return group_arguments(
        survey.name,
        method,
        k,
        embedding,
        standardise=standardise,
        min_size=min_size,
        seed=int(seed),
    )


def _done(_run: RunRow) -> None:
    st.success("The groups are made; they are shown below, and the map can be coloured by them.")
