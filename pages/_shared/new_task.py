"""The dialog that makes a task, from a template or from nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import streamlit as st

from core.errors import BadInput, SkysiftError
from core.vocabulary import MAX_ANSWERS_PER_OBJECT, MAX_CLASSES
from labels_db import TaskSpec
from labels_db.templates import TEMPLATES, Template
from labels_db.trees import checked_tree, tree_classes
from pages._server.services import services
from pages._shared.editing import as_owner
from pages._shared.task_question import LOOKING_FOR, SEVERAL
from pages._shared.tree_text import read_tree, show_tree, write_tree

__all__ = ["new_task"]

CLASSES, TREE = "A question with classes", "A decision tree"
_EMPTY = Template("", "", (), "", "")
_SKELETON = Template(
    "",
    "",
    (),
    "",
    "",
    tree={
        "start": "first",
        "questions": [
            {
                "id": "first",
                "text": "Is it a galaxy?",
                "answers": [
                    {"text": "Yes", "next": "second"},
                    {"text": "No", "class": "something else"},
                ],
            },
            {
                "id": "second",
                "text": "Has it two nuclei?",
                "answers": [
                    {"text": "Yes", "class": "two nuclei"},
                    {"text": "No", "class": "one nucleus"},
                ],
            },
        ],
    },
)
_BEGINNINGS = {CLASSES: _EMPTY, TREE: _SKELETON, **TEMPLATES}
_KEYS = ("name", "question", "classes", "targets", "tree", "guideline", "tags")


@st.dialog("New task", width="large")
def new_task(chosen: Callable[[str], None]) -> None:
    """Ask for a task, make it, and call `chosen` with its name."""
    chosen_beginning = st.selectbox(
        "Begin with", list(_BEGINNINGS), key="new beginning", on_change=_fill
    )
    template = _BEGINNINGS[chosen_beginning]
    if "new filled" not in st.session_state or "new name" not in st.session_state:
        _fill()
    if template.about:
        st.caption(
            f"{template.about}. The names of classes stand once the task is made; all else can"
            " be changed later too."
        )
    left, right = st.columns(2)
    with left:
        survey = st.selectbox("Survey", services().survey_names(), key="new survey")
    with right:
        name = st.text_input("Name", placeholder="dual-nuclei", max_chars=64, key="new name")
    question = st.text_input(
        "Question", placeholder="Does this galaxy have two nuclei?", key="new question"
    )
    tree, classes = _answers(template)
    st.session_state["new targets"] = [
        one for one in st.session_state.get("new targets") or () if one in classes
    ] or classes[:1]
    targets = st.multiselect(
        LOOKING_FOR, classes, placeholder="Classes first", key="new targets", help=SEVERAL
    )
    guideline = st.text_area(
        "Guideline (optional)",
        placeholder="What counts, and what does not",
        height=160,
        key="new guideline",
    )
    with st.expander("Tags, and several annotators"):
        tags = st.text_area(
            "Tags, one a line: words that may be given beside the class", key="new tags"
        )
        several = st.number_input(
            "Answers for each object, by as many people",
            1,
            MAX_ANSWERS_PER_OBJECT,
            1,
            key="new answers",
        )
        blind = st.toggle(
            "Blind: nobody sees the others' answers or the model's opinion", key="new blind"
        )
    refused = st.container()  # above the button: below it, it may be off the screen
    if st.button("Make the task", type="primary"):
        try:
            spec = TaskSpec(
                name=name.strip(),
                survey=survey or "",
                question=question.strip(),
                classes=tuple(classes),
                target=next(iter(targets), ""),
                also_targets=tuple(targets[1:]),
                guideline=guideline.strip(),
                details=tuple(one for one in template.classes if one.name in classes),
                tags=_lines(tags),
                answers_per_object=int(several),
                blind=blind,
                tree=None if tree is None else read_tree(tree),
            )
            services().db().create_task(spec, by=as_owner())
        except SkysiftError as error:
            refused.error(str(error))
        else:
            chosen(spec.name)


def _answers(template: Template) -> tuple[str | None, list[str]]:
    """Ask for the classes, or for the tree that ends at them: (the tree's text, the classes)."""
    if template.tree is None:
        lines = st.text_area(
            f"Classes, one a line, at most {MAX_CLASSES} (they sit on the keys 1 to {MAX_CLASSES})"
            if not template.classes
            else f"Classes, one a line, at most {MAX_CLASSES}",
            placeholder="dual nucleus\nother",
            height=120 if not template.classes else 220,
            key="new classes",
        )
        return None, list(dict.fromkeys(_lines(lines)))
    text = st.text_area("Decision tree (JSON)", height=220, key="new tree")
    try:
        tree = read_tree(text)
        classes = tree_classes(tree)
        with st.expander("The questions as they are asked"):
            show_tree(checked_tree(tree, classes))
    except BadInput as error:
        st.warning(str(error))
        return text, []
    return text, list(classes)


def _fill() -> None:
    """Put the chosen template into the fields that nobody has typed in."""
    beginning = st.session_state.get("new beginning", CLASSES)
    template = _BEGINNINGS[beginning]
    before = st.session_state.get("new filled", {})
    fresh = {
        "name": _free_name(beginning) if beginning in TEMPLATES else "",
        "question": template.question,
        "classes": "\n".join(one.name for one in template.classes),
        "targets": [template.target] if template.target else [],
        "tree": "" if template.tree is None else write_tree(template.tree),
        "guideline": template.guideline.strip(),
        "tags": "\n".join(template.tags),
    }
    for name in _KEYS:
        key = f"new {name}"
        untouched = st.session_state.get(key) in ("", None, before.get(name))
        if untouched or name == "targets":
            st.session_state[key] = fresh[name]
    st.session_state["new filled"] = fresh


def _free_name(beginning: str) -> str:
    """A name for a task of the template that no task has yet."""
    stem = re.sub(r"[^a-z0-9]+", "-", beginning.lower()).strip("-")
    taken = {task.name for task in services().db().tasks()}
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
