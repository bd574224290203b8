"""When the labels of a task are worth teaching to its network, and whether that starts by itself;
the worker and the pages ask here."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Damaged, NotFound, NotReady, SkysiftError
from core.vocabulary import JobKind
from core.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from core.survey import RunRecord, Survey
    from labels_db import LabelsDB, Task

LEAST_LABELS, LEAST_FINDS = 40, 8
"""Labels and finds from which on teaching starts by itself, where it was switched on; and labels
twice as many as the last time."""

FEWEST = 6
"""Finds, and others, without which it does not start at all: a third of them judges. Views of one
thing count once."""

SWITCH = "teaching.json"
"""Beside the scores of the task: whether teaching starts by itself."""

ENDED = "teaching-ended.json"
"""Beside it: how the last start by itself ended that did not end well."""

RETRY_S = 900.0
"""Until it is tried again after what may pass by itself, such as a full disk."""

SAID = 2
"""What `core.run` ends with after a sentence."""

SENTENCE = "skysift: "
LAST_BYTES = 4096

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


def unembedded(survey: Survey, runs: Sequence[RunRecord]) -> RunRecord | None:
    """The newest of these runs whose network is better than the one behind the embedding in use,
    and with which the survey is not embedded yet; None where there is none."""
    if not any((run.record.get("result") or {}).get("is_better") for run in runs):
        return None
    from core.representation import finished_embeddings

    made = finished_embeddings(survey)
    used = next((one.run_id for one in made if one.in_use), None)
    networks = {one.options.get("weights") for one in made}
    for run in runs:
        is_better = (run.record.get("result") or {}).get("is_better")
        if is_better and run.config.get("embedding_run") == used and run.run_id not in networks:
            return run
    return None


@dataclass(frozen=True)
class Ended:
    """How a start by itself ended that did not end well.

    Attributes
    ----------
    said
        Its last sentence.
    n_labels
        Labels at that start.
    is_settled
        The same labels would end it alike; else it is tried again after a while.
    """

    said: str
    n_labels: int
    is_settled: bool


def last_ended(workspace: Workspace, task: str) -> Ended | None:
    """How the last start by itself ended; None where it ended well, or there was none."""
    path = workspace.task_scores(task) / ENDED
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Ended(str(told["said"]), int(told["n_labels"]), bool(told["is_settled"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is tried once more, which writes it anew


def note_ended(workspace: Workspace, task: str, ended: Ended | None) -> None:
    """Keep how a start by itself ended; None: well."""
    path = workspace.task_scores(task) / ENDED
    # A full disk is one of the reasons: the next start finds none, and is tried.
    with contextlib.suppress(OSError):
        if ended is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{ENDED}.{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(ended)) + "\n", encoding="utf-8")
        partial.replace(path)


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
    """The labels that can be taught: objects with a picture, and what each was called.

    `taken`: ascending rows that are no part of the field: touched ones, taught or not, and other
    views of the same things.
    """

    object_ids: list[str]
    rows: np.ndarray
    answers: np.ndarray
    is_find: np.ndarray
    targets: tuple[int, ...]
    groups: list[str]
    taken: np.ndarray
    learner: str
    notes: tuple[str, ...]

    @property
    def n_things(self) -> tuple[int, int]:
        """Finds and others; views of one thing, which one fold holds, count once."""
        groups = np.array(self.groups, dtype=object)
        finds, others = (len(set(groups[kind])) for kind in (self.is_find, ~self.is_find))
        return finds, others

    def part(self, places: np.ndarray) -> TaughtLabels:
        """Some of them; places: ascending, among the labels."""
        chosen = places.tolist()
        return replace(
            self,
            object_ids=[self.object_ids[one] for one in chosen],
            rows=self.rows[places],
            answers=self.answers[places],
            is_find=self.is_find[places],
            groups=[self.groups[one] for one in chosen],
        )


def read_labels(db: LabelsDB, task: Task, survey: Survey, least: int = FEWEST) -> TaughtLabels:
    """The current labels, in the order of rows.

    Raises
    ------
    NotReady
        Fewer than `least` finds or others are left; views of one thing count once.
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
    found = TaughtLabels(
        [str(one) for one in survey.object_ids[rows]],
        rows,
        answers,
        is_find,
        targets,
        [str(one) for one in group_ids[rows]],
        _taken(db, task, survey, labels),
        db.strategy(task.name).learner,
        tuple(notes),
    )
    n_finds, n_others = found.n_things
    if min(n_finds, n_others) < least:
        if n_finds + n_others < len(rows):
            notes.append("views of one thing count once")
        left = f" ({'; '.join(notes)})" if notes else ""
        raise NotReady(
            f"To teach a network takes {least} finds and {least} others, a third of which judges"
            f" it, but {task.name} has {n_finds} and {n_others}{left}; answer more objects."
        )
    return found


