"""Decision trees: what one must be, and that a label came by its questions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.errors import BadInput
from core.vocabulary import Action
from labels_db import ClassDetail, LabelsDB, NewEvent, TaskSpec
from labels_db.trees import checked_tree, tree_classes

Make = Callable[..., NewEvent]
TREE: dict[str, Any] = {
    "start": "smooth",
    "questions": [
        {
            "id": "smooth",
            "text": "Is it smooth?",
            "answers": [
                {"text": "Yes", "class": "smooth"},
                {"text": "No", "next": "arms"},
                {"text": "Artefact", "class": "other"},
            ],
        },
        {
            "id": "arms",
            "text": "Any spiral arms?",
            "answers": [{"text": "Yes", "class": "spiral"}, {"text": "No", "class": "other"}],
        },
    ],
}
CLASSES = ("smooth", "spiral", "other")
SPEC = TaskSpec("zoo", "sky", "Which?", CLASSES, "spiral", tree=TREE)


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    change(tree)
    return tree


def test_a_tree_comes_back_with_nothing_else_in_it(db: LabelsDB) -> None:
    extra = changed(lambda tree: tree.update(comment="x"))
    assert checked_tree(extra, CLASSES) == TREE
    assert db.create_task(replace(SPEC, tree=extra)).tree == TREE
    assert tree_classes(TREE) == ("smooth", "other", "spiral")


def first(tree: dict[str, Any]) -> dict[str, Any]:
    question: dict[str, Any] = tree["questions"][0]
    return question


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.update(start="none"), "starts at the question 'none'"),
        (lambda t: t.update(questions=[]), "no list of questions"),
        (lambda t: t.update(questions="abc"), "no list of questions"),
        (lambda t: t["questions"].append(1), "not a JSON object"),
        (lambda t: t["questions"].append(t["questions"][0]), "two questions with the id"),
        (lambda t: first(t)["answers"][1].update(next="nowhere"), "which it does not have"),
        (lambda t: first(t)["answers"][0].update({"class": "ring"}), "the class 'ring'"),
        (lambda t: first(t)["answers"][0].update(next="arms"), "exactly one of"),
        (lambda t: first(t)["answers"].pop(0), "never reaches the class 'smooth'"),
        (lambda t: first(t).update(answers=first(t)["answers"][:1]), "2 to 9"),
        (lambda t: first(t).update(answers=[first(t)["answers"][0]] * 10), "2 to 9"),
        (lambda t: first(t)["answers"].append({"text": "Yes", "class": "other"}), "twice"),
        (lambda t: first(t).update(text=""), "the text of 'smooth'"),
        (lambda t: first(t).update(text="x" * 301), "the text of 'smooth'"),
        (lambda t: first(t).update(text="a\x07b"), "unprintable"),
        (lambda t: first(t)["answers"][1].update(next=7), "'next' of an answer"),
        (
            lambda t: t["questions"][1]["answers"].append({"text": "Back", "next": "smooth"}),
            "comes back to the question",
        ),
        (
            lambda t: t["questions"].append({**t["questions"][1], "id": "idle"}),
            "never asks the question 'idle'",
        ),
        (
            lambda t: t.update(questions=[{**first(t), "id": str(n)} for n in range(61)]),
            "61 questions",
        ),
    ],
)
def test_a_tree_that_makes_no_sense(change: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        checked_tree(changed(change), CLASSES)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("tree", [[], "x", 1, {"questions": {"a": 1}}])
def test_what_is_no_tree(tree: Any) -> None:
    with pytest.raises(BadInput, match="no list of questions"):
        checked_tree(tree, CLASSES)


def label(make: Make, name: str, path: Any) -> NewEvent:
    payload = None if path is None else {"path": path}
    return make("a", name, task="zoo", payload=payload)


def test_a_label_needs_the_answers_that_lead_to_it(db: LabelsDB, make: Make) -> None:
    db.create_task(SPEC)
    way = [["smooth", "No"], ["arms", "Yes"]]
    db.record(label(make, "spiral", way))
    db.record(label(make, "other", [["smooth", "Artefact"]]))
    for name, path in (
        ("spiral", None),
        ("spiral", []),
        ("spiral", [["smooth", "No"]]),
        ("spiral", [["arms", "Yes"]]),
        ("smooth", way),
        ("spiral", [*way, ["arms", "Yes"]]),
        ("spiral", [["smooth", "Maybe"], ["arms", "Yes"]]),
        ("spiral", [["smooth", "No", "x"], ["arms", "Yes"]]),
        ("spiral", [["smooth", ["No"]], ["arms", "Yes"]]),
        ("spiral", "smooth"),
        ("spiral", {"smooth": "No"}),
    ):
        with pytest.raises(BadInput, match="answers that lead to"):
            db.record(label(make, name, path))
    assert next(event.payload for event in db.history("zoo", "a")) == {"path": way}
    for action in (Action.SKIP, Action.UNSURE, Action.FLAG):
        db.record(make("a", task="zoo", action=action))
    db.record(make("a", "smooth", task="zoo", action=Action.ADJUDICATE))
    assert db.current_classes("zoo") == {"a": "smooth"}


def test_a_tree_changes_but_neither_comes_nor_goes(db: LabelsDB, make: Make) -> None:
    db.create_task(SPEC)
    other = changed(lambda tree: first(tree).update(text="Is it a smooth one?"))
    task = db.change_tree("zoo", other, "owner")
    assert (task.tree, task.version) == (other, 2)
    assert db.task_versions("zoo")[0].document["tree"] == TREE
    with pytest.raises(BadInput, match="has no decision tree"):
        db.change_tree("duals", TREE, "owner")
    with pytest.raises(BadInput, match="can be changed"):
        db.change_task("zoo", "owner", tree=TREE)
    with pytest.raises(BadInput, match="ends at the class"):
        db.retire_class("zoo", "smooth", "owner")


def test_many_leaves_need_no_keys(db: LabelsDB) -> None:
    names = tuple(f"class {number}" for number in range(16))
    questions = [
        {
            "id": f"q{n}",
            "text": "?",
            "answers": [{"text": "here", "class": name}, {"text": "on", "next": f"q{n + 1}"}],
        }
        for n, name in enumerate(names[:-2])
    ]
    last = [{"text": text, "class": name} for text, name in zip("ab", names[-2:], strict=True)]
    questions.append({"id": f"q{len(questions)}", "text": "?", "answers": last})
    task = db.create_task(
        TaskSpec("many", "s", "?", names, names[0], tree={"questions": questions})
    )
    assert task.classes == names
    with pytest.raises(BadInput, match="2 to 9"):
        db.create_task(replace(task, name="flat", tree=None))
    assert db.change_class("many", "class 3", "owner", guideline="x").details[3] == ClassDetail(
        "class 3", guideline="x"
    )


def test_the_classes_follow_a_changed_tree(db: LabelsDB, make: Make) -> None:
    db.create_task(SPEC)
    db.record(make("a", "smooth", task="zoo", payload={"path": [["smooth", "Yes"]]}))

    def ring(tree: dict[str, Any]) -> None:
        first(tree)["answers"][0] = {"text": "A ring", "class": "ring"}

    task = db.change_tree("zoo", changed(ring), "owner")
    assert "ring" in task.classes
    assert "smooth" not in task.classes
    assert "smooth" in task.every_class
    assert db.current_classes("zoo") == {"a": "smooth"}
    again = db.change_tree("zoo", TREE, "owner")
    assert "smooth" in again.classes
    assert [one.name for one in again.details if one.retired] == ["ring"]
    db.check(thorough=True)
