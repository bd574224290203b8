"""Training networks on a survey: the next one, the one that runs, and those there are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import SkysiftError
from core.representation.encoders.choosing import kept_neighbours, rebuilding_error
from core.representation.training.checkpoint import STATE
from core.representation.training.held_out import picked_words
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.encoders_curves import Trace, draw_curves
from pages._shared.encoders_embed import WANTED_VIEW, embed_with
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.encoders_metrics import METRICS, read_curves
from pages._shared.encoders_stopped import Stopped, draw_stopped, stopped_trainings
from pages._shared.encoders_train_form import draw_wish, has_pictures, train_arguments
from pages._shared.encoders_train_maps import Source, draw_maps
from pages._shared.encoders_words import (
    chosen_step,
    method_of,
    names_of,
    network_words,
    networks,
    notes_words,
    run_words,
)
from pages._shared.times import moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_train", "ending_words"]

BY_STEPS, BY_MINUTES = "Steps", "Minutes"
MAX_RUNS = 8
"""Runs in one figure: more cannot be told apart."""
KEPT, ERROR = "Neighbours kept", "Reconstruction error"
ALL_DONE = "all steps done"
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
    unfinished = [one.run for one in stopped] + ([] if running is None else [running])
    names = names_of([*unfinished, *runs])
    st.subheader("Curves")
    shown = list(names)[: OLD_ENOUGH + (running is not None or bool(stopped))]
    key = f"curves {survey.name}"
    if running is not None and running.run_id != st.session_state.get(f"{key} running"):
        # A run that has just begun is what one wants to see.
        st.session_state[f"{key} running"] = running.run_id
        st.session_state.pop(key, None)
    with st.container(horizontal=True, vertical_alignment="bottom", key="encoders-runs"):
        chosen = st.multiselect(
            "Runs",
            list(names),
            default=shown,
            format_func=names.__getitem__,
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
    _maps(survey, chosen, names)


@dataclass(frozen=True)
class _Noted:
    """Where a run keeps what it noted; `run` once it is finished."""

    file: Path
    run: RunRecord | None = None
    is_running: bool = False
    is_stopped: bool = False

    @property
    def chosen_step(self) -> float | None:
        return None if self.run is None else chosen_step(self.run)


def _noted(survey: Survey) -> dict[str, _Noted]:
    """Run id -> what it noted: the runs that were stopped, that is running, and that ended."""
    now = _running(survey)
    found = {
        one.run.run_id: _Noted(one.checkpoint / STATE, is_stopped=True)
        for one in stopped_trainings(survey)
    }
    if now is not None:
        folder = survey.folder / "runs" / f"{now.run_id}.partial"
        found[now.run_id] = _Noted(folder / METRICS, is_running=True)
    return found | {run.run_id: _Noted(run.path / METRICS, run) for run in networks(survey)}


@st.fragment(run_every=2.0)
def _live(survey: Survey, chosen: list[str], names: Mapping[str, str], by_minutes: bool) -> None:
    who()  # asked anew: a fragment outlives a sign-out
    _draw(survey, chosen, names, by_minutes)


def _draw(survey: Survey, chosen: list[str], names: Mapping[str, str], by_minutes: bool) -> None:
    noted = _noted(survey)
    traces = []
    for place, run_id in enumerate(reversed(list(names))):  # a colour stays when more runs come
        if run_id not in chosen or run_id not in noted:
            continue
        one = noted[run_id]
        traces.append(
            Trace(
                names[run_id] + (", stopped" if one.is_stopped else ""),
                read_curves(one.file),
                place,
                one.chosen_step,
                one.is_running,
            )
        )
    traces.reverse()
    silent = [one.name for one in traces if by_minutes and not one.curves.has_times]
    if silent:
        st.caption(plain(f"No times were noted by {'; '.join(silent)}: see it against steps."))
    if all(one.curves.last_step is None for one in traces):
        st.caption("Nothing is noted yet: the first steps are on their way.")
        return
    draw_curves(traces, by_minutes, f"{survey.name} pretraining")


def _maps(survey: Survey, chosen: list[str], names: Mapping[str, str]) -> None:
    """Where the held-out objects lay at each evaluation of the runs that are shown."""
    noted = _noted(survey)
    sources = [
        Source(run_id, names[run_id], noted[run_id].file, noted[run_id].chosen_step)
        for run_id in chosen
        if run_id in noted
    ]
    grows = any(noted[one.run_id].is_running for one in sources)
    draw_maps(survey, sources, "train", grows=grows)


def _table(survey: Survey, runs: list[RunRecord], is_owner: bool) -> None:
    st.subheader("Networks")
    names = names_of(runs)
    table = pd.DataFrame([_row(run, names[run.run_id]) for run in runs])
    st.dataframe(
        table[
            [name for name in table.columns if (table[name].notna() & (table[name] != "")).any()]
        ],
        hide_index=True,
        width="stretch",
        height="content" if len(runs) <= 12 else 460,
        column_config={
            "Network": st.column_config.TextColumn(width=250),
            "Weights of step": st.column_config.NumberColumn(
                help="Where quality on held-out objects was best; these weights are kept.",
                format="localized",
            ),
            KEPT: st.column_config.NumberColumn(
                help="Of objects held out, by these weights: the share of the nearest neighbours"
                " that stay so in another view.",
                format="%.0f%%",
            ),
            ERROR: st.column_config.NumberColumn(
                help="Of pictures held out, by these weights: mean squared difference a pixel,"
                " which picks the weights of networks that give pictures back.",
                format="%.3g",
            ),
            "Steps": st.column_config.NumberColumn(format="localized"),
            "How it ended": st.column_config.TextColumn(
                width=220, help="In full below, where there is more to say."
            ),
        },
    )
    for run in runs[:MAX_RUNS]:
        said = run.record.get("result") or {}
        if ending_words(said) and (said.get("notes") or said["ending"] != ALL_DONE):
            st.caption(f"**{plain(names[run.run_id])}** {plain(ending_words(said))}")
    if is_owner:
        lines = {run.run_id: network_words(run, names[run.run_id]) for run in runs}
        chosen = st.selectbox(
            "Embed the survey with",
            list(lines),
            format_func=lines.__getitem__,
            key=f"network to embed with {survey.name}",
        )
        method = next(method_of(run) for run in runs if run.run_id == chosen)
        embed_with(survey, chosen, method, "below")
        if is_running(JobKind.EMBED, survey.name):
            st.caption("The survey is being embedded; see Embeddings.")


def _row(run: RunRecord, name: str) -> dict[str, object]:
    said = run.record.get("result") or {}
    seconds = (moment(run.record["finished"]) - moment(run.record["started"])).total_seconds()
    kept, error = kept_neighbours(run), rebuilding_error(run)
    ending = str(said.get("ending") or "")
    # The reason comes after a colon or a comma, and is told in full below the table.
    short = re.split("[:,]", ending)[0]
    return {
        "Network": name,
        "Steps": said.get("steps", run.config.get("steps")),
        "Weights of step": said.get("best_step"),
        KEPT: None if kept is None else 100 * kept,
        ERROR: error if error is not None and math.isfinite(error) else None,
        "Minutes": round(seconds / 60, 1) if seconds > 1 else None,
        "Batch": said.get("batch_size", run.config.get("batch_size")),
        "Augmentations": _augmentation(run.config),
        "Surveys": ", ".join(run.config.get("surveys") or {}),
        "How it ended": short[:1].upper() + short[1:],
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
    if isinstance(best, dict) and (picked := picked_words(best)):
        said += f"; kept are the weights of step {result.get('best_step')} ({picked})"
    notes = notes_words(result.get("notes") or ())
    return f"{said}. {notes}".strip().replace("_", " ")


def _made(survey: Survey, run: RunRow) -> None:
    """A training that has just ended well."""
    said = run.result or {}
    method = method_of(run)
    words = f"The network {run_words(run)} is trained. {ending_words(said)}"
    st.success(plain(words.rstrip()))
    if who().role is Role.OWNER:
        if is_running(JobKind.EMBED, survey.name):
            st.caption("The survey is being embedded; see Embeddings.")
        embed_with(survey, run.run_id, method, "ended")
