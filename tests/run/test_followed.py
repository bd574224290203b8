"""Labels read on from where the last reading ended are the labels read at once."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from core.run_followed import Followed
from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, TaskSpec

CLASSES = ("yes", "no", "maybe")


@pytest.fixture
def db(tmp_path):
    with LabelsDB(tmp_path / "labels.sqlite") as database:
        database.create_task(TaskSpec("t", "sky", "Is it?", CLASSES, "yes"))
        database.create_task(TaskSpec("other", "sky", "Is it?", CLASSES, "yes"))
        yield database


def happen(db, rng, task="t") -> None:
    """One thing that somebody does, drawn at random."""
    name, who = f"o{rng.integers(12)}", ("ann", "bob")[rng.integers(2)]
    own = [one for one in db.history(task, name) if one.annotator == who]
    standing = {one.undoes for one in own}
    undoable = [
        one for one in own if one.action is not Action.UNDO and one.event_id not in standing
    ]
    kind = rng.choice(["label", "label", "label", "skip", "unsure", "undo", "adjudicate", "flag"])
    if kind == "undo" and not undoable:
        kind = "label"
    event = {
        "event_id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
        "task": task,
        "object_id": name,
        "survey_version": 1,
        "annotator": who,
        "action": Action(kind),
    }
    if kind in ("label", "adjudicate"):
        event["class_name"] = CLASSES[rng.integers(3)]
        event["sampler"] = (None, "control", "most_likely")[rng.integers(3)]
    if kind == "undo":
        event["undoes"] = undoable[-1].event_id
    db.record(NewEvent(**event))


def same(one: Followed, other: Followed) -> None:
    assert one.searched == other.searched
    assert one.classes == other.classes
    assert one.unlabelled == other.unlabelled
    assert (one.seq, one.models) == (other.seq, other.models)


def test_what_is_read_on_is_what_is_there(db):
    rng = np.random.default_rng(5)
    followed = Followed()
    for step in range(60):
        for _ in range(rng.integers(4)):
            happen(db, rng, ("t", "other")[int(rng.random() < 0.2)])
        if step % 7 == 0:
            db.replace_queue(
                "t",
                [],
                ModelRecord(
                    task="t", n_labels=1, label_seq=1, sampler="random", survey_version=1, seed=0
                ),
            )
        if step == 30:
            db.change_task("t", "ann", answers_per_object=2)  # settles objects otherwise
        followed.follow(db, db.task("t"))
        anew = Followed()
        anew.follow(db, db.task("t"))
        same(followed, anew)
    assert len(followed.searched) > 3
    assert len(followed.models) == 9


def test_only_what_was_touched_is_read_again(db, monkeypatch):
    rng = np.random.default_rng(2)
    for _ in range(30):
        happen(db, rng)
    followed = Followed()
    followed.follow(db, db.task("t"))
    monkeypatch.setattr(LabelsDB, "current_classes", None)  # would be called
    asked = []
    searched = LabelsDB.searched

    def counted(*given):
        asked.append(searched(*given))
        return asked[-1]

    monkeypatch.setattr(LabelsDB, "searched", counted)
    followed.follow(db, db.task("t"))
    assert asked == []
    db.record(NewEvent(str(uuid.uuid4()), "t", "new", 1, "ann", Action.LABEL, "no"))
    followed.follow(db, db.task("t"))
    assert [[one.object_id for one in found] for found in asked] == [["new"]]
    assert followed.classes["new"] == "no"


def test_known_examples_are_told_by_where_they_came_from(db):
    for object_id, source in (("a", "known examples"), ("b", "file.csv")):
        row = {"event_id": str(uuid.uuid4()), "object_id": object_id, "class_name": "yes"}
        db.import_events("t", [(None, row)], by="ann", source=source, survey_version=1)
    assert db.given_as("t", "known examples") == {"a": "yes"}
