"""When the labels of a task are worth teaching to its network, and whether that starts by itself;
the worker and the pages ask here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Damaged, NotFound, NotReady
from core.vocabulary import JobKind
from core.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from core.survey import RunRecord, Survey
    from labels_db import LabelsDB, Task

LEAST_LABELS, LEAST_FINDS = 40, 8
"""Labels and finds from which on teaching starts by itself, where it was switched on; and labels
twice as many as the last time."""

FEWEST = 6
"""Finds, and others, without which it does not start at all: a third of them judges."""

SWITCH = "teaching.json"
"""Beside the scores of the task: whether teaching starts by itself."""

APP_ROOT = Path(__file__).resolve().parents[1]


def is_automatic(workspace: Workspace, task: str) -> bool:
    """Whether teaching starts by itself; it does not unless somebody switched it on.

    Raises
    ------
    Damaged
        The file that says so cannot be read.
    """
    path = workspace.task_scores(task) / SWITCH
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["automatic"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{path}, which says whether labels are taught to the network by themselves, cannot be"
            f" read ({str(error)[:120]}); remove it and switch it on again."
        ) from None


def set_automatic(workspace: Workspace, task: str, on: bool) -> None:
    """Have teaching start by itself, or not."""
    path = workspace.task_scores(task) / SWITCH
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{SWITCH}.{os.getpid()}.partial")
        partial.write_text(json.dumps({"automatic": bool(on)}) + "\n", encoding="utf-8")
        partial.replace(path)


def refinings(survey: Survey, task: str) -> list[RunRecord]:
    """The finished runs that taught this task's labels to a network of this very survey, the
    newest first."""
    from core.survey import finished_runs

    return [
        run
        for run in finished_runs(survey, JobKind.REFINE)
        if run.config.get("task") == task
        and (run.record.get("survey") or {}).get("content_hash") == survey.manifest.content_hash
    ]


@dataclass(frozen=True)
class LabelCount:
    """How many labels a task has, and how many of them are finds."""

    n_labels: int
    n_finds: int

    @property
    def is_enough(self) -> bool:
        """For teaching at all."""
        return min(self.n_finds, self.n_labels - self.n_finds) >= FEWEST

    def is_due(self, n_before: int) -> bool:
        """For teaching by itself, `n_before` labels after the last time."""
        enough = self.n_labels >= LEAST_LABELS and self.n_finds >= LEAST_FINDS
        return self.is_enough and enough and self.n_labels >= 2 * n_before


def label_count(db: LabelsDB, task: Task) -> LabelCount:
    """Of the current labels of a task."""
    counts = db.counts(task.name)
    return LabelCount(sum(counts.values()), sum(counts.get(one, 0) for one in task.targets))


def n_taught(runs: list[RunRecord]) -> int:
    """Labels of the newest of these runs; 0 where there is none."""
    return int(runs[0].config.get("n_labels", 0)) if runs else 0


@dataclass(frozen=True, eq=False)
class TaughtLabels:
    """The labels that can be taught: objects with a picture, and what each was called."""

    object_ids: list[str]
    rows: np.ndarray
    answers: np.ndarray
    is_find: np.ndarray
    targets: tuple[int, ...]
    groups: list[str]
    learner: str
    notes: tuple[str, ...]


def read_labels(db: LabelsDB, task: Task, survey: Survey, least: int = FEWEST) -> TaughtLabels:
    """The current labels, in the order of rows.

    Raises
    ------
    NotReady
        Fewer than `least` finds or others are left.
    """
    labels = db.current_classes(task.name)
    number = {name: place for place, name in enumerate(task.every_class)}
    targets = tuple(number[name] for name in task.targets)
    group_ids = survey.catalogue["group_id"].to_numpy()
    known: dict[int, int] = {}
    n_gone = n_blind = 0
    for object_id, class_name in labels.items():
        try:
            row = survey.row(object_id)
        except NotFound:
            n_gone += 1
            continue
        if survey.has_image[row]:
            known[row] = number[class_name]
        else:
            n_blind += 1
    said: dict[str, set[bool]] = {}
    for row, answer in known.items():
        said.setdefault(str(group_ids[row]), set()).add(answer in targets)
    both = [row for row in known if len(said[str(group_ids[row])]) > 1]
    rows = np.array(sorted(set(known) - set(both)), dtype=np.int64)
    answers = np.array([known[row] for row in rows.tolist()], dtype=np.int64)
    is_find = np.isin(answers, targets)
    notes = [
        f"{n} {'label' if n == 1 else 'labels'} {words} {'is' if n == 1 else 'are'} left out"
        for n, words in (
            (n_gone, "of objects that the survey no longer has"),
            (n_blind, "of objects without a picture"),
            (len(both), "of things whose views were answered both ways"),
        )
        if n
    ]
    n_finds = int(is_find.sum())
    if min(n_finds, len(rows) - n_finds) < least:
        left = f" ({'; '.join(notes)})" if notes else ""
        raise NotReady(
            f"To teach a network takes {least} finds and {least} others, a third of which judges"
            f" it, but {task.name} has {n_finds} and {len(rows) - n_finds}{left}; answer more"
            " objects."
        )
    return TaughtLabels(
        [str(one) for one in survey.object_ids[rows]],
        rows,
        answers,
        is_find,
        targets,
        [str(one) for one in group_ids[rows]],
        db.strategy(task.name).learner,
        tuple(notes),
    )


class Teaching:
    """Starts the job for one task as labels come, in a process of its own, one at a time.

    The process belongs to whoever holds this object: `close` ends it in order, and what it has
    learnt is kept for the next one.
    """

    def __init__(self, workspace: Workspace, task: str) -> None:
        self._workspace, self._task = workspace, task
        self._process: subprocess.Popen[bytes] | None = None
        self._tried = 0
        """Labels at the last start: a job that fails is not started at every answer."""

    def look(self, db: LabelsDB, task: Task, survey: Survey) -> bool:
        """Start it if it is switched on and due; whether it was started."""
        if self._process is not None and self._process.poll() is None:
            return False
        try:
            if not is_automatic(self._workspace, self._task):
                return False
        except Damaged:  # the Discovery page says so; the ranking goes on
            return False
        count = label_count(db, task)
        if not count.is_due(max(self._tried, n_taught(refinings(survey, task.name)))):
            return False
        self._tried = count.n_labels
        self._process = self._start(survey)
        return True

    def _start(self, survey: Survey) -> subprocess.Popen[bytes]:
        logs = self._workspace.logs
        with storage_errors(logs):
            logs.mkdir(exist_ok=True)
            handle: Any = open(logs / f"refine-{survey.name}.log", "ab")  # noqa: SIM115
        command = ["-m", "core.run", JobKind.REFINE.value, survey.name, "--task", self._task]
        with handle:
            return subprocess.Popen(
                [sys.executable, *command, "--workspace", str(self._workspace.root)],
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                cwd=APP_ROOT,
                # A session of its own, so that it can give way as a whole (core.niceness).
                start_new_session=True,
            )

    def close(self) -> None:
        """End the job that runs, if one does, as by Ctrl-C."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
