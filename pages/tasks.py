"""The tasks page: what is asked of the surveys, by whom, and what goes in and out."""

from __future__ import annotations

import streamlit as st

from core.vocabulary import Role
from labels_db import Task
from pages._server.identity import Identity
from pages._server.services import services
from pages._shared.editing import tell_done
from pages._shared.people_panel import people_panel
from pages._shared.strategy import edit_strategy, show_strategy
from pages._shared.task_classes import edit_classes, show_classes
from pages._shared.task_history import show_history
from pages._shared.task_list import task_list
from pages._shared.task_question import edit_question, show_question
from pages._shared.task_tree import edit_tree
from pages._shared.tasks import the_task
from pages._shared.tree_text import show_tree
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw"]

TASKS, PEOPLE = "Tasks", "People"


def draw() -> None:
    """Draw the page; only the owner changes anything here."""
    identity = who()
    tell_done()
    is_owner = identity.role is Role.OWNER
    if is_owner and _view() == PEOPLE:
        people_panel()
        return
    task = the_task()
    if not is_owner:
        st.title(TASKS)
    task_list(services().db().tasks(), task.name, identity)
    st.space("small")
    st.subheader(plain(task.name))
    _one(task, identity, is_owner)


def _view() -> str:
    """The title, and the choice between tasks and people."""
    chosen = st.session_state.get("tasks view", TASKS)
    st.title(chosen)
    st.segmented_control(
        "View",
        (TASKS, PEOPLE),
        default=TASKS,
        required=True,
        label_visibility="collapsed",
        key="tasks view",
    )
    return str(chosen)


def _one(task: Task, identity: Identity, is_owner: bool) -> None:
    # It pulls in astropy and scikit-learn, a second that the label page need not wait for.
    from pages._shared.examples_panel import examples_panel
    from pages._shared.files_panel import files_panel

    names = ["Question", "Classes", "Strategy", "Known examples", "Files", "History"]
    if task.tree is not None:
        names.insert(2, "Decision tree")
    tabs = dict(zip(names, st.tabs(names), strict=True))
    with tabs["Question"]:
        edit_question(task) if is_owner else show_question(task)
    with tabs["Classes"]:
        edit_classes(task, identity) if is_owner else show_classes(task, identity)
    with tabs["Strategy"]:
        edit_strategy(task) if is_owner else show_strategy(task)
    if task.tree is not None:
        with tabs["Decision tree"]:
            edit_tree(task) if is_owner else show_tree(task.tree)
    with tabs["Known examples"]:
        examples_panel(task, is_owner=is_owner)
    with tabs["Files"]:
        files_panel(task, identity)
    with tabs["History"]:
        show_history(task)
