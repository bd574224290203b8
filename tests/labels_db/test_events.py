"""Label events: what follows from them, what is refused, and that none can be changed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent, TaskSpec

Make = Callable[..., NewEvent]
SENT = "2027-01-31T08:15:00.123Z"


def classes(db: LabelsDB) -> dict[str, str]:
    return {key: label.class_name for key, label in db.current_labels("duals").items()}


def test_a_label_is_kept_with_all_it_came_with(db: LabelsDB, make: Make, path: Path) -> None:
    event = make(
        "obj-1",
        "dual",
        note="two\ncores",
        shown_at=SENT,
        answered_at="2026-01-31T08:15:00+00:00",
        sampler="margin",
        score=0.25,
        probability=0.5,
        model_version=3,
    )
    ack = db.record(event)
    assert (ack.event_id, ack.duplicate, ack.n_answers) == (event.event_id, False, 1)
    assert ack.counts == {"dual": 1, "star": 0, "other": 0}
    with LabelsDB(path) as again:
        (stored,) = again.events("duals")
        kept = asdict(stored)
        assert kept.pop("seq") == ack.seq == again.last_seq("duals")
        assert kept.pop("recorded_at").endswith("+00:00")
        assert kept.pop("late") is False
        assert kept == asdict(event)
        assert stored.action is Action.LABEL
        label = again.current_labels("duals")["obj-1"]
        assert label == again.current_label("duals", "obj-1")
        assert (label.class_name, label.annotator, label.event_id) == (
            "dual",
            "ann",
            event.event_id,
        )
        assert again.current_label("duals", "obj-2") is None


def test_the_same_event_twice_counts_once(db: LabelsDB, make: Make) -> None:
    event = make("obj-1", "dual", score=float("nan"))
    first = db.record(event)
    for again in (event, replace(event, event_id=event.event_id.upper())):
        ack = db.record(again)
        assert ack == replace(first, duplicate=True)
    assert len(list(db.events("duals"))) == 1
    for other in (
        replace(event, class_name="star"),
        replace(event, object_id="obj-2"),
        replace(event, annotator="bob"),
    ):
        with pytest.raises(BadInput, match="stands for another event"):
            db.record(other)
    assert classes(db) == {"obj-1": "dual"}


def test_a_second_label_replaces_the_first_and_its_undo_brings_it_back(
    db: LabelsDB, make: Make
) -> None:
    db.record(make("obj-1", "dual"))
    second = make("obj-1", "star")
    assert db.record(second).counts == {"dual": 0, "star": 1, "other": 0}
    assert classes(db) == {"obj-1": "star"}
    undo = make("obj-1", action=Action.UNDO, undoes=second.event_id)
    ack = db.record(undo)
    assert ack.counts == {"dual": 1, "star": 0, "other": 0}
    assert ack.n_answers == 1
    assert classes(db) == {"obj-1": "dual"}
    assert db.record(undo).duplicate
    assert [event.action for event in db.history("duals", "obj-1")] == ["label", "label", "undo"]


def test_undoing_the_older_label_leaves_the_newer(db: LabelsDB, make: Make) -> None:
    first = make("obj-1", "dual")
    db.record(first)
    db.record(make("obj-1", "star"))
    db.record(make("obj-1", action=Action.UNDO, undoes=first.event_id))
    assert classes(db) == {"obj-1": "star"}


def test_a_skip_does_not_erase_a_label(db: LabelsDB, make: Make) -> None:
    db.record(make("obj-1", "dual"))
    assert db.record(make("obj-1")).n_answers == 1
    ack = db.record(make("obj-2"))
    assert (ack.counts["dual"], ack.n_answers) == (1, 2)
    assert classes(db) == {"obj-1": "dual"}
    assert db.skipped("duals", "ann") == ["obj-2"]


def test_the_latest_label_counts_whoever_gave_it(db: LabelsDB, make: Make) -> None:
    db.record(make("obj-1", "dual"))
    db.record(make("obj-1", "star", annotator="bob"))
    assert classes(db) == {"obj-1": "star"}
    _, undone = db.record_undo("duals", "bob", make("x").event_id)
    assert undone.class_name == "star"
    assert classes(db) == {"obj-1": "dual"}


def test_flags_and_notes_stand_until_undone(db: LabelsDB, make: Make) -> None:
    flag = make("obj-1", action=Action.FLAG)
    notes = [make("obj-1", action=Action.NOTE, note=text) for text in ("one", "two")]
    for event in (flag, *notes):
        assert db.record(event).n_answers == 0
    assert db.flagged("duals") == {"obj-1"}
    db.record(make("obj-1", action=Action.UNDO, undoes=flag.event_id))
    db.record(make("obj-1", action=Action.UNDO, undoes=notes[0].event_id))
    assert db.flagged("duals") == set()
    assert [note.note for note in db.notes("duals", "obj-1")] == ["two"]
    assert db.notes("duals", "obj-2") == []


def test_record_undo_goes_back_one_by_one(db: LabelsDB, make: Make) -> None:
    db.record(make("obj-1", "dual"))
    db.record(make("obj-2", "star", annotator="bob"))
    db.record(make("obj-3"))
    db.record(make("obj-3", action=Action.FLAG))
    ids = [make("x").event_id for _ in range(3)]
    ack, undone = db.record_undo("duals", "ann", ids[0], answered_at=SENT)
    assert (undone.object_id, undone.action, ack.n_answers) == ("obj-3", Action.SKIP, 2)
    again, still = db.record_undo("duals", "ann", ids[0])
    assert (again, still) == (replace(ack, duplicate=True), undone)
    ack, undone = db.record_undo("duals", "ann", ids[1])
    assert (undone.object_id, ack.counts["dual"], ack.n_answers) == ("obj-1", 0, 1)
    with pytest.raises(NotFound, match="nothing left to undo"):
        db.record_undo("duals", "ann", ids[2])
    assert db.flagged("duals") == {"obj-3"}
    assert classes(db) == {"obj-2": "star"}
    with pytest.raises(BadInput, match="another event"):
        db.record_undo("duals", "bob", ids[0])


def test_an_undo_that_makes_no_sense_is_refused(db: LabelsDB, make: Make, spec: TaskSpec) -> None:
    db.create_task(replace(spec, name="lenses"))
    label = make("obj-1", "dual")
    foreign = make("obj-1", "dual", annotator="bob")
    elsewhere = make("obj-1", "dual", task="lenses")
    for event in (label, foreign, elsewhere):
        db.record(event)

    def undo(undoes: NewEvent, object_id: str = "obj-1") -> NewEvent:
        return make(object_id, action=Action.UNDO, undoes=undoes.event_id)

    with pytest.raises(BadInput, match="Only 'bob'"):
        db.record(undo(foreign))
    with pytest.raises(BadInput, match="same object"):
        db.record(undo(label, "obj-2"))
    for unknown in (make("obj-1"), elsewhere):
        with pytest.raises(NotFound, match="There is no event"):
            db.record(undo(unknown))
    done = undo(label)
    db.record(done)
    with pytest.raises(BadInput, match="undone before"):
        db.record(undo(label))
    with pytest.raises(BadInput, match="is an undo"):
        db.record(undo(done))
    assert len(list(db.events("duals"))) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "1"},
        {"event_id": "' OR 1=1 --"},
        {"event_id": "9" * 10_000},
        {"event_id": None},
        {"object_id": ""},
        {"object_id": "x" * 513},
        {"object_id": "a\nb"},
        {"object_id": "\ud800"},
        {"survey_version": 0},
        {"survey_version": 1.5},
        {"survey_version": "1"},
        {"survey_version": 2**63},
        {"annotator": ""},
        {"annotator": None},
        {"action": "erase"},
        {"class_name": "lens"},
        {"class_name": "DUAL"},
        {"class_name": None},
        {"class_name": ""},
        {"undoes": "00000000-0000-4000-8000-000000000000"},
        {"action": Action.SKIP},
        {"action": Action.UNDO, "class_name": None},
        {"action": Action.NOTE, "class_name": None},
        {"note": "x" * 4097},
        {"note": " \n"},
        {"note": "a\x00b"},
        {"note": "\udfff"},
        {"shown_at": "yesterday"},
        {"shown_at": "2027-01-31T08:15:00"},
        {"answered_at": "2027-01-31T08:15:00+02:00"},
        {"answered_at": 1.0},
        {"answered_at": "2027-13-31T08:15:00Z"},
        {"score": "high"},
        {"probability": 1.5},
        {"probability": -0.1},
        {"model_version": 0},
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(db: LabelsDB, make: Make, change: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        db.record(replace(make("obj-1", "dual"), **change))
    assert len(str(caught.value)) < 500
    assert db.last_seq("duals") == 0


def test_an_unknown_task_is_refused(db: LabelsDB, make: Make) -> None:
    with pytest.raises(NotFound, match="there are duals"):
        db.record(make("obj-1", "dual", task="lens"))
    for ask in (db.events, db.current_labels, db.unlabelled, db.flagged, db.counts, db.last_seq):
        with pytest.raises(NotFound):
            ask("lens")


@pytest.mark.parametrize(
    "object_id",
    [
        "'; DROP TABLE events; --",
        '"quoted"',
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "ナバホ 🌌 Ω",
        "%00%2e/../etc",
        "x" * 512,
    ],
)
def test_a_strange_object_id_is_just_data(db: LabelsDB, make: Make, object_id: str) -> None:
    db.record(make(object_id, "dual", annotator=object_id, note=object_id))
    assert classes(db) == {object_id: "dual"}
    (event,) = db.history("duals", object_id)
    assert event.note == event.annotator == object_id
    assert db.history("duals", "\ud800") == []


def test_numbers_that_are_not_finite_are_kept_as_none(db: LabelsDB, make: Make) -> None:
    given = [float("nan"), float("inf"), -float("inf"), np.float32(0.5), np.int64(2), None]
    for number, score in enumerate(given):
        event = make(f"obj-{number}", "dual", score=score, survey_version=np.int64(1))
        assert [db.record(event).duplicate for _ in range(2)] == [False, True]
    assert [event.score for event in db.events("duals")] == [None, None, None, 0.5, 2.0, None]
    assert db.record(make("p", "dual", probability=np.float32(1.0000001))).seq
    assert list(db.events("duals"))[-1].probability == 1.0


def test_clocks_that_run_backwards_are_kept(db: LabelsDB, make: Make) -> None:
    late, early = "2027-01-31T08:15:01Z", "2027-01-31T08:15:00Z"
    db.record(make("obj-1", "dual", shown_at=late, answered_at=early))
    db.record(make("obj-1", "star", shown_at=early, answered_at="1999-01-01T00:00:00Z"))
    (first, second) = db.history("duals", "obj-1")
    assert (first.shown_at, first.answered_at) == (late, early)
    assert classes(db) == {"obj-1": "star"}, "the order of commits decides, not a client's clock"
    assert first.recorded_at <= second.recorded_at


def test_events_are_read_from_anywhere(db: LabelsDB, make: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr("labels_db.readings._PAGE", 3)
    sent = [make(f"obj-{number}", "dual") for number in range(8)]
    seqs = [db.record(event).seq for event in sent]
    assert [event.seq for event in db.events("duals")] == seqs
    assert [event.seq for event in db.events("duals", after_seq=seqs[2])] == seqs[3:]
    assert [event.seq for event in db.events("duals", seqs[2], limit=4)] == seqs[3:7]
    assert list(db.events("duals", limit=0)) == []
    reading = db.events("duals", limit=5)
    next(reading)
    db.record(make("obj-9", "dual"))
    assert len(list(reading)) == 4, "a reader half-way does not stand in the way of a writer"


def test_tasks_do_not_see_each_other(db: LabelsDB, make: Make, spec: TaskSpec) -> None:
    db.create_task(replace(spec, name="lenses"))
    db.record(make("obj-1", "dual"))
    ack = db.record(make("obj-1", "star", task="lenses"))
    assert ack.counts == {"dual": 0, "star": 1, "other": 0}
    assert db.counts("duals") == {"dual": 1, "star": 0, "other": 0}
    assert [event.task for event in db.events("lenses")] == ["lenses"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET class_name = 'star'",
        "UPDATE events SET note = 'x' WHERE seq = 1",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events (seq, event_id, task_id, object_id, survey_version,"
        " annotator, action, recorded_at) VALUES (1, 'new', 1, 'o', 1, 'a', 'skip', 'now')",
        "INSERT OR REPLACE INTO events (event_id, task_id, object_id, survey_version, annotator,"
        " action, recorded_at) SELECT event_id, 1, 'o', 1, 'a', 'skip', 'now' FROM events",
    ],
)
def test_the_database_itself_refuses_to_change_an_event(
    db: LabelsDB, make: Make, path: Path, sql: str
) -> None:
    db.record(make("obj-1", "dual"))
    before = list(db.events("duals"))
    bare = sqlite3.connect(path, isolation_level=None)
    try:
        for conn in (bare, db.tables.conn):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                conn.execute(sql)
    finally:
        bare.close()
    assert list(db.events("duals")) == before
    db.check(thorough=True)


def test_a_connection_stays_in_its_thread(db: LabelsDB, make: Make) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            db.record(make("obj-1", "dual"))
        except sqlite3.ProgrammingError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert db.last_seq("duals") == 0


def test_data_version_tells_of_commits_here_and_elsewhere(
    db: LabelsDB, make: Make, path: Path
) -> None:
    start = db.data_version()
    assert db.data_version() == start
    db.record(make("obj-1", "dual"))
    mine = db.data_version()
    assert mine > start
    with LabelsDB(path) as other:
        assert db.data_version() == mine
        other.record(make("obj-2", "dual"))
    assert db.data_version() > mine


def test_no_look_up_grows_with_the_number_of_events(db: LabelsDB, make: Make) -> None:
    """One label, its undo and one object's history each read a few rows by index: SQLite says
    so itself. Every statement that the calls run is asked for its plan."""
    statements: list[str] = []
    db.record(make("obj-1", "dual"))
    db.tables.conn.set_trace_callback(statements.append)
    db.record(make("obj-1", "star"))
    db.record_undo("duals", "ann", make("x").event_id)
    db.history("duals", "obj-1")
    db.notes("duals", "obj-1")
    db.current_label("duals", "obj-1")
    db.counts("duals")
    db.last_seq("duals")
    db.next_items("duals", 3)
    db.tables.conn.set_trace_callback(None)
    asked = [sql for sql in statements if sql.split()[0] in ("SELECT", "UPDATE", "INSERT")]
    assert len(asked) > 15
    for sql in asked:
        plan = [row[3] for row in db.tables.conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
        scans = [line for line in plan if line.startswith("SCAN") and "CONSTANT" not in line]
        assert not scans, (sql, plan)
        by_task_alone = [line for line in plan if line.endswith("(task_id=?)") and "event" in line]
        if "max(seq)" not in sql:
            assert not by_task_alone, (sql, plan)
