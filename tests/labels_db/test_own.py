"""What one annotator did in a sitting, and labels that are read once and followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent, own, schema

Make = Callable[..., NewEvent]
NEVER = "0001-01-01T00:00:00.000+00:00"


def test_a_session_has_what_stands_of_ones_own(db: LabelsDB, make: Make) -> None:
    undone = make("d", "dual")
    for event in (
        *(make("a", "dual"), make("b"), make("c", action=Action.UNSURE), undone),
        *(make("a", "star", annotator="bob"), make("a", action=Action.FLAG)),
        make("e", "star", source="file.csv"),
    ):
        db.record(event)
    db.record(make("d", action=Action.UNDO, undoes=undone.event_id))
    found = [
        (one.object_id, one.action, one.class_name) for one in db.session("duals", "ann", NEVER)
    ]
    assert found == [("a", "label", "dual"), ("b", "skip", None), ("c", "unsure", None)]


def test_a_session_begins_where_it_is_told(
    db: LabelsDB, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute, name in enumerate(("a", "b", "c")):
        moment = f"2027-01-31T08:0{minute}:00.000+00:00"
        monkeypatch.setattr("labels_db.events.utc_now", lambda moment=moment: moment)
        db.record(make(name, "dual"))

    def since(moment: str) -> list[str]:
        return [one.object_id for one in db.session("duals", "ann", moment)]

    assert since("2027-01-31T08:01:00.000+00:00") == ["b", "c"]
    assert since(schema.utc_now()[:4].replace("20", "30") + "-01-01T00:00:00.000+00:00") == []
    assert since(NEVER) == ["a", "b", "c"]
    assert [one.object_id for one in db.session("duals", "ann", NEVER, events=2)] == ["b", "c"]


def test_the_newest_of_each_class_and_their_order(db: LabelsDB, make: Make) -> None:
    for name in ("s1", "s2", "s3", "s4"):
        db.record(make(name, "star"))
    db.record(make("d1", "dual"))
    db.record(make("s1", "star", annotator="bob"))
    assert list(db.newest_classes("duals", 2).items()) == [
        *(("s4", "star"), ("d1", "dual"), ("s1", "star"))
    ]
    assert list(db.own_classes("duals", "ann", limit=2)) == ["s4", "d1"]
    assert db.own_classes("duals", "ann", after_seq=4) == {"d1": "dual"}


def test_skips_come_newest_first_and_go_with_an_answer(db: LabelsDB, make: Make) -> None:
    for name in ("a", "b", "c", "a"):
        db.record(make(name))
    db.record(make("x", annotator="bob"))
    assert db.skipped("duals", "ann") == ["a", "c", "b"]
    assert db.skipped("duals", "ann", limit=1) == ["a"]
    db.record(make("c", action=Action.UNSURE))
    assert db.skipped("duals", "ann") == ["a", "b"]


def test_who_answered_once_has_answered_for_good(db: LabelsDB, make: Make) -> None:
    db.record(make("a"))
    db.record(make("a", action=Action.NOTE, note="n"))
    assert not db.has_answered("duals", "ann", "a")
    answer = make("a", "dual")
    db.record(answer)
    db.record(make("a", action=Action.UNDO, undoes=answer.event_id))
    assert db.has_answered("duals", "ann", "a")
    assert not db.has_answered("duals", "bob", "a")
    assert not db.has_answered("duals", "ann", "b\n")


@pytest.mark.parametrize(
    ("sql", "values", "by"),
    [
        (own._SESSION, (1, "ann", 5), "idx_events_task_id_annotator (task_id=? AND annotator=?)"),
        (own._TOUCHED, {"task": 1, "after": 5}, "idx_events_task_id (task_id=? AND rowid>?)"),
        (
            own._OWN,
            {"task": 1, "who": "ann", "after": 5, "most": 5},
            "idx_events_task_id_annotator (task_id=? AND annotator=? AND rowid>?)",
        ),
    ],
)
def test_look_ups_go_by_an_index(db: LabelsDB, sql: str, values: Any, by: str) -> None:
    """At a million events a page would wait for one that reads a whole table."""
    steps = [row[3] for row in db.tables.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(step.endswith(by) for step in steps), steps
    # "o" is what the first step gathered.
    assert {step for step in steps if step.startswith("SCAN")} <= {"SCAN o"}
