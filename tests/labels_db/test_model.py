"""Random sequences of acts against a plain model in memory (hypothesis, stateful)."""

from __future__ import annotations

import random
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import Ack, LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec

CLASSES = ("dual", "star", "other")
OBJECTS = ("a", "b", "c", "d'\"<é>")
ANNOTATORS = ("ann", "bob")
TASK = "duals"

objects = st.sampled_from(OBJECTS)
annotators = st.sampled_from(ANNOTATORS)


class Labelling(RuleBasedStateMachine):
    """`said` is the whole model: every accepted event, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.db = LabelsDB(Path(self.folder.name) / "labels.sqlite")
        # Durability has its own tests; here thousands of commits are made.
        self.db.tables.execute("PRAGMA synchronous = OFF")
        self.db.create_task(TaskSpec(TASK, "sky", "What?", CLASSES, "dual"))
        queue = [QueueItem(name, rank, "m") for rank, name in enumerate(OBJECTS)]
        model = ModelRecord(
            task=TASK, n_labels=0, label_seq=0, sampler="m", survey_version=1, seed=0
        )
        self.db.replace_queue(TASK, queue, model)
        self.said: list[NewEvent] = []
        self.ids = random.Random(0)

    def teardown(self) -> None:
        self.db.check(thorough=True)
        self.db.close()
        self.folder.cleanup()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.ids.getrandbits(128), version=4))

    def event(self, object_id: str, annotator: str, action: Action, **more: Any) -> NewEvent:
        return NewEvent(self.new_id(), TASK, object_id, 1, annotator, action, **more)

    def say(self, event: NewEvent) -> None:
        ack = self.db.record(event)
        self.said.append(event)
        self.agree(ack, duplicate=False)

    def agree(self, ack: Ack, *, duplicate: bool) -> None:
        assert ack.duplicate is duplicate
        assert ack.counts == self.counts()
        assert ack.n_answers == len(self.answered())

    def standing(self) -> list[NewEvent]:
        undone = {event.undoes for event in self.said}
        return [
            event
            for event in self.said
            if event.event_id not in undone and event.action is not Action.UNDO
        ]

    def labels(self) -> dict[str, str | None]:
        return {e.object_id: e.class_name for e in self.standing() if e.action is Action.LABEL}

    def having(self, action: Action) -> set[str]:
        return {event.object_id for event in self.standing() if event.action is action}

    def answered(self) -> set[str]:
        return self.having(Action.LABEL) | self.having(Action.SKIP)

    def counts(self) -> dict[str, int]:
        given = list(self.labels().values())
        return {name: given.count(name) for name in CLASSES}

    @rule(object_id=objects, annotator=annotators, class_name=st.sampled_from(CLASSES))
    def label(self, object_id: str, annotator: str, class_name: str) -> None:
        self.say(self.event(object_id, annotator, Action.LABEL, class_name=class_name))

    @rule(object_id=objects, annotator=annotators, action=st.sampled_from([*Action]))
    def other(self, object_id: str, annotator: str, action: Action) -> None:
        if action in (Action.SKIP, Action.FLAG):
            self.say(self.event(object_id, annotator, action))
        elif action is Action.NOTE:
            self.say(self.event(object_id, annotator, action, note="n"))

    @rule(pick=st.integers(0, 10**6), annotator=annotators)
    def undo_any(self, pick: int, annotator: str) -> None:
        if not self.said:
            return
        old = self.said[pick % len(self.said)]
        undo = self.event(old.object_id, annotator, Action.UNDO, undoes=old.event_id)
        if old in self.standing() and old.annotator == annotator:
            self.say(undo)
        else:
            with pytest.raises(BadInput):
                self.db.record(undo)

    @rule(annotator=annotators)
    def undo_latest(self, annotator: str) -> None:
        mine = [
            event
            for event in self.standing()
            if event.annotator == annotator and event.action in (Action.LABEL, Action.SKIP)
        ]
        own_id = self.new_id()
        if not mine:
            with pytest.raises(NotFound):
                self.db.record_undo(TASK, annotator, own_id)
            return
        ack, undone = self.db.record_undo(TASK, annotator, own_id)
        assert undone.event_id == mine[-1].event_id
        self.said.append(
            NewEvent(
                own_id,
                TASK,
                undone.object_id,
                1,
                annotator,
                Action.UNDO,
                undoes=undone.event_id,
            )
        )
        self.agree(ack, duplicate=False)

    @rule(pick=st.integers(0, 10**6))
    def send_again(self, pick: int) -> None:
        if self.said:
            self.agree(self.db.record(self.said[pick % len(self.said)]), duplicate=True)

    @invariant()
    def same_as_the_model(self) -> None:
        db, labels = self.db, self.labels()
        found = db.current_labels(TASK)
        assert {key: label.class_name for key, label in found.items()} == labels
        assert db.skipped(TASK) == self.having(Action.SKIP) - labels.keys()
        assert db.flagged(TASK) == self.having(Action.FLAG)
        assert db.counts(TASK) == self.counts()
        assert db.n_answers(TASK) == len(labels.keys() | self.having(Action.SKIP))
        assert [e.event_id for e in db.events(TASK)] == [e.event_id for e in self.said]
        left = [name for name in OBJECTS if name not in self.answered()]
        assert [item.object_id for item in db.next_items(TASK, 9)] == left
        for name in OBJECTS:
            assert len(db.history(TASK, name)) == sum(e.object_id == name for e in self.said)
            one = db.current_label(TASK, name)
            assert (one and one.class_name) == labels.get(name)


PROFILE = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class TestLabelling(Labelling.TestCase):  # type: ignore[misc,valid-type]
    settings = PROFILE


@pytest.mark.slow
class TestLabellingAtLength(Labelling.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(PROFILE, max_examples=200, stateful_step_count=60)
