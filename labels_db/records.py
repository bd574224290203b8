"""What goes into the label database and what comes out of it, as frozen records.

Times are ISO 8601 strings in UTC. An `object_id` is the survey's own string, never a position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.vocabulary import Action, RunState


@dataclass(frozen=True)
class TaskSpec:
    """A question to be asked of a survey; checked by `LabelsDB.create_task`."""

    name: str
    survey: str
    question: str
    classes: tuple[str, ...]
    target: str
    guideline: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Task(TaskSpec):
    """A task as stored; `classes` are in the order of their keys, 1 to 9."""

    created_at: str = ""


@dataclass(frozen=True)
class NewEvent:
    """One thing an annotator did, as a client sends it.

    Attributes
    ----------
    event_id
        UUID made by the client: sent again after a lost answer, the event counts once.
    undoes
        `event_id` of the event that an undo takes back.
    shown_at, answered_at
        The client's clock, kept as given (it may run backwards).
    sampler, score, probability, model_version
        Why the object was shown: copied from its queue item. A score that is not finite is
        kept as None.
    """

    event_id: str
    task: str
    object_id: str
    survey_version: int
    annotator: str
    action: Action
    class_name: str | None = None
    undoes: str | None = None
    note: str | None = None
    shown_at: str | None = None
    answered_at: str | None = None
    sampler: str | None = None
    score: float | None = None
    probability: float | None = None
    model_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Event(NewEvent):
    """An event as stored: `seq` is the order of commits, `recorded_at` the server's clock."""

    seq: int
    recorded_at: str


@dataclass(frozen=True)
class Ack:
    """Says that an event is committed.

    Attributes
    ----------
    duplicate
        The event was already there and was not counted again.
    counts
        Objects whose current label is each class of the task, zeros too.
    n_answers
        Objects answered: labelled, or skipped and not labelled.
    """

    event_id: str
    seq: int
    duplicate: bool
    counts: dict[str, int]
    n_answers: int


@dataclass(frozen=True)
class CurrentLabel:
    """The latest label of an object that was not undone."""

    object_id: str
    class_name: str
    annotator: str
    event_id: str
    seq: int
    survey_version: int
    answered_at: str | None
    recorded_at: str


@dataclass(frozen=True)
class QueueItem:
    """An object in the head of a task's queue; a lower `rank` is shown sooner.

    `probability` is the chance with which it was drawn, in 0..1. `model_version` is set by the
    database.
    """

    object_id: str
    rank: int
    sampler: str
    score: float | None = None
    probability: float | None = None
    model_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """One retraining of a task: what it saw and where its scores lie.

    `version` (1, 2, ... in each task) and `created_at` are set by `LabelsDB.replace_queue`.
    `label_seq` is the last event it knew; `state` a sentence for the page.
    """

    task: str
    version: int = 0
    n_labels: int
    label_seq: int
    sampler: str
    learner: str | None = None
    encoder_run: str | None = None
    survey_version: int
    seed: int
    state: str = ""
    seconds: float | None = None
    scores_file: str | None = None
    created_at: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of the registry; `subject` is the survey or task that it works on."""

    run_id: str
    kind: str
    subject: str
    state: RunState
    pid: int
    host: str
    started_at: str
    heartbeat_at: str
    finished_at: str | None
    fraction: float | None
    message: str
    eta_s: float | None
    cancel_requested: bool
    error: str | None
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None
