"""How far labels are believed, off the answers of a task."""

from __future__ import annotations

import uuid

import pytest

import core.run_reliability
from core.run_reliability import Reliability, answer_trust
from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent, TaskSpec
from tests.metrics.test_believed import answers


@pytest.fixture
def db(tmp_path):
    with LabelsDB(tmp_path / "labels.sqlite") as database:
        for name, wanted in (("shared", 2), ("alone", 1)):
            database.create_task(
                TaskSpec(
                    name, "sky", "Is it?", ("dual", "other"), "dual", answers_per_object=wanted
                )
            )
        (objects, people, classes), _ = answers(n=150)
        rows = [
            {
                "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place}")),
                "object_id": name,
                "annotator": who,
                "class_name": str(said),
            }
            for place, (name, who, said) in enumerate(zip(objects, people, classes, strict=True))
        ]
        database.import_events(
            "shared", [(None, row) for row in rows], by="ann", source="file", survey_version=1
        )
        yield database


def test_finds_of_whoever_errs_are_believed_less(db):
    found = answer_trust(db, db.task("shared"), db.current_classes("shared"))
    by = {one.object_id: one.annotator for one in db.answers("shared")}
    alone = {o for o in by if len(list(db.answers("shared", object_id=o))) == 1}
    finds = {name: weight for name, weight in found.items() if name in alone}
    assert finds
    doubted = {name for name, weight in finds.items() if weight < 0.5}
    assert {by[name] for name in doubted} == {"b"}
    assert {db.current_classes("shared")[name] for name in doubted} == {"dual"}


def test_it_is_reckoned_again_when_enough_came(db, monkeypatch):
    asked = []

    def reckoned(*given):
        asked.append(given)
        return {}

    monkeypatch.setattr(core.run_reliability, "answer_trust", reckoned)
    known, task = Reliability(), db.task("shared")
    known.trust(db, task, {})
    known.trust(db, task, {})
    assert len(asked) == 1
    for number in range(6):
        db.record(
            NewEvent(str(uuid.uuid4()), "shared", f"new{number}", 1, "ann", Action.LABEL, "other")
        )
    known.trust(db, task, {})
    assert len(asked) == 2
    # Where each object is asked of one person, nothing tells who errs.
    assert known.trust(db, db.task("alone"), {}) == {}
    assert len(asked) == 2


def test_a_label_that_was_corrected_or_settled_counts_in_full_at_once(db):
    known, task = Reliability(), db.task("shared")
    before = known.trust(db, task, db.current_classes("shared"))
    doubted = [name for name, weight in before.items() if weight < 0.5]
    corrected, settled, left = doubted[:3]
    for name, action, said in (
        (corrected, Action.LABEL, "other"),
        (settled, Action.ADJUDICATE, "dual"),
    ):
        who = next(db.answers("shared", object_id=name)).annotator
        db.record(NewEvent(str(uuid.uuid4()), "shared", name, 1, who, action, said))
    current = db.current_classes("shared")
    after = known.trust(db, task, current)
    assert (current[corrected], current[settled]) == ("other", "dual")
    assert not {corrected, settled} & set(after)
    assert after[left] == before[left]
