"""What goes into the label database and what comes out of it, as frozen records.

Times are ISO 8601 strings in UTC. An `object_id` is the survey's own string, never a position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.config import LoopConfig
from core.vocabulary import Action, RunState, Settled


@dataclass(frozen=True)
class ClassDetail:
    """One class of a task beyond its name.

    Attributes
    ----------
    key
        The key that answers with it: a digit, or a letter that no other act has; "" lets its
        place decide (1 to 9).
    colour
        "#rrggbb", or "" for the palette's.
    guideline
        What counts as this class, for the annotators.
    examples
        object_ids that show it.
    retired
        No longer offered; what was labelled so stays so.
    """

    name: str
    key: str = ""
    colour: str = ""
    guideline: str = ""
    examples: tuple[str, ...] = ()
    retired: bool = False


@dataclass(frozen=True)
class TaskSpec:
    """A question to be asked of a survey; checked by `LabelsDB.create_task`.

    Attributes
    ----------
    classes
        Names of the classes, in the order of their keys.
    target
        The class that the search is for, one of `classes`.
    details
        Keys, colours, guidelines and examples of the classes; those not named have none.
    tags
        Words that may be given beside the class, any number of them.
    answers_per_object
        How many annotators answer each object.
    blind
        Annotators see neither each other's answers nor the model's opinion.
    tree
        Questions that lead to the classes, see `labels_db.trees`; None asks for the class.
    gold_rate
        Share of objects with a known answer that are slipped in, 0 to 0.5.
    lease_seconds
        After so long without a sign of life an object is given to somebody else.
    also_targets
        Other classes that are looked for as well, see `targets`.
    """

    name: str
    survey: str
    question: str
    classes: tuple[str, ...]
    target: str
    guideline: str = ""
    seed: int = 0
    details: tuple[ClassDetail, ...] = ()
    tags: tuple[str, ...] = ()
    answers_per_object: int = 1
    blind: bool = False
    tree: Mapping[str, Any] | None = None
    gold_rate: float = 0.0
    lease_seconds: int = 600
    also_targets: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The classes that the search is for, `target` first: an answer with any is a find."""
        return (self.target, *self.also_targets)


@dataclass(frozen=True)
class Task(TaskSpec):
    """A task as stored.

    `classes` are those offered now, in the order of their keys; `details` has the retired ones
    too. `version` grows with every change of the task.
    """

    created_at: str = ""
    version: int = 1

    @property
    def every_class(self) -> tuple[str, ...]:
        """Names of all classes, the retired ones last: what a label may be."""
        retired = tuple(one.name for one in self.details if one.retired)
        return (*self.classes, *retired)


@dataclass(frozen=True)
class TaskVersion:
    """A task's definition as it was from the event after `from_seq` on."""

    version: int
    from_seq: int
    changed_at: str
    changed_by: str
    document: Mapping[str, Any]


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
        Why the object was shown: copied from its queue item, or from the lease where there is
        one. A score that is not finite is kept as None.
    confidence
        How sure the annotator was, 0..1.
    payload
        A small JSON object: `tags`, `path` (answers to a tree's questions), `marks` (positions),
        `gold` (an adjudication that makes a gold object).
    lease
        Id of the lease under which the object was shown.
    prediction_visible
        Whether the model's opinion was on screen.
    redoes
        `event_id` of the undo that this event takes back.
    source
        Where an imported event came from.
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
    confidence: float | None = None
    payload: Mapping[str, Any] | None = None
    lease: str | None = None
    prediction_visible: bool | None = None
    redoes: str | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event(NewEvent):
    """An event as stored.

    `seq` is the order of commits, `recorded_at` the server's clock. A `late` answer came after
    its lease had run out: it is kept, and counts only once somebody adjudicates the object.
    """

    seq: int
    recorded_at: str
    late: bool = False


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
        Objects that somebody labelled, was unsure of, skipped or adjudicated.
    late
        The lease had run out: kept, but not counted until adjudicated.
    """

    event_id: str
    seq: int
    duplicate: bool
    counts: dict[str, int]
    n_answers: int
    late: bool = False


@dataclass(frozen=True)
class CurrentLabel:
    """The class that an object has now, with the event that gave it.

    `how` says whether that is the latest label, the plurality of several annotators or an
    adjudication.
    """

    object_id: str
    class_name: str
    annotator: str
    event_id: str
    seq: int
    survey_version: int
    answered_at: str | None
    recorded_at: str
    how: Settled = Settled.LATEST


@dataclass(frozen=True)
class Answer:
    """What one annotator says of one object: the latest standing label or unsure.

    `class_name` is None for unsure.
    """

    object_id: str
    annotator: str
    action: Action
    class_name: str | None
    event_id: str
    seq: int
    confidence: float | None
    tags: tuple[str, ...]
    shown_at: str | None
    answered_at: str | None
    recorded_at: str
    sampler: str | None


@dataclass(frozen=True)
class ObjectState:
    """Where an object stands in a task.

    Attributes
    ----------
    class_name, how
        Its current label; None while there is none or the annotators are tied.
    n_answers, n_unsure, n_classes
        Annotators who answered, who of them could not tell, how many classes they named.
    n_late
        Late answers that wait for adjudication.
    is_open
        Touched, and more answers are wanted.
    disagreement
        0 where all agree or it was settled; else 1 minus the share of the most frequent answer.
    """

    object_id: str
    class_name: str | None
    how: Settled | None
    n_answers: int
    n_unsure: int
    n_classes: int
    n_late: int
    is_open: bool
    disagreement: float
    last_seq: int


@dataclass(frozen=True)
class GoldResult:
    """How one annotator did on the objects with a known answer; unsure counts as not right."""

    annotator: str
    n_answered: int
    n_right: int


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


@dataclass(frozen=True)
class LeasedItem:
    """An object handed to one annotator, with why it was chosen.

    `seconds_left` is how long the lease runs without a sign of life. Of a gold object `sampler`
    says so, and only the server may know.
    """

    lease: str
    object_id: str
    sampler: str
    score: float | None
    probability: float | None
    model_version: int | None
    seconds_left: float


class HandoutState(StrEnum):
    """Why a hand-out has objects, or why it has none."""

    READY = "ready"
    LEASED = "leased"
    """What is left is in the hands of others."""
    NOTHING_LEFT = "nothing_left"
    """This annotator has seen all that the queue holds."""
    NO_QUEUE = "no_queue"
    """Nothing is ranked yet."""


@dataclass(frozen=True)
class Handout:
    """Objects for one annotator; `retry_s` is when the next lease of somebody else runs out."""

    items: tuple[LeasedItem, ...]
    state: HandoutState
    retry_s: float | None = None


@dataclass(frozen=True)
class Strategy:
    """How the queue of a task is filled from now on; see `core.config.LoopConfig`.

    It lies beside the definition of the task, for it changes nothing of what an answer means.
    `version` counts the changes (0: nobody chose one), `from_seq` is the last event before it.
    """

    sampler: str = LoopConfig.sampler
    learner: str = LoopConfig.learner
    control_share: float = LoopConfig.control_share
    retrain_every: int = LoopConfig.retrain_every
    version: int = 0
    from_seq: int = 0
    changed_at: str = ""
    changed_by: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """One retraining of a task: what it saw and where its scores lie.

    `version` (1, 2, ... in each task) and `created_at` are set by `LabelsDB.replace_queue`.
    `label_seq` is the last event it knew; `state` a sentence for the page; `strategy` the version
    of the strategy in use, `task_version` that of the task, 0 if it is not known.
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
    strategy: int = 0
    task_version: int = 0
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
