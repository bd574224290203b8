"""Small parts of the job `refine`: which labels judge and what that says, what earlier starts
left, and its end with whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.discovery.comparing import FIRST, LEVEL, Comparison, Lateness
from core.errors import BadInput, Cancelled, NotReady, SkysiftError
from core.representation.training.checkpoint import PLAN
from core.run_teaching import Ended, note_ended
from core.survey.partial import is_held
from core.workspace import Workspace

JUDGES = 1_000
"""Finds, and others, that judge at most: each is looked at by every network."""


class Unjudged(Exception):
    """Nothing can tell whether a task would find less; the text says why."""


def judging(is_find: np.ndarray, seed: int) -> np.ndarray:
    """Places of the labels that judge, ascending: all, or `JUDGES` finds and as many others at
    random.

    is_find: (L,) bool
    """
    rng = np.random.default_rng([seed, 0x1D6E])
    chosen = []
    for kind in (is_find, ~is_find):
        places = np.flatnonzero(kind)
        if len(places) > JUDGES:
            places = rng.choice(places, JUDGES, replace=False)
        chosen.append(places)
    return np.sort(np.concatenate(chosen))


def remove_others(checkpoints: Path, task: str, mark: str) -> None:
    """Remove what earlier trainings on labels of the task left that nobody goes on from any more:
    of other labels, settings or embeddings, and not at work."""
    for folder in checkpoints.glob("refine-*.partial"):
        if folder.name.startswith(f"refine-{mark}-") or is_held(folder):
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads((folder / PLAN).read_text(encoding="utf-8"))
            if told["task"] == task:
                shutil.rmtree(folder, ignore_errors=True)


def run_by_itself(workspace: Workspace, task: str, n_labels: int, run: Callable[[], str]) -> str:
    """Run a job that a worker started: it ends when standard input closes, which is when the
    worker is gone, and how it ended is kept for the Discovery page."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        said = run()
    except SkysiftError as error:
        settled = isinstance(error, (NotReady, BadInput, Cancelled))
        note_ended(workspace, task, Ended(str(error), n_labels, settled))
        raise
    note_ended(workspace, task, None)
    return said


def _end_with_input() -> None:
    with contextlib.suppress(OSError, ValueError):
        # The raw descriptor: a buffered reader would hold a lock at interpreter exit.
        while os.read(sys.stdin.fileno(), 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def decision_words(compared: Comparison, harmed: Sequence[str] = ()) -> str:
    """The decision in a sentence, and the figures that it rests on."""
    n, field = len(compared.first_after), compared.field
    if compared.is_better and harmed:
        said = f"finds more for this task, but less for {' and '.join(harmed)}"
    elif compared.is_better:
        said = "finds more"
    elif compared.is_worse:
        said = "finds less"
    else:
        said = "finds no more, beyond what chance may do"
    stays = "" if compared.is_better and not harmed else ", so the embedding in use stays"
    before, after = field.means
    return (
        f"With the labels taught the network {said}{stays}. Of {n} finds, each held out once,"
        f" {compared.first_after.sum():.0f} come among the first {FIRST:.0%} of unanswered"
        f" objects, {compared.first_before.sum():.0f} by the embedding in use; in the mean"
        f" {after:.1%} of unanswered objects come before a find, {before:.1%} by the embedding in"
        f" use ({_octaves(field)}, and sooner in {field.n_better} of {field.n_folds} folds);"
        f" {_octaves(compared.others)} among the answered others."
    )


def _octaves(side: Lateness) -> str:
    return f"{side.gain:+.2f} octaves, {LEVEL:.0%} interval {side.low:+.2f} to {side.high:+.2f}"


def recorded_comparison(compared: Comparison, harmed: Sequence[str]) -> dict[str, Any]:
    """The figures of a comparison as a run keeps them."""
    field, others = compared.field, compared.others
    return {
        "is_better": compared.is_better and not harmed,
        "harmed": list(harmed),
        "before": field.means[0],
        "after": field.means[1],
        "gain": field.gain,
        "low": field.low,
        "high": field.high,
        "gain_among_answered": others.gain,
        "low_among_answered": others.low,
        "high_among_answered": others.high,
        "folds": field.n_folds,
        "folds_better": field.n_better,
        "n_held_out": len(field.before),
        "level": LEVEL,
        "first_before": float(compared.first_before.sum()),
        "first_after": float(compared.first_after.sum()),
    }


__all__ = [
    "JUDGES",
    "Unjudged",
    "decision_words",
    "judging",
    "recorded_comparison",
    "remove_others",
    "run_by_itself",
]
