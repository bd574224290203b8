"""Trainings that were stopped and can go on where they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st

from core.config import PretrainConfig
from core.errors import SkysiftError
from core.representation.training.checkpoint import STATE, remove_checkpoint
from core.survey import Survey
from core.vocabulary import JobKind, RunState
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import is_running, start
from pages._shared.times import ago, moment
from pages._shared.words import plain

__all__ = ["Stopped", "arguments_again", "draw_stopped", "stopped_trainings"]

PLAN = "plan.json"
_BY_RULE = ("steps", "batch_size", "learning_rate")
"""Settings that a plan may have chosen otherwise than the command said."""


@dataclass(frozen=True)
class Stopped:
    """The newest run of a command that did not end well, and where its state is kept."""

    run: RunRow
    checkpoint: Path
    words: str


def draw_stopped(survey: Survey) -> None:
    """Draw them, each with what to do; for owners."""
    if is_running(JobKind.PRETRAIN, survey.name):
        return
    for one in stopped_trainings(survey):
        with st.container(border=True):
            method = plain(str(one.run.config.get("method", "")))
            far = f" at {one.run.fraction:.0%}" if one.run.fraction else ""
            st.markdown(f"A **{method}** training stopped{far}; what it learnt so far is kept.")
            ended = one.run.finished_at or one.run.heartbeat_at
            since = ago((datetime.now(UTC) - moment(ended)).total_seconds())
            st.caption(plain(f"{one.words} Stopped {since}."))
            with st.container(horizontal=True):
                if st.button("Go on", key=f"go on {one.run.run_id}", type="primary"):
                    _go_on(survey, one)
                with st.popover("Discard"):
                    st.write("What it learnt is removed; finished networks stay.")
                    if st.button("Yes, discard it", key=f"discard {one.run.run_id}"):
                        _discard(one)


def stopped_trainings(survey: Survey) -> list[Stopped]:
    """Those of the survey that the same command would take up, the newest first."""
    kept = _checkpoints(survey)
    found: list[Stopped] = []
    for run in services().db().runs(200):
        if (run.kind, run.subject) != (JobKind.PRETRAIN, survey.name):
            continue
        if run.state in (RunState.RUNNING, RunState.DONE):
            continue
        for folder, plan in list(kept.items()):
            if _is_plan_of(plan.get("config") or {}, run.config):
                del kept[folder]
                words = str(plan.get("words", "")).rstrip(".") + "."
                found.append(Stopped(run, folder, words))
                break
    return found


def arguments_again(config: Mapping[str, Any]) -> list[str]:
    """The command line of a run, from what the registry has of it.

    Raises
    ------
    BadInput
        An older version wrote it, which cannot be taken up.
    """
    known = {key: value for key, value in config.items() if key in PretrainConfig().as_dict()}
    asked = PretrainConfig.from_dict(known)
    by_rule = config.get("by_rule") or ()
    found = [*map(str, config.get("surveys") or ()), f"--method={asked.method}"]
    if config.get("minutes") is not None:
        found.append(f"--minutes={config['minutes']}")
    else:
        found.append(f"--steps={asked.steps}")
    for name in ("batch_size", "learning_rate"):
        if name not in by_rule:
            found.append(f"--{name.replace('_', '-')}={getattr(asked, name)}")
    found.append(f"--augmentation={asked.augmentation}")
    found.append(f"--augmentation-strength={asked.augmentation_strength}")
    found += [f"--without={name}" for name in asked.augmentation_off]
    found += [f"--set={key}={json.dumps(value)}" for key, value in asked.settings.items()]
    if not asked.early_stop:
        found.append("--no-early-stop")
    if config.get("bands"):
        found.append(f"--bands={config['bands']}")
    if (config.get("processes") or 1) > 1:
        found.append(f"--processes={config['processes']}")
    return [*found, f"--seed={asked.seed}"]


def _go_on(survey: Survey, one: Stopped) -> None:
    try:
        start(JobKind.PRETRAIN, survey.name, arguments_again(one.run.config))
    except SkysiftError as error:
        st.error(plain(str(error)))
    else:
        st.rerun()


def _discard(one: Stopped) -> None:
    attempt(lambda _by: remove_checkpoint(one.checkpoint), "The stopped training is gone.")


def _checkpoints(survey: Survey) -> dict[Path, dict[str, Any]]:
    """Folders that hold the state of a training, and the plan that it follows."""
    found: dict[Path, dict[str, Any]] = {}
    for path in (survey.folder / "checkpoints").glob(f"*/{PLAN}"):
        try:
            plan = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # removed this moment, or left by another version
            continue
        if isinstance(plan, dict) and (path.parent / STATE).exists():
            found[path.parent] = plan
    return found


def _is_plan_of(plan: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    by_rule = set(asked.get("by_rule") or ()) | ({"steps"} if asked.get("minutes") else set())
    same = [key for key in plan if key not in _BY_RULE or key not in by_rule]
    return bool(plan) and all(plan[key] == asked.get(key) for key in same)
