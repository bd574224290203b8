"""Tasks: what is stored, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import AlreadyExists, BadInput, NotFound
from labels_db import ClassDetail, LabelsDB, TaskSpec


def test_a_task_comes_back_as_it_was_given(db: LabelsDB, path: Path, spec: TaskSpec) -> None:
    other = replace(
        spec,
        name="lenses",
        survey="sky",
        seed=3,
        guideline="Arcs.\nMind 'rings'; <b>",
        target="star",
    )
    made = db.create_task(other)
    assert made == db.task("lenses")
    given = vars(other) | {"details": tuple(map(ClassDetail, other.classes))}
    assert {name: getattr(made, name) for name in given} == given
    assert made.created_at
    with LabelsDB(path) as again:
        assert [task.name for task in again.tasks()] == ["duals", "lenses"]
        assert [task.name for task in again.tasks("sky")] == ["lenses"]
        assert again.counts("lenses") == {"dual": 0, "star": 0, "other": 0}
        assert list(again.counts("lenses")) == list(other.classes)
        assert again.last_seq("lenses") == 0


def test_a_taken_name_is_refused_and_changes_nothing(db: LabelsDB, spec: TaskSpec) -> None:
    with pytest.raises(AlreadyExists, match="'duals' already"):
        db.create_task(replace(spec, survey="sky", classes=("a", "b"), target="a"))
    assert db.task("duals").survey == "hubble"


def test_an_unknown_task_names_those_there_are(db: LabelsDB) -> None:
    for name in ("dual", "' OR 1=1 --", "", "\ud800"):
        with pytest.raises(NotFound, match="there are duals"):
            db.task(name)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../up"},
        {"name": "two words"},
        {"survey": ""},
        {"question": ""},
        {"question": "x" * 1001},
        {"classes": ("dual",)},
        {"classes": ("dual", "Dual")},
        {"target": "lens"},
        {"guideline": "half \ud800"},
        {"guideline": "nul \x00"},
        {"seed": -1},
        {"seed": True},
        {"seed": 2**63},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_used_is_refused(db: LabelsDB, spec: TaskSpec, change: dict) -> None:
    with pytest.raises(BadInput):
        db.create_task(replace(spec, **({"name": "fresh"} | change)))
    assert [task.name for task in db.tasks()] == ["duals"]
