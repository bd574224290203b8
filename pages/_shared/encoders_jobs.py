"""Jobs of the Encoders page: started, watched, stopped, and how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from core.vocabulary import JobKind, Role, RunState
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import as_owner
from pages._shared.times import duration, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["NAMES", "draw_job", "is_running", "last_run", "start"]

NAMES = {
    JobKind.PRETRAIN: "Training on",
    JobKind.EMBED: "Embedding of",
    JobKind.QUALITY: "Assessment of",
    JobKind.COMPRESS: "Comparison of codes on",
}
_WATCHED = "encoder jobs watched"
"""In the session: (kind, survey) -> when it was started here, "" if somewhere else."""
_ENDED = "encoder jobs ended"
"""In the session: the same of jobs that ended while they were watched."""
_DRAWN = "encoder jobs drawn"
"""In the session: (kind, survey) -> the running run that the page was last drawn with."""

_Key = tuple[JobKind, str]


def start(kind: JobKind, survey: str, arguments: Sequence[str]) -> None:
    """Start `python -m core.run KIND ARGUMENTS`, which is about the survey; owners only."""
    as_owner()
    services().children.start_job(kind, survey, arguments)
    _watched()[kind, survey] = datetime.now(UTC).isoformat()
    _ended().pop((kind, survey), None)


def is_running(kind: JobKind, survey: str) -> bool:
    """Whether the job runs, whoever started it."""
    return services().children.job_running(kind, survey) or _running(kind, survey) is not None


def last_run(kind: JobKind, survey: str) -> RunRow | None:
    """The newest run of the job that was registered, however it ended."""
    mine = (one for one in services().db().runs(100) if (one.kind, one.subject) == (kind, survey))
    return next(mine, None)


def draw_job(kind: JobKind, survey: str, done: Callable[[RunRow], None], advice: str = "") -> None:
    """Draw the job while it runs, and then how it ended until that is put away.

    `done` draws what there is to say and do about a run that ended well; `advice` is what to do
    after one that was stopped.
    """
    key = (kind, survey)
    if is_running(kind, survey):
        _watched().setdefault(key, "")
    if key in _watched():
        _progress(kind, survey)
    elif key in _ended():
        _ending(key, done, advice)


def _watched() -> dict[_Key, str]:
    found: dict[_Key, str] = st.session_state.setdefault(_WATCHED, {})
    return found


def _ended() -> dict[_Key, str]:
    found: dict[_Key, str] = st.session_state.setdefault(_ENDED, {})
    return found


def _running(kind: JobKind, survey: str) -> RunRow | None:
    services().db().clean_orphans()
    return services().running(kind, survey)


@st.fragment(run_every=1.0)
def _progress(kind: JobKind, survey: str) -> None:
    may_stop = who().role is Role.OWNER  # asked anew: a fragment outlives a sign-out
    run = _running(kind, survey)
    if run is None and not services().children.job_running(kind, survey):
        _ended()[kind, survey] = _watched().pop((kind, survey), "")
        st.rerun()
    words = f"**{NAMES[kind]} {plain(survey)}**: "
    if run is None:
        st.progress(0.0, words + "starting")
        return
    drawn = st.session_state.setdefault(_DRAWN, {})
    if drawn.get((kind, survey)) != run.run_id:
        drawn[kind, survey] = run.run_id
        st.rerun()  # the page was drawn before it was registered: now it has curves, say
    words += plain(run.message or "starting")
    if run.eta_s and " left" not in run.message:
        words += f", about {duration(run.eta_s)} left"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(run.fraction or 0.0, words, width="stretch")
        if run.cancel_requested:
            st.caption("Stopping", width="content")
        elif may_stop:
            st.button(
                "Cancel",
                key=f"cancel {run.run_id}",
                on_click=_cancel,
                args=(run.run_id,),
                width="content",
            )


def _cancel(run_id: str) -> None:
    as_owner()
    services().db().request_cancel(run_id)


def _ending(key: _Key, done: Callable[[RunRow], None], advice: str) -> None:
    kind, survey = key
    run = last_run(kind, survey)
    started = _ended()[key]
    if run is not None and started and moment(run.started_at) < moment(started):
        run = None  # it was refused before it was registered; this is the one before
    error = services().children.job_error(kind, survey)
    if run is not None and run.state is RunState.DONE:
        done(run)
    elif run is not None and run.state is RunState.CANCELLED:
        st.info(f"{NAMES[kind]} {plain(survey)} was stopped on request. {advice}".rstrip())
    else:
        sentence = (run.error if run is not None else None) or error
        if run is not None and run.state is RunState.ORPHANED:
            sentence = error or sentence
        st.error(plain(sentence or f"{NAMES[kind]} {survey} ended without a word."))
        if run is not None and advice:
            st.caption(advice)
    if st.button("Close", key=f"close {kind} {survey}"):
        _ended().pop(key, None)
        st.rerun()
