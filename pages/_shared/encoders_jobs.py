"""Jobs of the Encoders page: started, watched, stopped, and how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from core.errors import InUse
from core.vocabulary import JobKind, Role, RunState
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import as_owner
from pages._shared.encoders_words import plainer
from pages._shared.times import duration, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["NAMES", "draw_job", "is_running", "last_run", "start"]

NAMES = {
    JobKind.PRETRAIN: "Training on",
    JobKind.EMBED: "Embedding of",
    JobKind.QUALITY: "Assessment of",
    JobKind.COMPRESS: "Comparison of codes on",
    JobKind.MAP: "Map of",
    JobKind.NEIGHBOURS: "Look-alikes of",
    JobKind.GROUP: "Grouping of",
    JobKind.DETECT: "Ranking of",
}
_WATCHED = "encoder jobs watched"
"""In the session: (kind, survey) -> when it was started here, "" if somewhere else."""
_ENDED = "encoder jobs ended"
"""In the session: the same of jobs that ended while they were watched."""
_DRAWN = "encoder jobs drawn"
"""In the session: (kind, survey) -> the running run that the page was last drawn with."""

_GIVEN_UP = "encoder jobs given up"
"""In the session: (kind, survey) of jobs that were cancelled before they were registered."""

_Key = tuple[JobKind, str]


def start(kind: JobKind, survey: str, arguments: Sequence[str]) -> None:
    """Start `python -m core.run KIND ARGUMENTS`, which is about the survey; owners only.

    Raises
    ------
    InUse
        One of this kind and survey runs.
    """
    as_owner()
    if not services().children.start_job(kind, survey, arguments):
        raise InUse(
            f"The job {kind.value} of {survey} runs already, started by somebody else or by the"
            " server; wait until it is done and start again."
        )
    _watched()[kind, survey] = datetime.now(UTC).isoformat()
    _ended().pop((kind, survey), None)
    _given_up().discard((kind, survey))


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


def _given_up() -> set[_Key]:
    found: set[_Key] = st.session_state.setdefault(_GIVEN_UP, set())
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
        is_over = (kind, survey) in _given_up()
        _bar(
            0.0,
            words + ("stopping" if is_over else "starting"),
            None if is_over or not may_stop else lambda: _give_up(kind, survey),
            f"cancel {kind} {survey}",
        )
        return
    drawn = st.session_state.setdefault(_DRAWN, {})
    if drawn.get((kind, survey)) != run.run_id:
        drawn[kind, survey] = run.run_id
        st.rerun()  # the page was drawn before it was registered: now it has curves, say
    if run.cancel_requested or (kind, survey) in _given_up():
        _bar(run.fraction or 0.0, words + "stopping", None, "")
        return
    words += plain(plainer(run.message or "starting"))
    if run.eta_s and " left" not in run.message:
        words += f", about {duration(run.eta_s)} left"
    stop = (lambda: _cancel(run.run_id)) if may_stop else None
    _bar(run.fraction or 0.0, words, stop, f"cancel {run.run_id}")


def _bar(fraction: float, words: str, cancel: Callable[[], None] | None, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(fraction, words, width="stretch")
        if cancel is not None:
            st.button("Cancel", key=key, on_click=cancel, width="content")


def _cancel(run_id: str) -> None:
    as_owner()
    services().db().request_cancel(run_id)


def _give_up(kind: JobKind, survey: str) -> None:
    """Cancel what has only been started: there is no run yet that could be asked to stop."""
    as_owner()
    _given_up().add((kind, survey))
    services().children.stop_job(kind, survey)


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
    elif key in _given_up():
        st.info(f"{NAMES[kind]} {plain(survey)} was stopped before it began.")
    else:
        sentence = (run.error if run is not None else None) or error
        if run is not None and run.state is RunState.ORPHANED:
            sentence = error or sentence
        st.error(plain(sentence or f"{NAMES[kind]} {survey} ended without a word."))
        if run is not None and advice:
            st.caption(advice)
    if st.button("Close", key=f"close {kind} {survey}"):
        _ended().pop(key, None)
        _given_up().discard(key)
        st.rerun()
