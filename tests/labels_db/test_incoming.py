"""Whole files taken in: all of it or nothing, and the same file twice changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, NotFound, StorageFull
from core.vocabulary import Action
from labels_db import ImportReport, LabelsDB, NewEvent, TaskSpec

Make = Callable[..., NewEvent]
Rows = list[tuple[int | None, dict[str, Any]]]


def own_id(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def row(number: int, object_id: str, name: str | None = "dual", **more: Any) -> dict[str, Any]:
    given = {"event_id": own_id(number), "object_id": object_id, "class_name": name}
    return given | more


def take_in(db: LabelsDB, rows: Rows | Iterator[Any], **more: Any) -> ImportReport:
    given: dict[str, Any] = {"by": "owner", "source": "zoo.csv", "survey_version": 1} | more
    return db.import_events("duals", rows, **given)


def numbered(*rows: dict[str, Any]) -> Rows:
    return [(line, values) for line, values in enumerate(rows, start=2)]


def test_labels_become_events_with_where_they_came_from(db: LabelsDB) -> None:
    rows = numbered(
        row(1, "a", annotator="zoe", confidence=0.5, answered_at="2019-01-01T00:00:00Z"),
        row(2, "b", "star", survey_version=3, source="elsewhere"),
        row(3, "c", None, action="skip"),
        row(4, "d", None, action="unsure"),
    )
    assert take_in(db, rows) == ImportReport(4, 4, 0)
    events = list(db.events("duals"))
    assert [(e.annotator, e.source, e.survey_version) for e in events] == [
        ("zoe", "zoo.csv", 1),
        ("owner", "elsewhere", 3),
        ("owner", "zoo.csv", 1),
        ("owner", "zoo.csv", 1),
    ]
    assert (events[0].confidence, events[0].answered_at) == (0.5, "2019-01-01T00:00:00Z")
    assert db.counts("duals") == {"dual": 1, "star": 1, "other": 0}
    assert db.n_answers("duals") == 4
    db.check(thorough=True)


def test_the_same_file_twice_changes_nothing(db: LabelsDB) -> None:
    rows = numbered(row(1, "a", note="seen twice"), row(2, "b"), row(2, "b"))
    assert take_in(db, rows) == ImportReport(4, 3, 1)
    before = list(db.events("duals"))
    assert take_in(db, rows) == ImportReport(4, 0, 4)
    assert list(db.events("duals")) == before
    assert [(e.action, e.note) for e in before] == [
        ("label", None),
        ("note", "seen twice"),
        ("label", None),
    ]


def test_an_event_with_a_note_stays_one_event(db: LabelsDB, make: Make) -> None:
    event = make("a", "dual", note="two cores")
    db.record(event)
    same = {"event_id": event.event_id, "object_id": "a", "class_name": "dual"}
    same |= {"annotator": "ann", "action": "label", "note": "two cores"}
    assert take_in(db, [(2, same)]) == ImportReport(1, 0, 1)
    assert len(list(db.events("duals"))) == 1


def test_an_import_joins_what_is_there(db: LabelsDB, make: Make) -> None:
    db.change_task("duals", "owner", answers_per_object=2)
    db.record(make("a", "dual"))
    db.record(make("z", "other"))
    take_in(db, numbered(row(1, "a", "star", annotator="zoe"), row(2, "b", annotator="zoe")))
    assert db.current_classes("duals") == {"b": "dual", "z": "other"}
    assert [state.object_id for state in db.disputes("duals")] == ["a"]
    assert db.counts("duals") == {"dual": 1, "star": 0, "other": 1}
    assert db.n_answers("duals") == 3
    db.check(thorough=True)


def test_undos_and_redos_come_in_whatever_their_order(db: LabelsDB) -> None:
    rows = numbered(
        row(2, "a", None, action="undo", undoes=own_id(1)),
        row(3, "a", redoes=own_id(2), note="again"),
        row(1, "a"),
        row(4, "b"),
        row(5, "b", None, action="undo", undoes=own_id(4)),
    )
    take_in(db, rows)
    assert db.current_classes("duals") == {"a": "dual"}
    assert db.current_label("duals", "a").event_id == own_id(3)  # type: ignore[union-attr]
    db.check(thorough=True)
    with pytest.raises(NotFound):
        db.record_undo("duals", "owner", own_id(99))


def test_an_undo_and_a_redo_of_an_imported_answer(db: LabelsDB, make: Make) -> None:
    take_in(db, numbered(row(1, "a", annotator="ann")))
    db.record(make("a", action=Action.UNDO, undoes=own_id(1)))
    _, again = db.record_redo("duals", "ann", make("x").event_id)
    assert (again.class_name, again.source) == ("dual", None)
    with pytest.raises(NotFound, match="nothing to redo"):
        db.record_redo("duals", "ann", make("x").event_id)
    db.record_undo("duals", "ann", make("x").event_id)
    assert db.current_classes("duals") == {}


def test_late_answers_come_in_as_late(db: LabelsDB, make: Make) -> None:
    rows = numbered(
        row(1, "a", late=True),
        row(2, "a", None, action="flag", late=1),
        row(3, "b", None, action="skip", late=True),
        row(4, "c", late=0),
    )
    take_in(db, rows)
    assert [event.late for event in db.events("duals")] == [True, False, True, False]
    assert db.current_classes("duals") == {"c": "dual"}
    db.check(thorough=True)
    db.record(make("a", "star"))
    assert db.object_state("duals", "a").n_late == 1  # type: ignore[union-attr]
    db.check(thorough=True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (row(9, "z", "lens"), "classes of the task 'duals' are dual"),
        (row(9, "unknown"), "the survey has no object 'unknown'"),
        (row(9, ""), "object_id"),
        (row(9, "x" * 10_000), "object_id"),
        (row(9, "z", tags=["spiral"]), "tags of the task 'duals' are none"),
        (row(9, "z", None, action="erase"), "An action is one of"),
        (row(9, "z", None, action="undo", undoes=own_id(77)), "is not there"),
        (row(9, "b", None, action="undo", undoes=own_id(1)), "about another object"),
        (row(9, "a", None, action="undo", undoes=own_id(1), annotator="zoe"), "another"),
        (row(9, "a", None, action="undo", undoes=own_id(3)), "is not there"),
        (row(9, "z", redoes=own_id(1)), "it redoes the undo"),
        (row(9, "d", redoes=own_id(5)), "was redone before"),
        (row(9, "c", None, action="undo", undoes=own_id(2)), "was undone before"),
        (row(1, "z"), "stands for another event in this file"),
        (row(1, "a", "star"), "stands for another event in this file"),
        (row(9, "z", event_id="1"), "event_id must be a UUID"),
        (row(9, "z", confidence=2), "confidence must be in 0 to 1"),
        (row(9, "z", late="no"), "late is true or false"),
        (row(9, "z", note="x" * 1_000_000), "A note must be text"),
        (row(9, "z", answered_at="yesterday"), "answered_at must be"),
        ({"object_id": "z", "class_name": "dual"}, "event_id is missing"),
        ({"event_id": own_id(9), "class_name": "dual"}, "object_id is missing"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_one_wrong_row_and_nothing_is_imported(
    db: LabelsDB, wrong: dict[str, Any], told: str
) -> None:
    good = [
        row(1, "a"),
        row(2, "c"),
        row(3, "c", None, action="undo", undoes=own_id(2)),
        row(4, "d"),
        row(5, "d", None, action="undo", undoes=own_id(4)),
        row(6, "d", redoes=own_id(5)),
    ]
    with pytest.raises(BadInput, match=told) as caught:
        take_in(db, numbered(*good, wrong), known_object=lambda name: name != "unknown")
    assert str(caught.value).startswith("Line 8: ")
    assert str(caught.value).endswith("Nothing was imported.")
    assert len(str(caught.value)) < 500
    assert db.last_seq("duals") == db.n_answers("duals") == 0
    assert take_in(db, numbered(*good)).n_new == 6


def test_an_event_id_that_stands_for_something_else_here(
    db: LabelsDB, make: Make, spec: TaskSpec
) -> None:
    db.create_task(TaskSpec("lenses", "hubble", "Lens?", ("dual", "no"), "dual"))
    here, elsewhere = make("a", "dual"), make("a", "dual", task="lenses")
    undo = make("a", action=Action.UNDO, undoes=here.event_id)
    for event in (here, elsewhere, undo):
        db.record(event)
    for wrong, told in (
        (row(0, "a", event_id=elsewhere.event_id, annotator="ann"), "another task of this"),
        (row(0, "b", event_id=here.event_id, annotator="ann"), "in this task"),
        (row(0, "a", event_id=here.event_id, annotator="bob"), "in this task"),
        (
            row(7, "a", None, action="undo", undoes=here.event_id, annotator="ann"),
            "undone before",
        ),
    ):
        with pytest.raises(BadInput, match=told):
            take_in(db, [(3, row(8, "new")), (4, wrong)])
    assert "new" not in db.current_classes("duals")


def test_a_reader_that_breaks_off_leaves_nothing(db: LabelsDB, monkeypatch: Any) -> None:
    monkeypatch.setattr("labels_db.incoming._BATCH", 2)

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(5):
            yield number, row(number, f"o{number}")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="is gone"):
        take_in(db, rows())
    assert db.last_seq("duals") == 0
    assert take_in(db, numbered(*(row(n, f"o{n}") for n in range(5)))).n_new == 5
    assert take_in(db, []) == ImportReport(0, 0, 0)


def test_strange_text_is_just_data(db: LabelsDB) -> None:
    strange = '\'; DROP TABLE events; -- "<script>é🌌" =1+1'
    take_in(db, numbered(row(1, strange, annotator=strange, source=strange, note=strange)))
    label, note = db.history("duals", strange)
    assert (label.annotator, label.source, note.note) == (strange,) * 3


@pytest.mark.parametrize("where", ["main", "temp"])
def test_a_full_disk_takes_in_nothing(db: LabelsDB, where: str) -> None:
    db.tables.execute("CREATE TEMP TABLE warm (x)")
    pages = db.tables.execute(f"PRAGMA {where}.page_count").fetchone()[0]
    db.tables.execute(f"PRAGMA {where}.max_page_count = {pages + 30}")
    rows = numbered(*(row(n, f"object-{n}") for n in range(3000)))
    with pytest.raises(StorageFull):
        take_in(db, rows)
    assert db.last_seq("duals") == 0
    db.check(thorough=True)
    db.tables.execute(f"PRAGMA {where}.max_page_count = 1000000")
    assert take_in(db, rows).n_new == 3000


def test_a_large_import_leaves_other_writers_free(crew: Callable[..., str], path: Path) -> None:
    """A writer in another process that would wait 10 s is never refused meanwhile."""
    n_rows, n_written = map(int, crew("import_beside", 20_000).split())
    assert n_written > 0
    with LabelsDB(path) as db:
        db.check(thorough=True)
        assert len(db.current_labels("duals")) == n_rows + n_written


@pytest.mark.slow
def test_a_very_large_import_leaves_other_writers_free(
    crew: Callable[..., str], path: Path
) -> None:
    n_rows, n_written = map(int, crew("import_beside", 100_000).split())
    assert n_written > 0
    with LabelsDB(path) as db:
        db.check(thorough=True)
        assert db.n_answers("duals") == n_rows + n_written
