"""The resident worker of one task: retrains after every few answers, never makes anyone wait.

It maps the embedding once and then lives beside the server, looking for new label events; a
process started anew for each retraining would spend seconds on imports alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.config import MAX_CLASS_PROBABILITIES, LoopConfig
from core.errors import NotFound, NotReady
from core.run_jobs import opened_cluster, recorded_job
from core.run_pictures import pictures_stamp, taught_pictures
from core.run_reliability import Reliability
from core.run_teaching import Teaching
from core.survey import Survey, newest_version
from core.vocabulary import JobKind
from core.workspace import Workspace, storage_errors
from labels_db import LabelsDB, ModelRecord, QueueItem, Strategy, Task

POLL_S = 0.05
HEARTBEAT_S = 2.0
AWAITING_S = 0.25
"""Until there is an embedding it is looked for this often."""
QUIET_S = 1.5
"""After this long without a new answer the model takes in what is there."""
KEPT_SCORES = 3
CLASSES = "classes"
"""Folder beside the score files: of each, under the same name, P(class) of every object."""


def work(
    workspace: Workspace,
    task_name: str,
    *,
    stop: threading.Event | None = None,
    until_ranked: bool = False,
    dask: str | None = None,
) -> None:
    """Keep the queue of a task ranked until told to stop.

    Parameters
    ----------
    stop
        Set from outside (a closed standard input, SIGTERM) to end the loop.
    until_ranked
        Return after the first ranking that holds every answer so far.
    dask
        A scheduler's address, or "local": its workers go over large surveys.
    """
    stop = stop or threading.Event()
    with LabelsDB(workspace.labels) as db, opened_cluster(dask) as client:
        task = db.task(task_name)
        with recorded_job(workspace, JobKind.WORKER, task.name, {}, quiet=True) as (_, tell, out):
            worker = _Worker(workspace, db, task, tell, client, patient=not until_ranked)
            with contextlib.closing(worker.teaching):
                while not stop.is_set():
                    ranked = worker.turn()
                    if until_ranked and ranked:
                        break
                    stop.wait(POLL_S)
            out.update(rankings=worker.rankings)


class _Worker:
    """One task's engine with what it last ranked."""

    def __init__(
        self,
        workspace: Workspace,
        db: LabelsDB,
        task: Task,
        tell: Callable[[float, str], None],
        client: Any = None,
        *,
        patient: bool,
    ) -> None:
        self.patient = patient
        self.client = client
        self.workspace = workspace
        self.db = db
        self.task = task
        self.strategy = db.strategy(task.name)
        self.tell = tell
        self.survey = Survey.open(workspace, task.survey)
        self.engine: Any = None
        self.embedding_run = ""
        self.ranked_seq = -1
        self.seen_seq = -1
        self.last_change = time.monotonic()
        self.last_beat = 0.0
        self.last_look = 0.0
        self.version: int | None = None
        self.rankings = 0
        self.shown_by: dict[str, str] = {}
        """object_id -> the sampler behind it, of the answers up to `shown_seq`."""
        self.shown_seq = 0
        self.pictures: tuple[str, object] = ("", None)
        """The embedding and the known pictures that the engine was taught."""
        self.pictures_told = ""
        self.reliability = Reliability()
        self.teaching = Teaching(workspace, task.name)

    def turn(self) -> bool:
        """Look once; rank if there is reason to. True if the queue holds every answer."""
        now = time.monotonic()
        if now - self.last_look > (AWAITING_S if self.engine is None else HEARTBEAT_S):
            self.last_look = now
            self._follow_survey()
            if not self._load_engine():
                return False
        if self.engine is None:
            return False
        version = self.db.data_version()
        if version != self.version:
            self.version = version
            changed = (
                self.db.task(self.task.name).version != self.task.version
                or self.db.strategy(self.task.name).version != self.strategy.version
            )
            if changed and not self._load_engine():
                return False
            seq = self.db.last_seq(self.task.name)
            if seq != self.seen_seq:
                self.seen_seq, self.last_change = seq, now
        new = 0
        if self.seen_seq != self.ranked_seq:  # numbers run over all tasks: count this one's
            new = self.db.n_events(self.task.name, after_seq=self.ranked_seq)
        paused = now - self.last_change > QUIET_S
        enough = new >= self.engine.config.retrain_every or (new > 0 and paused)
        if self.ranked_seq < 0 or enough:
            self._rank()
            if self.patient:
                self.teaching.look(self.db, self.task, self.survey)
        elif now - self.last_beat > HEARTBEAT_S:
            self.last_beat = now
            made = "1 ranking" if self.rankings == 1 else f"{self.rankings:,} rankings"
            self.tell(0.0, f"waiting for answers; {made} made")
        return self.ranked_seq == self.seen_seq

    def _follow_survey(self) -> None:
        """Go over to a newer version of the survey, once it is embedded."""
        from core.representation import load_embedding

        if newest_version(self.workspace, self.task.survey) == self.survey.version:
            return
        newer = Survey.open(self.workspace, self.task.survey)
        with contextlib.suppress(NotReady):
            load_embedding(newer)
            self.survey, self.embedding_run = newer, ""

    def _load_engine(self) -> bool:
        from core.discovery import Engine
        from core.discovery.kept_scores import KeptScores
        from core.representation import load_embedding

        try:
            embedding = load_embedding(self.survey)
        except NotReady as error:
            if not self.patient:
                raise
            self.tell(0.0, str(error))
            return False
        task = self.db.task(self.task.name)
        strategy = self.db.strategy(task.name)
        same = (task.every_class, task.targets) == (self.task.every_class, self.task.targets)
        same_strategy = strategy == self.strategy
        self.task, self.strategy = task, strategy
        if embedding.run_id == self.embedding_run:
            if not same:
                self.engine = self.engine.with_task(
                    task.every_class, task.target, task.also_targets
                )
            if not same_strategy:
                self.engine = self.engine.with_config(_config(strategy, task.seed))
            if not (same and same_strategy):
                self.ranked_seq = -1
            self._follow_pictures()
            return True
        folder = self.workspace.task_scores(self.task.name)
        folder.mkdir(parents=True, exist_ok=True)
        # Of retired classes too: what was labelled so still says what the target is not.
        self.engine = Engine(
            embedding.values,
            embedding.mask,
            task.every_class,
            task.target,
            _config(strategy, task.seed),
            also_targets=task.also_targets,
            parts=embedding.parts,
            scratch=str(folder),
            kept_scores=KeptScores(folder / "odd", f"{embedding.run_id}-{task.seed}"),
        )
        if self.client is not None:
            self.engine = self.engine.with_partitions(self.client)
        self.embedding_run = embedding.run_id
        self.seen_seq = self.db.last_seq(self.task.name)
        latest = self.db.latest_model(self.task.name)
        fresh = (
            latest is not None
            and latest.encoder_run == embedding.run_id
            and latest.label_seq == self.seen_seq
            and latest.strategy == strategy.version
            and latest.task_version == task.version
        )
        # A queue ranked by an earlier worker from the same answers is as good as a new one.
        self.ranked_seq = self.seen_seq if fresh else -1
        self._follow_pictures()
        return True

    def _follow_pictures(self) -> None:
        """Teach the engine the known pictures, where these or the embedding changed."""
        known = self.embedding_run, pictures_stamp(self.workspace, self.task.name)
        if known == self.pictures:
            return
        had_some, self.pictures = self.pictures[1] is not None, known
        if known[1] is None and not had_some:
            return
        taught = taught_pictures(self.workspace, self.survey, self.task, self.embedding_run)
        self.engine = self.engine.with_outside(taught.outside)
        self.pictures_told = taught.words
        self.ranked_seq = -1

    def _row(self, object_id: str) -> int | None:
        """The row of an object; None for one of a newer version that is not embedded yet."""
        try:
            return self.survey.row(object_id)
        except NotFound:
            return None

    def _left_out(self, n_labels: int) -> str:
        """The sentence, after a space, about labels of objects that have no row; "" for none."""
        if not n_labels:
            return ""
        which = "label is of an object" if n_labels == 1 else "labels are of objects"
        said = f" {n_labels:,} {which} that version {self.survey.version} of the survey lacks"
        newest = newest_version(self.workspace, self.task.survey)
        if newest != self.survey.version:
            return f"{said}; embed version {newest} for those that came with it."
        return f"{said} and taught nothing; import what is missing if it should count."

    def _rank(self) -> None:
        began = time.monotonic()
        seq = self.db.last_seq(self.task.name)
        current = self.db.current_classes(self.task.name)
        labels = {
            row: class_name
            for object_id, class_name in current.items()
            if (row := self._row(object_id)) is not None
        }
        skipped = [
            row
            for object_id in self.db.unlabelled(self.task.name)
            if (row := self._row(object_id)) is not None
        ]
        # What cannot be shown cannot be answered on the label page: it would be in the way.
        aside = ~self.survey.can_be_shown
        aside[skipped] = True
        aside[list(labels)] = False
        self.shown_by |= self.db.shown_by(self.task.name, self.shown_seq)
        self.shown_seq = seq
        asked_by = {
            row: sampler
            for object_id, sampler in self.shown_by.items()
            if (row := self._row(object_id)) is not None
        }
        trust = {
            row: weight
            for object_id, weight in self.reliability.trust(self.db, self.task, current).items()
            if (row := self._row(object_id)) in labels
        }
        ranking = self.engine.rerank(labels, np.flatnonzero(aside), asked_by=asked_by, trust=trust)
        items = [
            QueueItem(
                object_id=str(self.survey.object_ids[pick.row]),
                rank=pick.rank,
                sampler=pick.sampler,
                score=pick.score,
                probability=pick.probability,
            )
            for pick in ranking.picks
        ]
        folder = self.workspace.task_scores(self.task.name)
        scores_file = f"seq{seq:09d}-{self.embedding_run[-6:]}.npy"
        with storage_errors(folder):
            _save(folder / scores_file, ranking.scores.astype(np.float32))
            save_class_probabilities(
                folder / CLASSES / scores_file, ranking.class_probabilities, self.engine.classes
            )
        self.db.replace_queue(
            self.task.name,
            items,
            ModelRecord(
                task=self.task.name,
                version=0,
                n_labels=ranking.n_labels,
                label_seq=seq,
                sampler=ranking.sampler,
                learner=ranking.learner,
                encoder_run=self.embedding_run,
                survey_version=self.survey.version,
                seed=self.task.seed,
                state=ranking.state
                + self.pictures_told
                + self._left_out(len(current) - len(labels)),
                seconds=round(time.monotonic() - began, 4),
                scores_file=scores_file,
                strategy=self.strategy.version,
                task_version=self.task.version,
            ),
        )
        self.ranked_seq, self.seen_seq = seq, seq
        self.rankings += 1
        _keep_newest(folder, KEPT_SCORES)


