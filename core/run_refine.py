"""The job `refine`: labels taught to the network behind the embedding in use, and a new embedding
put to use where the labels say that it finds more."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, InUse, NotReady
from core.progress import Progress, part_of
from core.run_teaching import FEWEST, TaughtLabels, read_labels, refinings, unembedded
from core.vocabulary import JobKind, RunState
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
    # How a worker starts it: with the labels there were, and a pipe that it holds.
    sub.add_argument("--by-itself", type=int, default=None, help=argparse.SUPPRESS)


def _refine(a: argparse.Namespace) -> str:
    if a.minutes is not None and a.steps is not None:
        raise BadInput("--minutes and --steps say the same in two ways; give one of them.")
    workspace = open_workspace(a.workspace, create=False)
    given = {"way": a.method, "steps": a.steps, "seed": a.seed}
    given = {name: value for name, value in given.items() if value is not None}

    def run() -> str:
        return run_refine(workspace, a.survey, a.task, minutes=a.minutes, **given).words

    if a.by_itself is None:
        return run()
    from core.run_refine_checks import run_by_itself

    return run_by_itself(workspace, a.task, a.by_itself, run)


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
    InUse
        Labels are being taught to a network of the survey.
    """
    from core.representation import finished_embeddings, load_embedding
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
        _check_alone(db, name)
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
        "encoder": embedding.encoder,
        "network": base.words,
        "n_labels": len(labels.rows),
        "n_finds": int(labels.is_find.sum()),
        "other_tasks": sorted(others),
    }
    said = [survey.manifest.content_hash, config, labels.object_ids, labels.answers.tolist()]
    config["mark"] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    with recorded_job(workspace, JobKind.REFINE, name, config, quiet=quiet) as (rid, tell, result):
        there = {run.run_id for run in finished_embeddings(survey)}
        before = unembedded(survey, refinings(survey, task_name))
        if before is None:
            work = Work(survey, embedding, base, labels, settings, config)
            told = part_of(tell, 0.0, COMPARED)
            is_better, words = work.run(rid, minutes, clock, others, told)
        else:
            rid, is_better = before.run_id, True
            words = (
                f"The network of {rid}, which was found better, was not embedded with yet: that"
                " was done first; start again to teach the labels that came since."
            )
        made = None
        if is_better:
            told = part_of(tell, COMPARED, 1.0)
            made, use = _embedded(workspace, survey, embedding, base, rid, there, told)
            words += use
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


def _check_alone(db: LabelsDB, survey: str) -> None:
    db.clean_orphans()
    for run in db.runs():
        if (run.kind, run.subject, run.state) == (JobKind.REFINE, survey, RunState.RUNNING):
            raise InUse(
                f"Labels are being taught to the network of {survey} already; wait until that is"
                " done, or cancel it on the Discovery page."
            )


def _embedded(
    workspace: Workspace,
    survey: Survey,
    before: Embedding,
    base: Base,
    run_id: str,
    there: Collection[str],
    progress: Progress,
) -> tuple[str | None, str]:
    """Embed with the network of the run and put that to use, unless somebody made or chose another
    embedding, or a newer version of the survey, meanwhile: the embedding's run, None where another
    one is in use, and what became of it in words.

    there: the embeddings there were at the start
    """
    from core.representation import (
        choose_embedding,
        embed,
        finished_embeddings,
        load_embedding,
    )

    if said := _newer(workspace, survey, base.encoder, run_id):
        return None, said
    options = {**base.options, "weights": run_id}
    made = embed(
        survey, base.encoder, options=options, precision=base.precision, progress=progress
    )
    if said := _newer(workspace, survey, base.encoder, run_id):
        return None, said
    used = load_embedding(survey).run_id
    finished = {one.run_id for one in finished_embeddings(survey)}
    # As the newest of the default encoder it may be in use already.
    if used in (before.run_id, made.run_id) and finished <= {*there, made.run_id}:
        choose_embedding(survey, made.run_id)
        used = made.run_id
    if used == made.run_id:
        return made.run_id, f" The new embedding {made.run_id} is in use."
    happened = "was put to use" if used != before.run_id else "was made"
    return None, (
        f" Meanwhile another embedding {happened}, so {used} stays in use; to have the new one,"
        f" choose that of the network {run_id} on the Encoders page."
    )


def _newer(workspace: Workspace, survey: Survey, encoder: str, run_id: str) -> str:
    """What to do where the survey has a newer version than the one that was taught; "" where it
    has none."""
    from core.run_jobs import open_survey

    newest = open_survey(workspace, survey.name)
    if newest.manifest.content_hash == survey.manifest.content_hash:
        return ""
    return (
        f" Meanwhile {survey.name} got version {newest.version}, so no embedding was put to use;"
        f" to have it embedded with the new network: `python -m core.run embed {survey.name}"
        f" --encoder {encoder} --weights {run_id} --workspace {workspace.root}`."
    )


__all__ = ["Refined", "add_refine_job", "run_refine"]
