"""The job `refine`: labels taught to the network behind the embedding in use, and a new embedding
put to use where the labels say that it finds more."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, NotReady
from core.progress import Progress, part_of
from core.run_teaching import FEWEST, TaughtLabels, read_labels, refinings
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.representation import Embedding
    from core.run_refine_work import Base
    from core.survey import Survey
    from labels_db import LabelsDB, Task

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

COMPARED = 0.8
"""Where training and judging end, of the whole job; then the survey is embedded."""


def add_refine_job(job: AddJob) -> None:
    """Add `refine` to the jobs."""
    sub = job("refine", _refine, "teach a task's labels to the network behind the embedding")
    sub.set_defaults(
        stopped="what was learnt is kept, and the same command goes on as long as labels, settings"
        " and the embedding in use are the same"
    )
    sub.add_argument("survey")
    sub.add_argument("--task", required=True)
    sub.add_argument("--minutes", type=float, default=None, help="of training, about")
    sub.add_argument("--steps", type=int, default=None, help="of each training (default: 100)")
    sub.add_argument("--method", default=None, help="fixmatch, joint (default) or both")
    sub.add_argument("--seed", type=int, default=None)


def _refine(a: argparse.Namespace) -> str:
    if a.minutes is not None and a.steps is not None:
        raise BadInput("--minutes and --steps say the same in two ways; give one of them.")
    workspace = open_workspace(a.workspace, create=False)
    given = {"way": a.method, "steps": a.steps, "seed": a.seed}
    given = {name: value for name, value in given.items() if value is not None}
    return run_refine(workspace, a.survey, a.task, minutes=a.minutes, **given).words


@dataclass(frozen=True)
class Refined:
    """What came of it.

    Attributes
    ----------
    run_id
        The run with the network.
    is_better
        Whether its embedding finds more by the labels.
    embedding
        The run of the new embedding, in use now; None where there is none.
    words
        All of it in words.
    """

    run_id: str
    is_better: bool
    embedding: str | None
    words: str


def run_refine(
    workspace: Workspace,
    name: str,
    task_name: str,
    *,
    minutes: float | None = None,
    quiet: bool = False,
    clock: Callable[[], float] = monotonic,
    **given: Any,
) -> Refined:
    """Teach the labels of a task, judge the network by labels that it was not taught, and put a
    new embedding to use where it finds more. Recorded as a run of the survey.

    One training a fold, each without that fold's labels, judges; one more with all of them makes
    the network that is kept. All start from the network in use.

    Parameters
    ----------
    minutes
        Of training, by `clock`; None trains the steps of the settings.
    given
        way, steps, batch_size, seed ... of `RefineSettings`.

    Raises
    ------
    BadInput
        A setting is not allowed, or the task is one of another survey.
    NotReady
        No embedding, none with a network, no pictures, or too few labels of one kind.
    """
    from core.representation import load_embedding
    from core.representation.refining import RefineSettings
    from core.representation.training import asking
    from core.run_jobs import open_survey, recorded_job
    from core.run_refine_work import Work, base_of
    from labels_db import LabelsDB

    settings = RefineSettings(**given)
    asking.checked_minutes(minutes)
    with LabelsDB(workspace.labels) as db:
        task = db.task(task_name)
        if task.survey != name:
            raise BadInput(
                f"The task {task_name} asks about the survey {task.survey}, but {name} was named;"
                f" name {task.survey}, or a task of {name}."
            )
        survey = open_survey(workspace, name)
        asking.checked_surveys([survey])
        embedding = load_embedding(survey)
        base = base_of(survey, embedding, task_name)
        labels = read_labels(db, task, survey)
        others = _of_other_tasks(db, task, survey)
    config = {
        "task": task_name,
        **settings.as_dict(),
        "minutes": minutes,
        "embedding_run": embedding.run_id,
        "network": base.words,
        "n_labels": len(labels.rows),
        "n_finds": int(labels.is_find.sum()),
        "other_tasks": sorted(others),
    }
    said = [survey.manifest.content_hash, config, labels.object_ids, labels.answers.tolist()]
    config["mark"] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    with recorded_job(workspace, JobKind.REFINE, name, config, quiet=quiet) as (rid, tell, result):
        before = _unembedded(survey, task_name, config["mark"])
        if before is None:
            work = Work(survey, embedding, base, labels, settings, config)
            told = part_of(tell, 0.0, COMPARED)
            is_better, words = work.run(rid, minutes, clock, others, told)
        else:
            rid, is_better, words = before
        made = None
        if is_better:
            made = _embedded(survey, embedding, base, rid, part_of(tell, COMPARED, 1.0))
            words += _use_words(rid, made)
        result.update(run=rid, is_better=is_better, embedding=made, words=words)
    return Refined(rid, is_better, made, words)


def _of_other_tasks(db: LabelsDB, task: Task, survey: Survey) -> dict[str, TaughtLabels]:
    """Of the other tasks of the survey that have enough labels to be asked: they share its
    embedding."""
    found = {}
    for other in db.tasks(survey.name):
        if other.name == task.name:
            continue
        try:
            found[other.name] = read_labels(db, other, survey, FEWEST)
        except NotReady:
            continue
    return found


def _unembedded(survey: Survey, task: str, mark: str) -> tuple[str, bool, str] | None:
    """The run that taught the very same and was better, if its embedding is still to be made: the
    mark names the embedding in use, and that would be another one."""
    for run in refinings(survey, task):
        result = run.record.get("result") or {}
        if run.config.get("mark") == mark and result.get("is_better"):
            return run.run_id, True, str(result.get("words", ""))
    return None


def _embedded(
    survey: Survey, before: Embedding, base: Base, run_id: str, progress: Progress
) -> str | None:
    """Embed with the network of the run and put that to use; the embedding's run, None where
    another embedding was put to use meanwhile."""
    from core.representation import choose_embedding, embed, load_embedding

    options = {**base.options, "weights": run_id}
    made = embed(
        survey, base.encoder, options=options, precision=base.precision, progress=progress
    )
    # As the newest of the default encoder it may be in use already.
    if load_embedding(survey).run_id not in (before.run_id, made.run_id):
        return None
    choose_embedding(survey, made.run_id)
    return made.run_id


def _use_words(run_id: str, embedding: str | None) -> str:
    if embedding is not None:
        return f" The new embedding {embedding} is in use."
    return (
        " Meanwhile another embedding was put to use, and it stays; to have the new one, choose"
        f" that of the network {run_id} on the Encoders page."
    )


__all__ = ["Refined", "add_refine_job", "run_refine"]
