"""The head of the queue: replaced as a whole, answered objects left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem

Make = Callable[..., NewEvent]
Model = Callable[..., ModelRecord]


def items(*names: str) -> list[QueueItem]:
    return [QueueItem(name, rank, "margin", 1 - rank / 10, 0.5) for rank, name in enumerate(names)]


def ids(found: list[QueueItem]) -> list[str]:
    return [item.object_id for item in found]


def test_items_come_by_rank_with_their_model(db: LabelsDB, model: Model) -> None:
    assert db.next_items("duals", 3) == []
    assert db.latest_model("duals") is None
    assert db.replace_queue("duals", items("a", "b", "c")[::-1], model()) == 1
    found = db.next_items("duals", 2)
    assert found == [replace(item, model_version=1) for item in items("a", "b")]
    assert ids(db.next_items("duals", 2, exclude=["a"])) == ["b", "c"]
    assert db.next_items("duals", 0) == []
    assert ids(db.next_items("duals", 9, exclude={"b", "nowhere"})) == ["a", "c"]


def test_answered_objects_are_left_out_until_undone(
    db: LabelsDB, make: Make, model: Model
) -> None:
    db.replace_queue("duals", items("a", "b", "c", "d", "e"), model())
    for event in (
        make("a", "dual"),
        make("b"),
        make("c", action=Action.FLAG),
        make("d", action=Action.NOTE, note="odd"),
    ):
        db.record(event)
    assert ids(db.next_items("duals", 9)) == ["c", "d", "e"]
    db.record_undo("duals", "ann", make("x").event_id)
    assert ids(db.next_items("duals", 9)) == ["b", "c", "d", "e"]
    db.record_undo("duals", "ann", make("x").event_id)
    assert ids(db.next_items("duals", 1)) == ["a"]


def test_a_new_queue_takes_the_place_of_the_old(db: LabelsDB, model: Model, path: Path) -> None:
    db.replace_queue("duals", items("a", "b"), model())
    given = model(
        n_labels=7, learner="logistic", encoder_run="r1", state="ok", seconds=0.5, scores_file="f"
    )
    assert db.replace_queue("duals", items("c"), given) == 2
    with LabelsDB(path) as again:
        (item,) = again.next_items("duals", 9)
        assert (item.object_id, item.model_version) == ("c", 2)
        latest = again.latest_model("duals")
        assert latest is not None
        assert replace(latest, created_at="") == replace(given, version=2)
        assert [record.version for record in again.models("duals")] == [1, 2]
    assert db.replace_queue("duals", [], model()) == 3
    assert db.next_items("duals", 9) == []


def test_a_queue_that_is_wrong_changes_nothing(db: LabelsDB, model: Model) -> None:
    db.replace_queue("duals", items("a"), model())
    good = items("b", "c")
    for bad in (
        [*good, QueueItem("b", 9, "margin")],
        [*good, QueueItem("d", 1, "margin")],
        [*good, QueueItem("", 9, "margin")],
        [*good, QueueItem("d", -1, "margin")],
        [*good, QueueItem("d", 9, "margin", probability=2.0)],
    ):
        with pytest.raises(BadInput):
            db.replace_queue("duals", bad, model())
    for wrong in (model(task="other"), model(seed=-1), model(sampler=""), model(n_labels=1.5)):
        with pytest.raises(BadInput):
            db.replace_queue("duals", good, wrong)
    with pytest.raises(NotFound):
        db.replace_queue("lens", good, model(task="lens"))
    assert ids(db.next_items("duals", 9)) == ["a"]
    assert len(db.models("duals")) == 1


def test_a_score_that_is_not_finite_is_kept_as_none(db: LabelsDB, model: Model) -> None:
    queue = [QueueItem("a", 0, "m", float("nan")), QueueItem("b", 1, "m", float("inf"))]
    db.replace_queue("duals", queue, model(seconds=float("nan")))
    assert [item.score for item in db.next_items("duals", 2)] == [None, None]
