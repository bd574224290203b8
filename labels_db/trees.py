"""Decision trees: a task that asks several questions, one after the other (as Galaxy Zoo does).

A tree is a JSON object::

    {"start": "smooth", "questions": [
        {"id": "smooth", "text": "Is it smooth?", "answers": [
            {"text": "Yes", "class": "smooth"},
            {"text": "No", "next": "arms"}]},
        {"id": "arms", "text": "Any spiral arms?", "answers": [...]}]}

Each answer leads to another question (`next`) or ends at one of the task's classes (`class`).
A label's payload keeps the way: `{"path": [["smooth", "No"], ["arms", "Yes"]]}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import BadInput

MAX_QUESTIONS = 60
MAX_ANSWERS = 9
MAX_TEXT = 300


def checked_tree(tree: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the tree with nothing else in it, or raise `BadInput`.

    Every question is reached, none comes back to itself, and each class is the end of some way.
    """
    questions = _questions(tree)
    start = tree.get("start", next(iter(questions), None))
    if start not in questions:
        raise _bad(f"starts at the question {str(start)[:80]!r}, which it does not have")
    ends: set[str] = set()
    for name, question in questions.items():
        for answer in question["answers"]:
            if "next" in answer and answer["next"] not in questions:
                raise _bad(
                    f"leads from {name!r} to the question {answer['next'][:80]!r}, which"
                    " it does not have"
                )
            if "class" in answer:
                ends.add(answer["class"])
    unknown = sorted(ends - set(classes))
    if unknown:
        raise _bad(f"ends at the class {unknown[0][:80]!r}, which the task does not have")
    idle = [name for name in classes if name not in ends]
    if idle:
        raise _bad(f"never reaches the class {idle[0]!r}")
    reached = _walk(questions, start)
    lost = [name for name in questions if name not in reached]
    if lost:
        raise _bad(f"never asks the question {lost[0]!r}")
    return {"start": start, "questions": list(questions.values())}


def checked_path(tree: Mapping[str, Any], path: Any, class_name: str) -> None:
    """Raise `BadInput` unless `path` goes through `tree` to `class_name`."""
    questions = {one["id"]: one for one in tree["questions"]}
    at: str | None = tree["start"]
    end = None
    steps = path if isinstance(path, list | tuple) else []
    for step in steps:
        if not isinstance(step, list | tuple) or len(step) != 2 or step[0] != at:
            break
        chosen = [one for one in questions[step[0]]["answers"] if one["text"] == step[1]]
        if not chosen:
            break
        at, end = chosen[0].get("next"), chosen[0].get("class")
    else:
        if steps and end == class_name:
            return
    raise BadInput(
        f"A label of this task needs the answers that lead to {class_name[:80]!r}, but its path"
        f" is {str(path)[:120]}; answer the questions from the first one on."
    )


def tree_classes(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the classes at the ends of the tree, in the order of its questions."""
    ends = [
        answer["class"]
        for question in _questions(tree).values()
        for answer in question["answers"]
        if "class" in answer
    ]
    return tuple(dict.fromkeys(ends))


def _questions(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    asked = tree.get("questions") if isinstance(tree, Mapping) else None
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
        raise _bad("has no list of questions")
    if len(asked) > MAX_QUESTIONS:
        raise _bad(f"has {len(asked)} questions, more than {MAX_QUESTIONS}")
    questions: dict[str, dict[str, Any]] = {}
    for one in asked:
        if not isinstance(one, Mapping):
            raise _bad("has a question that is not a JSON object")
        name, answers = _text(one.get("id"), "the id of a question"), one.get("answers")
        if name in questions:
            raise _bad(f"has two questions with the id {name!r}")
        if not isinstance(answers, Sequence) or isinstance(answers, str):
            raise _bad(f"has no list of answers to {name!r}")
        if not 2 <= len(answers) <= MAX_ANSWERS:
            raise _bad(f"has {len(answers)} answers to {name!r}; 2 to {MAX_ANSWERS} fit the keys")
        checked = [_answer(name, answer) for answer in answers]
        if len({answer["text"] for answer in checked}) < len(checked):
            raise _bad(f"has the same answer to {name!r} twice")
        text = _text(one.get("text"), f"the text of {name!r}")
        questions[name] = {"id": name, "text": text, "answers": checked}
    return questions


def _answer(question: str, answer: Any) -> dict[str, str]:
    if not isinstance(answer, Mapping) or ("next" in answer) == ("class" in answer):
        raise _bad(f"has an answer to {question!r} without exactly one of 'next' and 'class'")
    where = "next" if "next" in answer else "class"
    return {
        "text": _text(answer.get("text"), f"an answer to {question!r}"),
        where: _text(answer[where], f"{where!r} of an answer to {question!r}"),
    }


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TEXT:
        raise _bad(f"needs 1 to {MAX_TEXT} characters for {what}, but has {str(value)[:40]!r}")
    if not value.isprintable():
        raise _bad(f"has unprintable characters in {what}")
    return value.strip()


def _walk(questions: Mapping[str, dict[str, Any]], start: str) -> set[str]:
    """The questions reached from `start`; refuses a way that comes back."""
    done: set[str] = set()
    above: list[str] = []

    def visit(name: str) -> None:
        if name in above:
            raise _bad(f"comes back to the question {name!r}, which would never end")
        if name in done:
            return
        above.append(name)
        for answer in questions[name]["answers"]:
            if "next" in answer:
                visit(answer["next"])
        above.pop()
        done.add(name)

    visit(start)
    return done


def _bad(found: str) -> BadInput:
    return BadInput(
        f"A decision tree {found}; give questions with 'id', 'text' and 'answers', each answer"
        " with its 'text' and either 'next' or 'class'."
    )
