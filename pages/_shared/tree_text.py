"""Decision trees as people write and read them: JSON in, a numbered list of questions out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.errors import BadInput
from pages._shared.words import plain

__all__ = ["read_tree", "show_tree", "tree_lines", "write_tree"]


def write_tree(tree: Mapping[str, Any]) -> str:
    """The tree as JSON of one answer a line: short enough to be edited by hand."""
    questions = []
    for one in tree["questions"]:
        answers = ",\n".join(
            f"      {json.dumps(answer, ensure_ascii=False)}" for answer in one["answers"]
        )
        head = ", ".join(
            f'"{word}": {json.dumps(one[word], ensure_ascii=False)}' for word in ("id", "text")
        )
        questions.append(f'    {{{head}, "answers": [\n{answers}]}}')
    start = json.dumps(tree["start"], ensure_ascii=False)
    return f'{{"start": {start},\n  "questions": [\n' + ",\n".join(questions) + "]}"


def read_tree(text: str) -> dict[str, Any]:
    """The JSON object that was typed; whether it is a tree is for the database to say."""
    try:
        tree = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep"
        raise BadInput(
            f"A decision tree is a JSON object, but{where} it cannot be read ({what}); correct it."
        ) from None
    if not isinstance(tree, dict):
        raise BadInput(
            f"A decision tree is a JSON object, but a {type(tree).__name__} was given; put"
            ' {"questions": [...]} around it.'
        )
    return tree


def tree_lines(tree: Mapping[str, Any]) -> list[str]:
    """A checked tree as lines of Markdown, its questions numbered, the first one first."""
    questions = {one["id"]: one for one in tree["questions"]}
    order = [tree["start"], *(name for name in questions if name != tree["start"])]
    number = {name: place for place, name in enumerate(order, start=1)}
    lines = []
    for name in order:
        lines.append(f"**{number[name]}\\. {plain(questions[name]['text'])}**")
        for answer in questions[name]["answers"]:
            to = (
                f"question {number[answer['next']]}"
                if "next" in answer
                else f"**{plain(answer['class'])}**"
            )
            lines.append(f"- {plain(answer['text'])} → {to}")
        lines.append("")
    return lines


def show_tree(tree: Mapping[str, Any]) -> None:
    """Draw a checked tree."""
    st.markdown("\n".join(tree_lines(tree)))
