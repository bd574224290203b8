"""A task's decision tree: read as a list of questions, changed as JSON."""

from __future__ import annotations

import streamlit as st

from core.errors import BadInput
from labels_db import Task
from labels_db.trees import checked_tree, tree_classes
from pages._server.services import services
from pages._shared.editing import attempt, field
from pages._shared.tree_text import read_tree, show_tree, write_tree

__all__ = ["edit_tree"]


def edit_tree(task: Task) -> None:
    """Draw the JSON, and beside it the questions that it asks."""
    assert task.tree is not None
    stored = write_tree(task.tree)
    left, right = st.columns(2, gap="medium")
    with left:
        text = st.text_area(
            "Decision tree (JSON)", height=520, key=field(f"{task.name}/tree", stored)
        )
        st.caption(
            "Each answer has its text and either the next question's id or the class that it ends"
            " at. A class that no answer ends at any more is retired; what was labelled so stays"
            " so."
        )
        if st.button("Save the tree", type="primary", disabled=text == stored):
            attempt(
                lambda by: services().db().change_tree(task.name, read_tree(text), by),
                "The decision tree is saved.",
            )
    with right:
        st.caption("As annotators are asked")
        try:
            with st.container(border=True):
                tree = read_tree(text)
                show_tree(checked_tree(tree, tree_classes(tree)))
        except BadInput as error:
            st.warning(str(error))
