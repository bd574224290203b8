"""Choosing a task, and what is shown while there is none."""

from __future__ import annotations

import html

import streamlit as st

from core.vocabulary import JobKind, Role
from labels_db import Task
from pages._server.services import services
from pages._shared.new_task import new_task
from pages._shared.who import who
from pages._shared.words import plain, sought

__all__ = ["choose_task", "the_task", "want_task"]

_CHOICE = "task_choice"
_WANTED = "task_wanted"
_CURRENT = "task"


def choose_task() -> None:
    """Draw the sidebar's task part; the choice goes into session state and the address."""
    identity = who()
    tasks = services().db().tasks()
    names = [task.name for task in tasks]
    wanted = st.session_state.pop(_WANTED, None)
    if wanted is None and _CURRENT not in st.session_state:
        wanted = st.query_params.get("task")
    if wanted in names:
        st.session_state[_CHOICE] = wanted
    elif st.session_state.get(_CHOICE) not in names:
        st.session_state.pop(_CHOICE, None)
    with st.sidebar:
        if names:
            chosen = st.selectbox("Task", names, key=_CHOICE)
            task = next(one for one in tasks if one.name == chosen)
            st.caption(f"Survey {task.survey}, looking for {sought(task)}")
        else:
            chosen = None
        if (
            identity.role is Role.OWNER
            and services().survey_names()
            and st.button("New task", width="stretch")
        ):
            new_task(want_task)
        doing = "Looking" if identity.role is Role.VIEWER else "Answering"
        st.caption(f"{doing} as {plain(identity.annotator)}")
    st.session_state[_CURRENT] = chosen
    if chosen is not None and st.query_params.get("task") != chosen:
        if wanted is not None and wanted not in names:
            st.warning(f"There is no task {wanted!r}; showing {chosen}.")
        if "task" in st.query_params:  # another was chosen: the object was of the one before
            st.query_params.pop("object", None)
        st.query_params["task"] = chosen


def want_task(name: str) -> None:
    """Choose a task and draw the page anew; called by whoever made it."""
    st.session_state[_WANTED] = name
    st.query_params.pop("object", None)
    st.rerun()


def the_task() -> Task:
    """The chosen task; draws what to do and stops the page while there is none."""
    chosen = st.session_state.get(_CURRENT)
    if chosen is None:
        _no_task()
        st.stop()
    # A task that is gone since raises NotFound, which on_script_error shows.
    return services().db().task(chosen)


def _no_task() -> None:
    if not services().survey_names():
        _no_survey()
        return
    st.title("No task yet")
    st.write("A task is one question asked of a survey, with the classes that answer it.")
    if who().role is not Role.OWNER:
        st.write(f"{plain(services().owner.annotator)} has not made one yet; come back later.")
        return
    st.write("Make the first one to start labelling.")
    if st.button("Make a task", type="primary"):
        new_task(want_task)


@st.fragment(run_every=2.0)
def _no_survey() -> None:
    st.title("No survey yet")
    root = services().workspace.root
    children = services().children
    running = services().running(JobKind.DEMO, "hubble")
    if services().survey_names():
        st.rerun()
    if running is not None or children.job_running(JobKind.DEMO, "hubble"):
        st.write("The Hubble deep field is being cut into objects.")
        st.progress(
            (running.fraction or 0.0) if running else 0.0,
            (running.message or "Starting") if running else "Starting",
        )
        return
    if who().role is not Role.OWNER:
        st.write(f"{plain(services().owner.annotator)} has not added one yet; come back later.")
        return
    error = children.job_error(JobKind.DEMO, "hubble")
    if error:
        st.error(error)
    st.write(
        "Start with the Hubble deep field: about a thousand galaxies that come with Skysift, "
        "nothing is downloaded."
    )
    if st.button("Add the Hubble deep field", type="primary"):
        children.start_job(JobKind.DEMO, "hubble", ["hubble"])
        st.rerun()
    data = html.escape(f"{services().base_path}/data?view=import")
    st.html(f'<a href="{data}" target="_self">Import data of your own</a>')
    st.caption("Or by command:")
    st.code(f"python -m core.run import PATH --name NAME --workspace {root}", language=None)