def _config(strategy: Strategy, seed: int) -> LoopConfig:
    return LoopConfig(
        sampler=strategy.sampler,
        learner=strategy.learner,
        control_share=strategy.control_share,
        retrain_every=strategy.retrain_every,
        seed=seed,
    )


def _save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as handle:
        # Version 3 holds any class name as a field's; named, it is no reason for a warning.
        np.lib.format.write_array(handle, array, version=(3, 0), allow_pickle=False)
    partial.replace(path)


def save_class_probabilities(
    path: Path, probabilities: np.ndarray | None, classes: Sequence[str]
) -> None:
    """Write P(class) as (N,) records of float16, fields named by class: one row is read without
    the rest. Nothing is left at `path` where there are none, or too many to write each time."""
    if probabilities is None or probabilities.size > MAX_CLASS_PROBABILITIES:
        path.unlink(missing_ok=True)
        return
    kinds = np.dtype([(name, np.float16) for name in classes])
    values = np.ascontiguousarray(probabilities, dtype=np.float16)
    _save(path, values.view(kinds).reshape(len(values)))


def _keep_newest(folder: Path, count: int) -> None:
    files = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime_ns)
    kept = {path.name for path in files[-count:]}
    for path in (*files[:-count], *(folder / CLASSES).glob("*")):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def serve(workspace: Workspace, task_name: str, dask: str | None = None) -> None:
    """Work until the pipe on standard input closes (the server is gone), SIGTERM or a cancel."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def watch() -> None:
        # Only a pipe says that a server holds the other end; by hand it is a terminal or nothing.
        with contextlib.suppress(OSError, ValueError):
            if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
                return
            # The raw descriptor: a buffered reader would hold a lock at interpreter exit.
            while os.read(sys.stdin.fileno(), 1024):
                pass
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    work(workspace, task_name, stop=stop, dask=dask)


__all__ = ["save_class_probabilities", "serve", "work"]
