"""Training networks on a survey: the next one, the one that runs, and those there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import SkysiftError
from core.representation.training.checkpoint import STATE
from core.representation.training.held_out import PROGRESS_MEASURE
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.encoders_curves import Trace, draw_curves
from pages._shared.encoders_embed import WANTED_VIEW, embed_with
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.encoders_metrics import METRICS, read_curves, read_stopped
from pages._shared.encoders_stopped import Stopped, draw_stopped, stopped_trainings
from pages._shared.encoders_train_form import draw_wish, has_pictures, train_arguments
from pages._shared.encoders_words import (
    chip_words,
    method_of,
    network_words,
    networks,
    notes_words,
    short_words,
    tail,
)
from pages._shared.times import moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_train", "ending_words"]

BY_STEPS, BY_MINUTES = "Steps", "Minutes"
MAX_RUNS = 8
"""Runs in one figure: more cannot be told apart."""
OLD_ENOUGH = 2
"""Finished runs that are shown unless others are chosen."""


def draw_train(survey: Survey) -> None:
    """Draw the view; owners train, others look."""
    is_owner = who().role is Role.OWNER
    draw_job(
        JobKind.PRETRAIN,
        survey.name,
        lambda run: _made(survey, run),
        "What it learnt so far is kept; Go on takes it up." if is_owner else "",
    )
    if not has_pictures(survey):
        st.write(
            f"Networks are trained on pictures, and {plain(survey.name)} has none; its other"
            " encoders need no training."
        )
        return
    if is_owner:
        draw_stopped(survey)
        _form(survey)
    else:
        st.caption("Owners train networks and embed with them.")
    runs = networks(survey)
    running = _running(survey)
    stopped = [] if running is not None else stopped_trainings(survey)
    if not (runs or stopped or running is not None):
        st.write(f"No network is trained on {plain(survey.name)} yet.")
        if not is_owner:
            st.caption("Until then the network that comes with Skysift is used.")
        return
    if runs:
        _table(survey, runs, is_owner)
    _curves(survey, runs, running, stopped)


def _form(survey: Survey) -> None:
    st.subheader("Train a network")
    with st.container(border=True):
        wish = draw_wish(survey, _see_views)
        is_busy = is_running(JobKind.PRETRAIN, survey.name)
        if st.button("Train", type="primary", disabled=is_busy, key="train now"):
            try:
                start(JobKind.PRETRAIN, survey.name, train_arguments(wish))
            except SkysiftError as error:
                st.error(plain(str(error)))
            else:
                st.rerun()
        if is_busy:
            st.caption("One network is trained on a survey at a time.")


def _see_views() -> None:
    st.session_state[WANTED_VIEW] = "Views"


def _running(survey: Survey) -> RunRow | None:
    return services().running(JobKind.PRETRAIN, survey.name)


def _curves(
    survey: Survey, runs: list[RunRecord], running: RunRow | None, stopped: list[Stopped]
) -> None:
    names = {run.run_id: short_words(run) for run in runs}
    names = {one.run.run_id: _unfinished(one.run, "stopped") for one in stopped} | names
    if running is not None:
        names = {running.run_id: _unfinished(running, "now"), **names}
    methods = {run.run_id: method_of(run) for run in runs}
    unfinished = [one.run for one in stopped] + ([] if running is None else [running])
    methods |= {run.run_id: str(run.config.get("method", "network")).lower() for run in unfinished}
    st.subheader("Curves")
    shown = list(names)[: OLD_ENOUGH + (running is not None or bool(stopped))]
    key = f"curves {survey.name}"
    if running is not None and running.run_id != st.session_state.get(f"{key} running"):
        # A run that has just begun is what one wants to see.
        st.session_state[f"{key} running"] = running.run_id
        st.session_state.pop(key, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Runs",
            list(names),
            default=shown,
            # A chip that is named otherwise when its run ends would be another one.
            format_func=lambda one: chip_words(methods[one], one),
            key=key,
            max_selections=MAX_RUNS,
            width="stretch",
        )
        axis = st.segmented_control(
            "Against", (BY_STEPS, BY_MINUTES), default=BY_STEPS, required=True, key="curves axis"
        )
    if not chosen:
        st.caption("Choose the runs to compare.")
        return
    by_minutes = axis == BY_MINUTES
    if running is not None and running.run_id in chosen:
        _live(survey, chosen, names, by_minutes)
    else:
        _draw(survey, chosen, names, by_minutes)


def _unfinished(run: RunRow, state: str) -> str:
    return f"{str(run.config.get('method', 'network')).lower()}, {state} ({tail(run.run_id)})"


@st.fragment(run_every=2.0)
def _live(survey: Survey, chosen: list[str], names: Mapping[str, str], by_minutes: bool) -> None:
    who()  # asked anew: a fragment outlives a sign-out
    _draw(survey, chosen, names, by_minutes)


def _draw(survey: Survey, chosen: list[str], names: Mapping[str, str], by_minutes: bool) -> None:
    finished = {run.run_id: run for run in networks(survey)}
    now = _running(survey)
    stopped = {one.run.run_id: one for one in stopped_trainings(survey)}
    traces = []
    for place, run_id in enumerate(reversed(list(names))):  # a colour stays when more runs come
        if run_id not in chosen:
            continue
        run = finished.get(run_id)
        is_running_now = now is not None and now.run_id == run_id
        if run is None and not is_running_now and run_id in stopped:
            curves = read_stopped(stopped[run_id].checkpoint / STATE)
        else:
            folder = run.path if run is not None else _partial(survey, run_id)
            curves = read_curves(folder / METRICS)
        chosen_step = _number((run.record.get("result") or {}).get("best_step")) if run else None
        traces.append(Trace(names[run_id], curves, place, chosen_step, is_running_now))
    traces.reverse()
    silent = [one.name for one in traces if by_minutes and not one.curves.has_times]
    if silent:
        st.caption(plain(f"No times were noted by {'; '.join(silent)}: see it against steps."))
    if all(one.curves.last_step is None for one in traces):
        st.caption("Nothing is noted yet: the first steps are on their way.")
        return
    draw_curves(traces, by_minutes, f"{survey.name} pretraining")


def _partial(survey: Survey, run_id: str) -> Path:
    return survey.folder / "runs" / f"{run_id}.partial"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _table(survey: Survey, runs: list[RunRecord], is_owner: bool) -> None:
    st.subheader("Networks")
    rows = [_row(run) for run in runs]
    table = pd.DataFrame(rows)
    st.dataframe(
        table[[name for name in table.columns if (table[name].fillna("") != "").any()]],
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= 12 else 460,
        column_config={
            "Trained": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Weights of step": st.column_config.NumberColumn(
                help="Where quality on held-out objects was best; these weights are kept."
            ),
            "Steps": st.column_config.NumberColumn(format="localized"),
            "How it ended": st.column_config.TextColumn(width="large"),
        },
    )
    if is_owner:
        names = {run.run_id: network_words(run) for run in runs}
        chosen = st.selectbox(
            "Embed the survey with",
            list(names),
            format_func=names.__getitem__,
            key=f"network to embed with {survey.name}",
        )
        method = next(method_of(run) for run in runs if run.run_id == chosen)
        embed_with(survey, chosen, method, "below")
        if is_running(JobKind.EMBED, survey.name):
            st.caption("The survey is being embedded; see Embeddings.")


def _row(run: RunRecord) -> dict[str, object]:
    said = run.record.get("result") or {}
    config = run.config.get("config") or {}
    seconds = (moment(run.record["finished"]) - moment(run.record["started"])).total_seconds()
    return {
        "Method": method_of(run),
        "Trained": moment(run.record["finished"]),
        "Steps": said.get("steps", config.get("steps")),
        "Weights of step": said.get("best_step"),
        "Minutes": round(seconds / 60, 1) if seconds > 1 else None,
        "Batch": said.get("batch_size", config.get("batch_size")),
        "Augmentations": _augmentation(config),
        "Surveys": ", ".join(run.config.get("surveys") or {}),
        "How it ended": ending_words(said),
        "Run": run.run_id,
    }


def _augmentation(config: Mapping[str, Any]) -> str:
    words = str(config.get("augmentation", "standard"))
    strength = config.get("augmentation_strength", 1.0)
    words += f" x {strength:g}" if strength != 1 else ""
    off = config.get("augmentation_off") or ()
    return words + (f" without {', '.join(off)}" if off else "")


def ending_words(result: Mapping[str, Any]) -> str:
    """How a training ended, which weights are kept, and what else happened, from its result."""
    ending = str(result.get("ending") or "")
    if not ending:
        return ""
    said = ending[:1].upper() + ending[1:]
    best = result.get("best_quality")
    if isinstance(best, dict) and PROGRESS_MEASURE in best:
        value = _number(best[PROGRESS_MEASURE])
        measure = "" if value is None else f" ({PROGRESS_MEASURE} {value:.3f})"
        said += f"; kept are the weights of step {result.get('best_step')}{measure}"
    notes = notes_words(result.get("notes") or ())
    return f"{said}. {notes}".strip().replace("_", " ")


def _made(survey: Survey, run: RunRow) -> None:
    """A training that has just ended well."""
    said = run.result or {}
    method = str(run.config.get("method", "vicreg")).lower()
    st.success(plain(f"The {method} network is trained. {ending_words(said)}".rstrip()))
    if who().role is Role.OWNER:
        if is_running(JobKind.EMBED, survey.name):
            st.caption("The survey is being embedded; see Embeddings.")
        embed_with(survey, run.run_id, method, "ended")
