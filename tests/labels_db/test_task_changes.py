"""A task that changes while people work on it: classes, tags, keys, the number of answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import AlreadyExists, BadInput, NotFound
from core.vocabulary import Action, Settled
from labels_db import ClassDetail, LabelsDB, NewEvent, TaskSpec, class_keys, document

Make = Callable[..., NewEvent]


def test_a_class_added_while_running_can_be_given_at_once(
    db: LabelsDB, make: Make, path: Path
) -> None:
    with LabelsDB(path) as labelling:
        labelling.record(make("a", "dual"))
        with pytest.raises(BadInput, match="are dual, star, other"):
            labelling.record(make("a", "lens"))
        task = db.add_class("duals", ClassDetail("lens", key="l", colour="#00AAFF"), "owner")
        assert task.classes == ("dual", "star", "other", "lens")
        assert task.details[-1] == ClassDetail("lens", "l", "#00aaff")
        ack = labelling.record(make("a", "lens"))
        assert ack.counts == {"dual": 0, "star": 0, "other": 0, "lens": 1}
        assert list(ack.counts) == list(task.classes)
    db.check(thorough=True)


def test_a_retired_class_is_refused_and_what_was_said_stays(db: LabelsDB, make: Make) -> None:
    first = make("a", "star")
    db.record(first)
    db.record(make("b", "star"))
    db.record_undo("duals", "ann", make("x").event_id)
    task = db.retire_class("duals", "star", "bob")
    assert (task.classes, task.every_class) == (("dual", "other"), ("dual", "other", "star"))
    assert db.current_classes("duals") == {"a": "star"}
    assert db.counts("duals")["star"] == 1
    assert db.record(first).duplicate, "a lost answer is still found"
    with pytest.raises(BadInput, match="was retired"):
        db.record(make("c", "star"))
    with pytest.raises(BadInput, match="was retired"):
        db.record_redo("duals", "ann", make("x").event_id)
    db.record(make("c", "star", action=Action.ADJUDICATE))
    with pytest.raises(AlreadyExists, match="perhaps a retired one"):
        db.add_class("duals", ClassDetail("Star"), "bob")
    assert db.restore_class("duals", "star", "bob").classes == ("dual", "star", "other")
    assert db.restore_class("duals", "star", "bob").classes == ("dual", "star", "other")
    db.record_redo("duals", "ann", make("x").event_id)
    assert db.counts("duals") == {"dual": 0, "star": 3, "other": 0}
    db.check(thorough=True)


def test_what_may_not_be_retired(db: LabelsDB) -> None:
    with pytest.raises(BadInput, match="is the target"):
        db.retire_class("duals", "dual", "owner")
    with pytest.raises(NotFound, match="has no class 'lens'; it has dual, star, other"):
        db.retire_class("duals", "lens", "owner")
    db.retire_class("duals", "star", "owner")
    with pytest.raises(BadInput, match="2 to 9 classes"):
        db.retire_class("duals", "other", "owner")
    assert db.change_task("duals", "owner", target="other").target == "other"
    with pytest.raises(BadInput, match="target must be one of"):
        db.change_task("duals", "owner", target="star")


def test_every_version_is_kept_with_the_event_before_it(db: LabelsDB, make: Make) -> None:
    db.record(make("a", "dual"))
    db.change_task("duals", "bob", question="Are they two?", guideline="Look\ntwice.")
    seq = db.record(make("b", "dual")).seq
    db.add_class("duals", ClassDetail("lens"), "cay")
    db.retire_class("duals", "star", "cay")
    db.set_tags("duals", ["tidal"], "bob")
    versions = db.task_versions("duals")
    assert [one.version for one in versions] == [1, 2, 3, 4, 5]
    assert [one.from_seq for one in versions] == [0, 1, seq, seq, seq]
    assert [one.changed_by for one in versions] == ["owner", "bob", "cay", "cay", "bob"]
    assert [one.document["question"] for one in versions[:2]] == [
        "Is it two nuclei?",
        "Are they two?",
    ]
    names = [[c["name"] for c in one.document["classes"] if not c["retired"]] for one in versions]
    assert names[2:4] == [["dual", "star", "other", "lens"], ["dual", "other", "lens"]]
    assert versions[-1].document == document(db.task("duals"))
    assert db.task("duals").version == 5


def test_a_change_that_is_refused_leaves_no_version(db: LabelsDB) -> None:
    before = db.task("duals")
    wrong: list[Callable[[], Any]] = [
        lambda: db.change_task("duals", "owner", answers_per_object=0),
        lambda: db.change_task("duals", "owner", answers_per_object=100),
        lambda: db.change_task("duals", "owner", answers_per_object=1.5),
        lambda: db.change_task("duals", "owner", lease_seconds=4),
        lambda: db.change_task("duals", "owner", lease_seconds=10**6),
        lambda: db.change_task("duals", "owner", question=""),
        lambda: db.change_task("duals", "owner", question="x" * 10_000),
        lambda: db.change_task("duals", "owner", guideline="x" * 1_000_000),
        lambda: db.change_task("duals", "owner", survey="other"),
        lambda: db.change_task("duals", "owner", classes=("a", "b")),
        lambda: db.change_task("duals", "", question="Why?"),
        lambda: db.add_class("duals", ClassDetail(""), "owner"),
        lambda: db.add_class("duals", ClassDetail("DUAL"), "owner"),
        lambda: db.add_class("duals", ClassDetail("x" * 65), "owner"),
        lambda: db.add_class("duals", ClassDetail("lens", examples=("x" * 10_000,)), "owner"),
        lambda: db.change_class("duals", "star", "owner", colour="red"),
        lambda: db.change_class("duals", "star", "owner", retired=True),
        lambda: db.change_class("duals", "sun", "owner", key="1"),
        lambda: db.change_class("duals", "star", "owner", examples=[f"{n}" for n in range(25)]),
        lambda: db.set_tags("duals", ["a", "A"], "owner"),
        lambda: db.set_tags("duals", ["x" * 65], "owner"),
        lambda: db.set_tags("duals", [""], "owner"),
        lambda: db.set_tags("duals", [f"t{n}" for n in range(51)], "owner"),
    ]
    for act in wrong:
        with pytest.raises((BadInput, AlreadyExists, NotFound)) as caught:
            act()
        assert len(str(caught.value)) < 500
        assert db.task("duals") == before
    assert len(db.task_versions("duals")) == 1
    with pytest.raises(NotFound):
        db.change_task("lenses", "owner", question="Why?")


@pytest.mark.parametrize("key", ["u", "S", "r", "f", "n", "d", "m", "g", "é", "12", "-", "٣"])
def test_a_key_that_has_a_meaning_already_is_refused(db: LabelsDB, key: str) -> None:
    with pytest.raises(BadInput, match="must be a digit or a letter"):
        db.change_class("duals", "star", "owner", key=key)


def test_two_classes_cannot_sit_on_one_key(db: LabelsDB, spec: TaskSpec) -> None:
    db.change_class("duals", "star", "owner", key="X")
    for detail in (ClassDetail("lens", key="x"), ClassDetail("lens", key=" X ")):
        with pytest.raises(BadInput, match="are both on 'x'"):
            db.add_class("duals", detail, "owner")
    with pytest.raises(BadInput, match="are both on 'x'"):
        db.change_class("duals", "other", "owner", key="x")
    db.retire_class("duals", "star", "owner")
    db.add_class("duals", ClassDetail("lens", key="x"), "owner")
    with pytest.raises(BadInput, match="are both on 'x'"):
        db.restore_class("duals", "star", "owner")
    db.change_class("duals", "star", "owner", key="y")
    db.restore_class("duals", "star", "owner")
    keys = class_keys(db.task("duals").details)
    assert keys == {"dual": "1", "star": "y", "other": "3", "lens": "x"}


def test_a_class_without_a_key_takes_a_free_digit() -> None:
    details = [ClassDetail("a"), ClassDetail("b", key="1"), ClassDetail("c", retired=True)]
    details += [ClassDetail("d", key="2"), ClassDetail("e")]
    keys = class_keys(details)
    assert keys == {"a": "3", "b": "1", "d": "2", "e": "4"}
    assert len(set(keys.values())) == 4
    many = class_keys([ClassDetail(f"c{n}") for n in range(12)])
    assert list(many.values()) == [*"123456789", "", "", ""]


def test_tags_come_and_go_and_those_given_stay(db: LabelsDB, make: Make) -> None:
    db.set_tags("duals", ["tidal", "ring"], "owner")
    db.record(make("a", "dual", payload={"tags": ["ring"]}))
    task = db.set_tags("duals", ["edge-on", "tidal"], "owner")
    assert task.tags == ("edge-on", "tidal")
    (answer,) = db.answers("duals")
    assert answer.tags == ("ring",)
    with pytest.raises(BadInput, match="was given; use one of them"):
        db.record(make("b", "dual", payload={"tags": ["ring"]}))
    db.record_undo("duals", "ann", make("x").event_id)
    db.record_redo("duals", "ann", make("x").event_id)
    (answer,) = db.answers("duals")
    assert answer.tags == ("ring",)
    assert db.set_tags("duals", ["ring"], "owner").tags == ("ring",)
    with pytest.raises(BadInput, match="was given; use one of them"):
        db.record(make("c", "dual", payload={"tags": ["bar"]}))


def test_another_number_of_answers_settles_everything_anew(db: LabelsDB, make: Make) -> None:
    for name, said in {"a": "dds", "b": "ds", "c": "d", "d": "-d"}.items():
        for who, letter in zip(("ann", "bob", "cay"), said, strict=False):
            class_name = {"d": "dual", "s": "star", "-": None}[letter]
            db.record(make(name, class_name, annotator=who))
    db.record(make("e", "other", action=Action.ADJUDICATE))

    def told() -> dict[str, Any]:
        states = [db.object_state("duals", name) for name in "abcde"]
        assert all(states)
        db.check(thorough=True)
        return {s.object_id: (s.class_name, s.how, s.is_open) for s in states if s is not None}

    one = told()
    assert one == {
        "a": ("star", Settled.LATEST, False),
        "b": ("star", Settled.LATEST, False),
        "c": ("dual", Settled.LATEST, False),
        "d": ("dual", Settled.LATEST, False),
        "e": ("other", Settled.ADJUDICATED, False),
    }
    db.change_task("duals", "owner", answers_per_object=3)
    assert told() == {
        "a": ("dual", Settled.PLURALITY, False),
        "b": (None, None, True),
        "c": ("dual", Settled.PLURALITY, True),
        "d": ("dual", Settled.PLURALITY, True),
        "e": ("other", Settled.ADJUDICATED, False),
    }
    assert db.counts("duals") == {"dual": 3, "star": 0, "other": 1}
    begun = db.lease_next("duals", "dan", 9).items
    assert [item.object_id for item in begun] == ["d", "c", "b"]
    db.change_task("duals", "owner", answers_per_object=1)
    assert told() == one
    assert len(db.task_versions("duals")) == 3


def test_the_number_of_answers_of_one_task_leaves_the_others(
    db: LabelsDB, make: Make, spec: TaskSpec
) -> None:
    db.create_task(replace(spec, name="lenses"))
    for task in ("duals", "lenses"):
        db.record(make("a", "dual", task=task))
        db.record(make("a", "star", task=task, annotator="bob"))
    db.change_task("duals", "owner", answers_per_object=2)
    assert db.current_classes("duals") == {}
    assert db.current_classes("lenses") == {"a": "star"}
    assert db.counts("lenses") == {"dual": 0, "star": 1, "other": 0}
    db.check(thorough=True)
