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
    last_ended,
    refinings,
    set_automatic,
    unembedded,
)
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import DEFAULT, JobKind, Role, RunState
from labels_db import RunRow, Task
from pages._server.services import services
from pages._shared.discovery_numbers import HIDDEN, REFRESH_S
from pages._shared.editing import as_owner, attempt, field
from pages._shared.review_words import counted, since
from pages._shared.sight import is_hidden_here
from pages._shared.times import duration, moment
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
    if lost := _lost_network(survey, task.name):
        st.info(plain(lost))
    job = _running(survey)
    is_owner = who().role is Role.OWNER
    if job is not None:
        _progress(job, is_owner)
    elif is_owner:
        _start(task, survey)
    if is_owner:
        _switch(task)
    else:
        st.caption("Owners teach it: every task of the survey is ranked by its embedding.")


def _outcome(survey: Survey, runs: list[RunRecord]) -> None:
    """The decision of the newest run in words, and the newest ones in a table."""
    newest = runs[0].record.get("result") or {}
    st.write(plain(str(newest.get("words", ""))))
    for note in newest.get("notes", ()):
        st.caption(plain(f"{note}."))
    waiting = unembedded(survey, runs)
    if waiting is not None:
        st.caption(
            f"The embedding with the network of {waiting.run_id} was not made yet; {TEACH} does"
            " that first."
        )
    embedded = _networks(survey)
    rows = [_row(run, embedded.get(run.run_id)) for run in runs[:MAX_RUNS]]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "By the embedding in use then, and by the new one. Finds first: the held-out finds that"
        " come among the first twentieth of unanswered objects. Come before a find: the share of"
        " these objects, in the mean. Octaves gained: 1 = half as many; in brackets the"
        f" {float(newest.get('level', 0)):.0%} interval."
    )


def _row(run: RunRecord, is_used: bool | None) -> dict[str, object]:
    """is_used: whether its embedding is in use; None where none was made."""
    result = run.record.get("result") or {}
    config = run.config
    held = int(result.get("n_held_out", 0))
    first = [f"{float(result.get(key, 0)):.0f}" for key in ("first_before", "first_after")]
    decision = "not taken"
    if result.get("is_better"):
        decision = "better, not embedded yet" if is_used is None else "taken"
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


def _networks(survey: Survey) -> dict[str, bool]:
    """Of the runs whose network embedded the survey, if it was named: whether that is in use."""
    from core.representation import finished_embeddings

    found: dict[str, bool] = {}
    for one in finished_embeddings(survey):
        run_id = one.options.get("weights", "")
        found[run_id] = one.in_use or found.get(run_id, False)
    return found


def _lost_network(survey: Survey, task: str) -> str:
    """What to do where the survey was embedded anew, or got a newer version, without the network
    that had learnt; "" where the embedding in use has one that was taught."""
    taught = finished_runs(survey, JobKind.REFINE)
    better = [run for run in taught if (run.record.get("result") or {}).get("is_better")]
    mine = next((run for run in better if run.config.get("task") == task), None)
    networks = _networks(survey)
    names = {run.run_id for run in taught}
    if mine is None or any(is_used and one in names for one, is_used in networks.items()):
        return ""
    if mine.run_id in networks:
        return (
            "The embedding in use is not that of the network which was taught labels of this task"
            f" ({mine.run_id}); choose that one on the Encoders page to have it back."
        )
    if (mine.record.get("survey") or {}).get("content_hash") == survey.manifest.content_hash:
        return ""  # told with the newest run
    return (
        f"Version {survey.version} of the survey is not embedded with the network that was taught"
        f" labels of this task on an earlier one: `python -m core.run embed {survey.name}"
        f" --encoder {mine.config.get('encoder', DEFAULT)} --weights {mine.run_id} --workspace"
        f" {services().workspace.root} --choose` does that."
    )


def _running(survey: Survey) -> RunRow | None:
    services().db().clean_orphans()
    return services().running(JobKind.REFINE, survey.name)


def _progress(job: RunRow, is_owner: bool) -> None:
    words = f"**Teaching labels of {plain(str(job.config.get('task')))}**: "
    words += "stopping" if job.cancel_requested else plain(job.message or "starting")
    if job.eta_s and not job.cancel_requested:
        words += f", about {duration(job.eta_s)} left in all"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction or 0.0, words, width="stretch")
        if is_owner and not job.cancel_requested:
            st.button("Cancel", key=f"cancel {job.run_id}", on_click=_cancel, args=(job.run_id,))


def _cancel(run_id: str) -> None:
    as_owner()
    services().db().request_cancel(run_id)


def _start(task: Task, survey: Survey) -> None:
    """The button, what is lacking for it, and how the last one ended that did not end well."""
    children = services().children
    count = label_count(services().db(), task)
    is_starting = children.job_running(JobKind.REFINE, task.name)
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
    if error := _error(task):
        st.error(plain(error))


def _teach(task: Task) -> None:
    as_owner()
    arguments = [task.survey, "--task", task.name]
    # Under the task's name: how it ends may say how many were found, to those who may see it.
    services().children.start_job(JobKind.REFINE, task.name, arguments)


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


def _error(task: Task) -> str:
    """Why the last one of this task failed; "" where it did not, or a person stopped it."""
    children = services().children
    runs = services().db().runs(100)
    refined = (run for run in runs if (run.kind, run.subject) == (JobKind.REFINE, task.survey))
    newest = next((run for run in refined if run.config.get("task") == task.name), None)
    began = children.job_began(JobKind.REFINE, task.name)
    said = children.job_error(JobKind.REFINE, task.name) or ""
    if newest is None or (began is not None and moment(newest.started_at) < began):
        return said  # it ended before it was registered, if it ended
    if newest.state is RunState.ORPHANED:
        return (said if began is not None else "") or newest.error or ""
    return (newest.error or "") if newest.state is RunState.FAILED else ""


def _switch(task: Task) -> None:
    """Whether it starts by itself; for the owner."""
    workspace = services().workspace
    try:
        on = is_automatic(workspace, task.name)
    except Damaged as error:
        st.error(plain(str(error)))
        return
    ended = last_ended(workspace, task.name)
    if on and ended is not None:
        again = "" if ended.is_settled else " It is tried again after a while."
        st.caption(plain(f"The last start by itself: {ended.said}{again}"))
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
