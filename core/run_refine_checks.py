"""Small parts of the job `refine`: which labels judge, what earlier starts left, and its end with
whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

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


__all__ = ["JUDGES", "Unjudged", "judging", "remove_others", "run_by_itself"]
