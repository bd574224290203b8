"""A task's decision tree: read as a list of questions, changed as JSON."""

from __future__ import annotations

import streamlit as st

from core.errors import BadInput
from labels_db import Task
from labels_db.trees import checked_tree
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
            " at. A new class is added under Classes first."
        )
        if st.button("Save the tree", type="primary", disabled=text == stored):
            attempt(
                lambda by: services().db().change_task(task.name, by, tree=read_tree(text)),
                "The decision tree is saved.",
            )
    with right:
        st.caption("As annotators are asked")
        try:
            with st.container(border=True):
                show_tree(checked_tree(read_tree(text), task.classes))
        except BadInput as error:
            st.warning(str(error))
