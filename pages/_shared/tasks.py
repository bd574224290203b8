"""Choosing a task, making one, and what is shown while there is none."""

from __future__ import annotations

import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import MAX_CLASSES, JobKind
from labels_db import Task, TaskSpec
from pages._server.services import services

__all__ = ["choose_task", "the_task"]

_CHOICE = "task_choice"
_WANTED = "task_wanted"
_CURRENT = "task"


def choose_task() -> None:
    """Draw the sidebar's task part; the choice goes into session state and the address."""
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
            st.caption(f"Survey {task.survey}, looking for {_plain(task.target)}")
        else:
            chosen = None
        if services().survey_names() and st.button("New task", width="stretch"):
            _new_task()
        st.caption(f"Answering as {_plain(services().owner.annotator)}")
    st.session_state[_CURRENT] = chosen
    if chosen is not None and st.query_params.get("task") != chosen:
        if wanted is not None and wanted not in names:
            st.warning(f"There is no task {wanted!r}; showing {chosen}.")
            st.query_params.pop("object", None)
        st.query_params["task"] = chosen


def the_task() -> Task:
    """The chosen task; draws what to do and stops the page while there is none."""
    chosen = st.session_state.get(_CURRENT)
    if chosen is None:
        _no_task()
        st.stop()
    # A task that is gone since raises NotFound, which on_script_error shows.
    return services().db().task(chosen)


def _no_task() -> None:
    if services().survey_names():
        st.title("No task yet")
        st.write(
            "A task is one question asked of a survey, with the classes that answer it. "
            "Make the first one to start labelling."
        )
        if st.button("Make a task", type="primary"):
            _new_task()
    else:
        _no_survey()


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
    st.write("Or bring a folder of JPEG or PNG pictures of your own:")
    st.code(f"python -m core.run import FOLDER --name NAME --workspace {root}", language=None)


@st.dialog("New task")
def _new_task() -> None:
    surveys = services().survey_names()
    survey = st.selectbox("Survey", surveys)
    name = st.text_input("Name", placeholder="dual-nuclei", max_chars=64)
    question = st.text_input("Question", placeholder="Does this galaxy have two nuclei?")
    lines = st.text_area(
        f"Classes, one a line, at most {MAX_CLASSES} (they sit on the keys 1 to {MAX_CLASSES})",
        placeholder="dual nucleus\nother",
        height=120,
    )
    classes = [line.strip() for line in lines.splitlines() if line.strip()]
    target = st.selectbox(
        "Target: the class to be found", list(dict.fromkeys(classes)), placeholder="Classes first"
    )
    guideline = st.text_area("Guideline (optional)", placeholder="What counts, and what does not")
    if st.button("Make the task", type="primary"):
        try:
            services().db().create_task(
                TaskSpec(
                    name=name.strip(),
                    survey=survey or "",
                    question=question.strip(),
                    classes=tuple(classes),
                    target=target or "",
                    guideline=guideline.strip(),
                )
            )
        except SkysiftError as error:
            st.error(str(error))
        else:
            st.session_state[_WANTED] = name.strip()
            st.query_params.pop("object", None)
            st.rerun()


def _plain(text: str) -> str:
    """Text as Markdown shows it unchanged: names of classes may hold anything."""
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()#+-.!|<>~$:" else mark for mark in text)
