"""Labels back into the network: what it brought, how far it is, and the button that starts it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import Damaged, NotReady
from core.run_teaching import (
    FEWEST,
    LEAST_FINDS,
    LEAST_LABELS,
    LabelCount,
    is_automatic,
    label_count,
    refinings,
    set_automatic,
)
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind, Role, RunState
from labels_db import RunRow, Task
from pages._server.services import services
from pages._shared.discovery_numbers import HIDDEN, REFRESH_S
from pages._shared.editing import attempt, field
from pages._shared.review_words import counted, since
from pages._shared.sight import is_hidden_here, may_start
from pages._shared.times import duration
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_refining"]

TEACH = "Teach the network"
BY_ITSELF = "Teach it as labels come"
MAX_RUNS = 5


@st.fragment(run_every=REFRESH_S)
def draw_refining(name: str) -> None:
    """Draw it for the task of that name, for whom may still see it."""
    task = services().db().task(name)
    if is_hidden_here(task):  # asked anew: a fragment outlives a sign-out
        st.info(HIDDEN)
        return
    survey = services().survey(task.survey)
    st.subheader("Labels back into the network")
    if not survey.has_image.any():
        st.caption(
            f"Labels are taught to a network that sees pictures; {plain(survey.name)} has none."
        )
        return
    runs = refinings(survey, task.name)
    if runs:
        _outcome(survey, runs)
    else:
        st.caption(
            "The network behind the embedding was trained without labels. Taught those of this"
            " task, it may tell targets apart better. Whether it does is judged by labels that it"
            " was not taught: only if it finds more, its embedding is put to use, and the queue"
            " is ranked by that."
        )
    job = _running(survey)
    if job is not None:
        _progress(job)
    elif may_start():
        _start(task, survey)
    if who().role is Role.OWNER:
        _switch(task)


def _outcome(survey: Survey, runs: list[RunRecord]) -> None:
    """The decision of the newest run in words, and the newest ones in a table."""
    newest = runs[0].record.get("result") or {}
    st.write(plain(str(newest.get("words", ""))))
    for note in newest.get("notes", ()):
        st.caption(plain(f"{note}."))
    used = _networks_in_use(survey)
    rows = [_row(run, run.run_id in used) for run in runs[:MAX_RUNS]]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "By the embedding in use then, and by the new one. Finds first: the held-out finds that"
        " come among the first twentieth of unanswered objects. Come before a find: the share of"
        " these objects, in the mean. Octaves gained: 1 = half as many; in brackets the"
        f" {float(newest.get('level', 0)):.0%} interval."
    )


def _row(run: RunRecord, is_used: bool) -> dict[str, object]:
    result = run.record.get("result") or {}
    config = run.config
    held = int(result.get("n_held_out", 0))
    first = [f"{float(result.get(key, 0)):.0f}" for key in ("first_before", "first_after")]
    decision = "taken" if result.get("is_better") else "not taken"
    return {
        "When": since(str(run.record["finished"])),
        "Method": str(config.get("way")),
        "Labels": f"{config.get('n_labels', 0):,} ({config.get('n_finds', 0):,} finds)",
        "Finds first": f"{first[0]} \N{RIGHTWARDS ARROW} {first[1]} of {held}",
        "Come before a find": f"{float(result.get('before', 0)):.1%} \N{RIGHTWARDS ARROW}"
        f" {float(result.get('after', 0)):.1%}",
        "Octaves gained": f"{float(result.get('gain', 0)):+.2f}"
        f" ({float(result.get('low', 0)):+.2f} to {float(result.get('high', 0)):+.2f})",
        "Decision": decision,
        "In use": "\N{CHECK MARK}" if is_used else "",
    }


def _networks_in_use(survey: Survey) -> set[str]:
    """The run whose network is behind the embedding in use, if it was named."""
    from core.representation import finished_embeddings

    used = (one for one in finished_embeddings(survey) if one.in_use)
    return {one.options.get("weights", "") for one in used}


def _running(survey: Survey) -> RunRow | None:
    services().db().clean_orphans()
    return services().running(JobKind.REFINE, survey.name)


def _progress(job: RunRow) -> None:
    words = f"**Teaching labels of {plain(str(job.config.get('task')))}**: "
    words += "stopping" if job.cancel_requested else plain(job.message or "starting")
    if job.eta_s and not job.cancel_requested:
        words += f", about {duration(job.eta_s)} left in all"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction or 0.0, words, width="stretch")
        if may_start() and not job.cancel_requested:
            st.button("Cancel", key=f"cancel {job.run_id}", on_click=_cancel, args=(job.run_id,))


def _cancel(run_id: str) -> None:
    if may_start():
        services().db().request_cancel(run_id)


def _start(task: Task, survey: Survey) -> None:
    """The button, what is lacking for it, and how the last one ended that did not end well."""
    children = services().children
    count = label_count(services().db(), task)
    is_starting = children.job_running(JobKind.REFINE, survey.name)
    lacking = _lacking(count) or _no_embedding(survey)
    st.button(
        TEACH,
        disabled=bool(lacking) or is_starting,
        key=f"teach {task.name}",
        on_click=_teach,
        args=(task,),
    )
    if lacking:
        st.caption(plain(lacking))
    elif is_starting:
        st.caption("Starting.")
    else:
        st.caption(
            "It takes some minutes in the background, and the whole survey is embedded anew if it"
            " helps; the queue in use stays meanwhile."
        )
    if error := _error(survey):
        st.error(plain(error))


def _teach(task: Task) -> None:
    if may_start():
        arguments = [task.survey, "--task", task.name]
        services().children.start_job(JobKind.REFINE, task.survey, arguments)


def _lacking(count: LabelCount) -> str:
    """What is lacking, "" for nothing."""
    if count.is_enough:
        return ""
    n_others = count.n_labels - count.n_finds
    return (
        f"To teach it takes {FEWEST} finds and {FEWEST} others; there are {count.n_finds:,} and"
        f" {n_others:,}."
    )


def _no_embedding(survey: Survey) -> str:
    try:
        services().embedding(survey)
    except NotReady as error:
        return str(error)
    return ""


def _error(survey: Survey) -> str:
    """Why the newest run failed; "" where it did not, or a person stopped it."""
    runs = services().db().runs(100)
    mine = (run for run in runs if (run.kind, run.subject) == (JobKind.REFINE, survey.name))
    newest = next(mine, None)
    if newest is not None and newest.state in (RunState.FAILED, RunState.ORPHANED):
        return newest.error or ""
    if newest is not None and newest.state is RunState.CANCELLED:
        return ""
    return services().children.job_error(JobKind.REFINE, survey.name) or ""


def _switch(task: Task) -> None:
    """Whether it starts by itself; for the owner."""
    workspace = services().workspace
    try:
        on = is_automatic(workspace, task.name)
    except Damaged as error:
        st.error(plain(str(error)))
        return
    wanted = st.toggle(
        BY_ITSELF,
        key=field(f"teach by itself {task.name}", on),
        help=f"From {counted(LEAST_LABELS, 'label')} with {LEAST_FINDS} finds on, and again when"
        " they have doubled. It is off unless you switch it on: a large survey takes hours to be"
        " embedded anew.",
    )
    if wanted != on:
        attempt(
            lambda _by: set_automatic(workspace, task.name, wanted),
            "Labels are taught as they come." if wanted else "Labels are taught when asked.",
        )
