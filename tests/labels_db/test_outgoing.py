"""Events and labels as rows: what goes out, page by page, and that it comes in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.vocabulary import Action
from labels_db import EVENT_COLUMNS, LABEL_COLUMNS, LabelsDB, NewEvent, TaskSpec, outgoing
from labels_db.rows import GIVEN

Make = Callable[..., NewEvent]


def events_of(db: LabelsDB, **more: Any) -> list[dict[str, Any]]:
    pages = db.event_rows("duals", **more)
    return [dict(zip(EVENT_COLUMNS, row, strict=True)) for page in pages for row in page]


def labels_of(db: LabelsDB) -> list[dict[str, Any]]:
    pages = db.label_rows("duals")
    return [dict(zip(LABEL_COLUMNS, row, strict=True)) for page in pages for row in page]


@pytest.fixture
def full(db: LabelsDB, make: Make) -> LabelsDB:
    """Two answers wanted; tags, notes, flags, an undo, a redo, an adjudication, a late answer."""
    db.change_task("duals", "owner", answers_per_object=2)
    db.set_tags("duals", ["bright", "tidal"], "owner")
    db.record(make("a", "dual", payload={"tags": ["tidal"]}, confidence=0.75))
    db.record(make("a", "dual", annotator="bob", note="'\"<é🌌>"))
    db.record(make("a", action=Action.NOTE, note="one | two"))
    db.record(make("a", action=Action.FLAG, prediction_visible=True))
    db.record(make("b", "star"))
    db.record_undo("duals", "ann", make("x").event_id)
    db.record_redo("duals", "ann", make("x").event_id)
    db.record(make("c", "other", lease="gone"))
    db.record(make("d", "other", action=Action.ADJUDICATE, payload={"gold": True}))
    db.record(make("e", action=Action.UNSURE))
    db.record(make("f", action=Action.FLAG))
    db.record(
        make(
            "f",
            action=Action.MARK,
            payload={"marks": [{"kind": "line", "wavelength_angstrom": 2796.352}]},
        )
    )
    return db


def test_every_event_goes_out_whole(full: LabelsDB) -> None:
    rows, events = events_of(full), list(full.events("duals"))
    assert len(rows) == len(events) == 12
    for row, event in zip(rows, events, strict=True):
        assert (row["task"], row["survey"]) == ("duals", "hubble")
        payload = None if row["payload"] is None else json.loads(row["payload"])
        assert payload == event.payload
        tags = (event.payload or {}).get("tags")
        assert (None if row["tags"] is None else json.loads(row["tags"])) == tags
        for name in ("event_id", "seq", "object_id", "action", "class_name", "note", "undoes"):
            assert row[name] == getattr(event, name), name
        for name in ("redoes", "lease", "late", "confidence", "prediction_visible", "source"):
            assert row[name] == getattr(event, name), name


def test_pages_are_of_one_moment(full: LabelsDB, make: Make, monkeypatch: Any) -> None:
    everything, labels = events_of(full), labels_of(full)
    for page in (1, 2, 12, 13):
        monkeypatch.setattr("labels_db.outgoing.PAGE", page)
        monkeypatch.setattr("labels_db.outgoing._EVENT_SQL", paged("_EVENT_SQL", page))
        monkeypatch.setattr("labels_db.outgoing._LABEL_SQL", paged("_LABEL_SQL", page))
        assert events_of(full) == everything
        assert labels_of(full) == labels
        assert events_of(full, after_seq=everything[4]["seq"]) == everything[5:]
        reading = full.event_rows("duals")
        first = next(reading)
        full.record(make(f"new-{page}", "dual"))
        rest = [row for one in reading for row in one]
        assert len(first) + len(rest) == len(everything), "what came later is left out"
        everything, labels = events_of(full), labels_of(full)


def paged(name: str, page: int) -> str:
    sql: str = getattr(outgoing, name)
    return sql[: sql.rindex("LIMIT")] + f"LIMIT {page}"


def test_current_labels_go_out_with_what_is_known_of_them(full: LabelsDB) -> None:
    rows = {row["object_id"]: row for row in labels_of(full)}
    found = full.current_labels("duals")
    assert list(rows) == sorted(found)
    for name, label in found.items():
        row = rows[name]
        assert (row["label"], row["how"], row["event_id"]) == (
            label.class_name,
            label.how,
            label.event_id,
        )
    assert json.loads(rows["a"]["annotators"]) == ["ann", "bob"]
    assert (rows["a"]["flagged"], rows["a"]["notes"]) == (1, "one | two")
    assert (rows["d"]["how"], rows["d"]["n_answers"], rows["d"]["flagged"]) == (
        "adjudicated",
        0,
        0,
    )
    assert "c" not in rows, "a late answer alone is no label"


def test_what_went_out_comes_in_again(full: LabelsDB, tmp_path: Path) -> None:
    def back(row: dict[str, Any]) -> dict[str, Any]:
        values = {name: row[name] for name in (*GIVEN, "late")}
        if row["payload"] is not None:
            values["payload"] = json.loads(row["payload"])
        if row["prediction_visible"] is not None:
            values["prediction_visible"] = bool(row["prediction_visible"])
        return values

    rows = [(line, back(row)) for line, row in enumerate(events_of(full), start=2)]
    report = full.import_events("duals", rows, by="owner", source="own", survey_version=1)
    assert (report.n_new, report.n_before) == (0, 12)
    with LabelsDB(tmp_path / "other.sqlite") as other:
        spec = TaskSpec("duals", "hubble", "Which?", ("dual", "star", "other"), "dual")
        other.create_task(spec)
        other.set_tags("duals", ["bright", "tidal"], "owner")
        other.change_task("duals", "owner", answers_per_object=2)
        other.import_events("duals", rows, by="owner", source="copy", survey_version=1)
        drop = ("recorded_at", "source")
        assert [{k: v for k, v in row.items() if k not in drop} for row in events_of(other)] == [
            {k: v for k, v in row.items() if k not in drop} for row in events_of(full)
        ]
        assert other.current_classes("duals") == full.current_classes("duals")
        assert other.counts("duals") == full.counts("duals")
        assert other.disputes("duals") == full.disputes("duals")
        assert other.gold("duals") == full.gold("duals") == {"d": "other"}
        other.check(thorough=True)
