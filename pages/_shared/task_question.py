"""What a task asks and how it is worked on: its question, guideline, tags and rules."""

from __future__ import annotations

import html

import streamlit as st

from core.vocabulary import MAX_ANSWERS_PER_OBJECT
from labels_db import Task
from labels_db.task_checks import LEASE_SECONDS, MAX_GOLD_RATE
from pages._server.services import services
from pages._shared.editing import attempt, field
from pages._shared.words import plain, sought

__all__ = ["LOOKING_FOR", "SEVERAL", "edit_question", "show_question"]

LOOKING_FOR = "Looking for"
SEVERAL = (
    "One class, or several: an answer with any of them is a find, and each that was found has its"
    " turn in the queue. One class at least is not looked for."
)


def show_question(task: Task) -> None:
    """Draw it for reading."""
    st.markdown(f"**{plain(task.question)}**")
    st.caption(f"Looking for {sought(task)}. {_rules(task)}")
    _preview(task.guideline)
    if task.tags:
        st.caption(f"Tags: {plain(', '.join(task.tags))}")


def edit_question(task: Task) -> None:
    """Draw it for the owner to change."""
    _guideline(task)
    _rules_form(task)
    _tags(task)


def _rules(task: Task) -> str:
    n = task.answers_per_object
    words = [
        "Each object is answered once" if n == 1 else f"Each object is answered by {n} people"
    ]
    if task.blind:
        words.append("nobody sees the others' answers or the model's opinion")
    return f"{', and '.join(words)}."


def _preview(guideline: str) -> None:
    with st.container(border=True):
        if guideline.strip():
            # As the label page shows it: as it was typed.
            st.html(f'<div style="white-space:pre-line">{html.escape(guideline)}</div>')
        else:
            st.caption("There is no guideline yet.")


def _guideline(task: Task) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        text = st.text_area(
            "Guideline",
            height=340,
            key=field(f"{task.name}/guideline", task.guideline),
            placeholder="What counts as which class, and what does not",
        )
        if st.button(
            "Save the guideline", type="primary", disabled=text == task.guideline, key="guideline"
        ):
            attempt(
                lambda by: services().db().change_task(task.name, by, guideline=text),
                "The guideline is saved.",
            )
    with right:
        st.caption("As annotators read it")
        _preview(text)


def _rules_form(task: Task) -> None:
    key = f"{task.name}/"
    with st.form("rules"):
        question = st.text_input("Question", key=field(f"{key}question", task.question))
        targets = st.multiselect(
            LOOKING_FOR,
            task.classes,
            key=field(f"{key}targets", list(task.targets), many=task.classes),
            help=SEVERAL,
        )
        one, two, three = st.columns(3)
        with one:
            several = st.number_input(
                "Answers for each object",
                1,
                MAX_ANSWERS_PER_OBJECT,
                key=field(f"{key}several", task.answers_per_object),
                help="By as many different people. With more than one, Review shows where they"
                " disagree.",
            )
        with two:
            gold = st.number_input(
                "Share of gold objects",
                0.0,
                MAX_GOLD_RATE,
                step=0.01,
                format="%.2f",
                key=field(f"{key}gold", task.gold_rate),
                help="Objects with a known answer that are slipped in, to see how well people do;"
                " Review has the objects.",
            )
        with three:
            lease = st.number_input(
                "Seconds until an object is given on",
                *LEASE_SECONDS,
                key=field(f"{key}lease", task.lease_seconds),
                help="An object shown to somebody who does nothing for so long goes to somebody"
                " else.",
            )
        blind = st.toggle(
            "Blind: nobody sees the others' answers or the model's opinion",
            key=field(f"{key}blind", task.blind),
        )
        if st.form_submit_button("Save the settings"):
            wanted = {
                "question": question.strip(),
                "target": next(iter(targets), ""),
                "also_targets": tuple(targets[1:]),
                "answers_per_object": int(several),
                "gold_rate": float(gold),
                "lease_seconds": int(lease),
                "blind": blind,
            }
            # Only what was changed: others may have changed the rest meanwhile.
            changes = {name: new for name, new in wanted.items() if new != getattr(task, name)}
            if changes:
                attempt(
                    lambda by: services().db().change_task(task.name, by, **changes),
                    "The settings are saved.",
                )


def _tags(task: Task) -> None:
    with st.form("tags"):
        text = st.text_area(
            "Tags, one a line: words that may be given beside the class",
            key=field(f"{task.name}/tags", "\n".join(task.tags)),
        )
        if st.form_submit_button("Save the tags"):
            tags = [line.strip() for line in text.splitlines() if line.strip()]
            if tuple(tags) != task.tags:
                attempt(
                    lambda by: services().db().set_tags(task.name, tags, by),
                    "The tags are saved.",
                )
