"""The strategy of a task: the defaults until somebody chooses, then every choice kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import LoopConfig
from core.errors import BadInput, NotFound
from labels_db import LabelsDB, ModelRecord, NewEvent, TaskSpec


def test_nobody_chose_one(db: LabelsDB) -> None:
    now, usual = db.strategy("duals"), LoopConfig()
    assert (now.sampler, now.learner) == (usual.sampler, usual.learner)
    assert (now.control_share, now.retrain_every) == (usual.control_share, usual.retrain_every)
    assert (now.version, now.changed_by) == (0, "")
    assert db.strategies("duals") == []


def test_a_change_holds_from_the_next_event_on_and_keeps_what_it_does_not_name(
    db: LabelsDB, make: Callable[..., NewEvent]
) -> None:
    db.record(make("obj-1", "dual"))
    first = db.set_strategy("duals", "ann", sampler="margin", control_share=0.25)
    db.record(make("obj-2", "star"))
    second = db.set_strategy("duals", "bob", learner="logistic")
    assert (first.version, first.from_seq, first.changed_by) == (1, 1, "ann")
    assert (second.sampler, second.learner, second.control_share) == ("margin", "logistic", 0.25)
    assert (second.version, second.from_seq, second.changed_by) == (2, 2, "bob")
    assert db.strategy("duals") == second
    assert db.strategies("duals") == [first, second]


def test_the_same_again_is_no_change(db: LabelsDB) -> None:
    chosen = db.set_strategy("duals", "ann", retrain_every=9)
    assert db.set_strategy("duals", "bob", retrain_every=9) == chosen
    assert len(db.strategies("duals")) == 1
    assert db.set_strategy("duals", "bob", sampler="default").version == 1


def test_it_is_seen_from_outside_and_is_each_tasks_own(
    db: LabelsDB, spec: TaskSpec, path: Path
) -> None:
    db.create_task(TaskSpec("other", "hubble", spec.question, spec.classes, spec.target))
    with LabelsDB(path) as watcher:
        before = watcher.data_version()
        db.set_strategy("duals", "ann", sampler="margin")
        assert watcher.data_version() != before
        assert watcher.strategy("duals").sampler == "margin"
        assert watcher.strategy("other").version == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control_share": 1.0}, "control_share"),
        ({"control_share": float("nan")}, "control_share"),
        ({"control_share": -0.1}, "control_share"),
        ({"retrain_every": 0}, "retrain_every"),
        ({"retrain_every": 2.5}, "retrain_every"),
        ({"retrain_every": 10_001}, "retrain_every"),
        ({"sampler": ""}, "sampler"),
        ({"learner": "a\nb"}, "learner"),
        ({"seed": 3}, "can be changed"),
    ],
)
def test_refused_in_a_sentence(db: LabelsDB, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        db.set_strategy("duals", "ann", **changes)
    assert db.strategy("duals").version == 0


def test_no_such_task(db: LabelsDB) -> None:
    with pytest.raises(NotFound):
        db.set_strategy("none", "ann", sampler="margin")
    with pytest.raises(NotFound):
        db.strategy("none")


def test_a_model_says_by_which_strategy_and_for_which_task_it_ranked(
    db: LabelsDB, model: Callable[..., ModelRecord]
) -> None:
    db.replace_queue("duals", [], model())
    db.replace_queue("duals", [], model(strategy=3, task_version=2))
    kept = [(one.strategy, one.task_version) for one in db.models("duals")]
    assert kept == [(0, 0), (3, 2)]
    with pytest.raises(BadInput, match="strategy"):
        db.replace_queue("duals", [], model(strategy=-1))
    with pytest.raises(BadInput, match="task_version"):
        db.replace_queue("duals", [], model(task_version=0.5))


def test_a_change_leaves_leases_as_they_are(
    db: LabelsDB, model: Callable[..., ModelRecord]
) -> None:
    from labels_db import QueueItem

    db.replace_queue("duals", [QueueItem("obj-1", 0, "margin")], model())
    leased = db.lease_next("duals", "ann", 1).items[0]
    db.set_strategy("duals", "ann", sampler="entropy")
    db.replace_queue("duals", [QueueItem("obj-1", 0, "entropy")], model(strategy=1))
    assert db.lease_next("duals", "bob", 1).items == ()
    assert leased.sampler == "margin"
