"""Imports that run, were stopped, or have just ended."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from urllib.parse import urlencode

import streamlit as st

from core.errors import SkysiftError
from core.survey.interrupted import Interrupted, discard, interrupted
from core.vocabulary import JobKind, Role, RunState
from labels_db import RunRow
from pages._server.identity import require
from pages._server.services import services
from pages._shared.data_form import job_arguments, pasted_words
from pages._shared.data_roots import checked_source
from pages._shared.editing import as_owner, attempt
from pages._shared.times import ago, duration, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["VIEW", "draw_jobs", "draw_made", "is_importing", "start_import", "task_for"]

VIEW = "data view"
_WATCHED = "imports watched"
_ENDED = "imports ended"
_MADE = "task made"


def start_import(name: str, arguments: list[str]) -> None:
    """Start the job; owners only."""
    as_owner()
    services().children.start_job(JobKind.IMPORT, name, arguments)
    st.session_state.setdefault(_WATCHED, set()).add(name)
    st.session_state.get(_ENDED, {}).pop(name, None)


def is_importing(name: str) -> bool:
    """Whether an import of this name runs, whoever started it."""
    children = services().children
    return children.job_running(JobKind.IMPORT, name) or any(
        run.subject == name for run in _running()
    )


def draw_jobs(place: str) -> None:
    """Draw them, the running ones with their progress; for owners.

    `place` is the view and the survey that are looked at: good news is for the place where it came
    and goes with it, bad news stays until it is put away.
    """
    watched = st.session_state.setdefault(_WATCHED, set())
    running = {run.subject for run in _running()}
    if running or watched:
        _progress()
    for name in list(st.session_state.get(_ENDED, {})):
        _result(name, place)
    for one in interrupted(services().workspace):
        if not one.running and not is_importing(one.name):
            _stopped(one)


def _running() -> list[RunRow]:
    database = services().db()
    database.clean_orphans()
    return [
        run
        for run in database.runs(50)
        if run.kind == JobKind.IMPORT and run.state is RunState.RUNNING
    ]


@st.fragment(run_every=1.0)
def _progress() -> None:
    require(who(), Role.OWNER)  # asked anew: a fragment outlives a sign-out
    watched: set[str] = st.session_state.setdefault(_WATCHED, set())
    runs = {run.subject: run for run in _running()}
    starting = {
        name
        for name in watched - runs.keys()
        if services().children.job_running(JobKind.IMPORT, name)
    }
    ended = watched - runs.keys() - starting
    st.session_state[_WATCHED] = set(runs) | starting
    if ended:
        st.session_state.setdefault(_ENDED, {}).update(dict.fromkeys(sorted(ended)))
        st.rerun()
    for name in sorted(starting):
        st.progress(0.0, f"**Import of {plain(name)}**: starting")
    for name, run in sorted(runs.items()):
        left, right = st.columns([6, 1], vertical_alignment="center")
        with left:
            words = f"**Import of {plain(name)}**: {plain(run.message or 'starting')}"
            if run.eta_s:
                words += f" About {duration(run.eta_s)} left."
            st.progress(run.fraction or 0.0, words)
        with right:
            if run.cancel_requested:
                st.caption("Stopping")
            else:
                st.button(
                    "Cancel",
                    key=f"cancel {run.run_id}",
                    width="stretch",
                    on_click=_cancel,
                    args=(run.run_id,),
                )


def _cancel(run_id: str) -> None:
    as_owner()
    services().db().request_cancel(run_id)


def draw_made(place: str) -> None:
    """Say that a task was made and lead to it, until another view or survey is looked at."""
    made = st.session_state.get(_MADE)
    if made is None:
        return
    if made[1] not in (None, place):
        st.session_state.pop(_MADE)
        return
    st.session_state[_MADE] = (made[0], place)
    name = made[0]
    link = html.escape(f"{services().base_path}/?{urlencode({'task': name})}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(f"The task **{plain(name)}** is made.", width="stretch")
        st.html(
            f'<a class="act" href="{link}" target="_self">Start labelling</a>', width="content"
        )


def _made(name: str) -> None:
    from pages._shared.tasks import want_task

    st.session_state[_MADE] = (name, None)
    want_task(name)


def _result(name: str, place: str) -> None:
    """How the last import of a name ended, until it is put away."""
    mine = [
        run
        for run in services().db().runs(50)
        if (run.kind, run.subject) == (JobKind.IMPORT.value, name)
    ]
    run = mine[0] if mine else None
    error = services().children.job_error(JobKind.IMPORT, name)
    if run is not None and run.state is RunState.DONE and error is None:
        ended = st.session_state[_ENDED]
        if ended[name] not in (None, place):
            ended.pop(name)
            return
        ended[name] = place
        st.success(f"**{plain(name)}**: {_counted(run)}.")
        acts = st.columns([2, 2, 1, 3])
        with acts[0]:
            st.button(
                "Open its summary",
                key=f"open {name}",
                width="stretch",
                on_click=_open,
                args=(name,),
            )
        with acts[1]:
            if st.button("Make a task", key=f"make task {name}", type="primary", width="stretch"):
                task_for(name)
        with acts[2]:
            _close(name)
        return
    if run is not None and run.state is RunState.CANCELLED:
        st.info(f"The import of {plain(name)} was stopped on request.")
    else:
        sentence = error or (run.error if run is not None else None)
        sentence = pasted_words(sentence or f"The import of {name} ended without a word.")
        st.error(plain(sentence))
    _close(name)


def task_for(survey: str) -> None:
    """Ask for a new task of the survey."""
    from pages._shared.new_task import new_task

    st.session_state["new survey"] = survey
    new_task(_made)


def _counted(run: RunRow) -> str:
    said = run.result or {}
    objects, rejects = said.get("objects"), said.get("rejects")
    if not isinstance(objects, int) or not isinstance(rejects, int):
        return "is imported"
    return f"{objects:,} {'object' if objects == 1 else 'objects'}, {rejects:,} rejected"


def _open(name: str) -> None:
    st.session_state[VIEW] = "Surveys"
    st.query_params["survey"] = name
    st.session_state[_ENDED].pop(name, None)


def _close(name: str) -> None:
    if st.button("Close", key=f"close {name}", width="content"):
        st.session_state[_ENDED].pop(name, None)
        st.rerun()


def _stopped(one: Interrupted) -> None:
    """An import that can go on: say so, and let the owner choose."""
    with st.container(border=True):
        doing = "Adding to" if one.adds else "An import of"
        st.markdown(
            f"{doing} **{plain(one.name)}** stopped at {one.n_done:,} of {one.n_entries:,}."
        )
        since = ago((datetime.now(UTC) - moment(one.when)).total_seconds())
        st.caption(plain(f"{pasted_words(one.source)}, {since}"))
        first, second, third = st.columns(3)
        with first:
            if st.button("Go on", key=f"go on {one.name}", type="primary", width="stretch"):
                _again(one, restart=False)
        with second:
            if st.button("Start anew", key=f"anew {one.name}", width="stretch"):
                _again(one, restart=True)
        with third, st.popover("Discard", width="stretch"):
            st.write("What was read so far is removed; the data themselves stay.")
            if st.button("Yes, discard it", key=f"discard {one.name}"):
                attempt(
                    lambda _by: discard(services().workspace, one.name),
                    f"What was read of {one.name} is gone.",
                )


def _again(one: Interrupted, *, restart: bool) -> None:
    try:
        checked_source(one.source)
        start_import(
            one.name,
            job_arguments(one.source, one.name, one.options, append=one.adds, restart=restart),
        )
    except SkysiftError as error:
        st.error(plain(str(error)))
    else:
        st.rerun()