def _taken(db: LabelsDB, task: Task, survey: Survey, labels: Collection[str]) -> np.ndarray:
    touched = []
    for object_id in (*labels, *db.unlabelled(task.name)):
        with contextlib.suppress(NotFound):
            touched.append(survey.row(object_id))
    groups = survey.catalogue["group_id"]
    return np.flatnonzero(groups.isin(groups.iloc[touched]).to_numpy())


class Teaching:
    """Starts the job for one task as labels come, in a process of its own, one at a time.

    The process belongs to whoever holds this object: `close` ends it in order, and it ends itself
    when the holder is gone. What it has learnt is kept for the next one.
    """

    def __init__(self, workspace: Workspace, task: str) -> None:
        self._workspace, self._task = workspace, task
        self._process: subprocess.Popen[bytes] | None = None
        self._log: tuple[Path, int] | None = None
        self._n_labels = 0
        self._wait_until = 0.0

    def look(self, db: LabelsDB, task: Task, survey: Survey) -> bool:
        """Start it if it is switched on and due; whether it was started."""
        if self._process is not None:
            if self._process.poll() is None:
                return False
            self._note_end(self._process)
            self._process = None
        if time.monotonic() < self._wait_until:
            return False
        try:
            if not is_automatic(self._workspace, self._task):
                return False
        except Damaged:  # the Discovery page says so; the ranking goes on
            return False
        count = label_count(db, task)
        self._n_labels = count.n_labels
        try:
            if self._is_due(count, survey):
                self._process = self._start(survey)
        except (SkysiftError, OSError) as error:  # the queue does not stand and fall with it
            self._note(f"It could not be started: {error}")
        return self._process is not None

    def _is_due(self, count: LabelCount, survey: Survey) -> bool:
        ended = last_ended(self._workspace, self._task)
        is_settled = ended is not None and ended.is_settled
        runs = refinings(survey, self._task)
        before = n_taught(runs)
        if ended is not None and is_settled:
            before = max(before, ended.n_labels)
        return count.is_due(before) or (not is_settled and unembedded(survey, runs) is not None)

    def _start(self, survey: Survey) -> subprocess.Popen[bytes]:
        path = self._workspace.logs / f"refine-{survey.name}.log"
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
            handle: Any = open(path, "ab")  # noqa: SIM115
        self._log = path, path.stat().st_size
        note_ended(self._workspace, self._task, None)  # what comes is of this start
        command = ["-m", "core.run", JobKind.REFINE.value, survey.name, "--task", self._task]
        command += ["--workspace", str(self._workspace.root), "--by-itself", str(self._n_labels)]
        with handle:
            return subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.PIPE,  # it closes when this process is gone, however that ends
                stdout=handle,
                stderr=handle,
                cwd=APP_ROOT,
                # A session of its own, so that it can give way as a whole (core.niceness).
                start_new_session=True,
            )

    def _note_end(self, process: subprocess.Popen[bytes]) -> None:
        """What the process left unsaid: it was killed, or met an unforeseen error."""
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        code = process.poll()
        if code == 0:
            return
        said = last_ended(self._workspace, self._task)
        if code == SAID and said is not None:
            if not said.is_settled:
                self._wait_until = time.monotonic() + RETRY_S
        else:
            self._note(self._last_words() or f"It ended with code {code}.")

    def _note(self, said: str) -> None:
        self._wait_until = time.monotonic() + RETRY_S
        note_ended(self._workspace, self._task, Ended(said, self._n_labels, is_settled=False))

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        path, start = self._log
        try:
            with open(path, "rb") as handle:
                handle.seek(max(start, path.stat().st_size - LAST_BYTES))
                lines = handle.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        said = [line for line in map(str.strip, lines) if line.startswith(SENTENCE)]
        return said[-1].removeprefix(SENTENCE) if said else ""

    def close(self) -> None:
        """End the job that runs, if one does, as by Ctrl-C."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
