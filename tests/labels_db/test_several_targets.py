"""A task that looks for several classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput
from labels_db import ClassDetail, LabelsDB, TaskSpec


@pytest.fixture
def several(db: LabelsDB, spec: TaskSpec) -> str:
    db.create_task(replace(spec, name="both", target=" star ", also_targets=(" dual",)))
    return "both"


def test_the_targets_are_kept_in_order(db: LabelsDB, several: str, path: Path) -> None:
    with LabelsDB(path) as reread:
        task = reread.task(several)
    assert (task.target, task.also_targets) == ("star", ("dual",))
    assert task.targets == ("star", "dual")
    assert db.task("duals").also_targets == ()
    assert db.task("duals").targets == ("dual",)


def test_a_change_of_the_targets_is_a_version(db: LabelsDB, several: str) -> None:
    task = db.change_task(several, "bob", target="dual", also_targets=())
    assert (task.targets, task.version) == (("dual",), 2)
    task = db.change_task(several, "bob", also_targets=["other"])
    assert task.targets == ("dual", "other")
    told = [
        (one.document["target"], one.document["also_targets"]) for one in db.task_versions(several)
    ]
    assert told == [("star", ["dual"]), ("dual", []), ("dual", ["other"])]


@pytest.mark.parametrize(
    ("also", "words"),
    [
        (("lens",), "is among the classes .*'lens' is not"),
        (("",), "is among the classes"),
        (("dual",), "named once"),
        (("star", "star"), "named once"),
        (("star", "other"), "One class at least is not looked for, but all 3"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(
    db: LabelsDB, spec: TaskSpec, also: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        db.create_task(replace(spec, name="fresh", also_targets=also))
    with pytest.raises(BadInput, match=words):
        db.change_task("duals", "owner", also_targets=also)
    assert db.task("duals").version == 1


def test_a_target_cannot_be_retired_nor_the_last_other_class(db: LabelsDB, several: str) -> None:
    with pytest.raises(BadInput, match="'dual' is a target of the task 'both'"):
        db.retire_class(several, "dual", "owner")
    with pytest.raises(BadInput, match="One class at least is not looked for"):
        db.retire_class(several, "other", "owner")
    db.add_class(several, ClassDetail("dust"), "owner")
    assert db.retire_class(several, "other", "owner").classes == ("dual", "star", "dust")
    with pytest.raises(BadInput, match="'other' is not"):
        db.change_task(several, "owner", also_targets=["other"])


def test_a_tree_must_end_at_every_target(db: LabelsDB, spec: TaskSpec) -> None:
    def tree(*ends: str) -> dict[str, object]:
        answers = [{"text": one, "class": one} for one in ends]
        return {"start": "q", "questions": [{"id": "q", "text": "?", "answers": answers}]}

    both = replace(spec, name="tree", tree=tree("dual", "star", "other"), also_targets=("star",))
    db.create_task(both)
    with pytest.raises(BadInput, match="'star' is not"):
        db.change_tree("tree", tree("dual", "other", "dust"), "owner")
    assert db.change_tree("tree", tree("dual", "star", "dust"), "owner").targets == (
        "dual",
        "star",
    )
