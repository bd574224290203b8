"""What the discovery page shows, reckoned once for all who look and kept between reruns.

The page draws itself anew every two seconds. How the search goes is read again when an event came;
a model is held against the answers only when a tenth more of them came, for that takes seconds.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import streamlit as st

from labels_db import Task
from pages._server.services import services

if TYPE_CHECKING:
    from core.run_discovery import Checked, Search

__all__ = ["REFRESH_S", "checked", "searched"]

REFRESH_S = 2.0
LAG = 0.1
"""The share of a task's events that may come before its model is checked anew."""
LEAST_LAG = 5
"""Events that come between two checks at least."""


class _Kept:
    """What is remembered of one task."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.searched: tuple[object, Search] | None = None
        self.checking = threading.Lock()
        self.checked: tuple[object, Checked] | None = None


@st.cache_resource(max_entries=32, show_spinner=False)
def _kept_of(task_id: str) -> _Kept:
    del task_id  # Streamlit keeps one for each
    return _Kept()


def _of(task: Task) -> _Kept:
    return _kept_of(f"{services().workspace.root}\n{task.name}\n{task.created_at}")


def searched(task: Task) -> Search:
    """How the search of the task has gone, up to its last event."""
    # It brings in scikit-learn, which the label page need not wait for.
    from core.run_discovery import search_so_far

    kept, database = _of(task), services().db()
    survey = services().survey(task.survey)
    with kept.lock:
        key = (database.last_seq(task.name), task.version, survey.version)
        if kept.searched is None or kept.searched[0] != key:
            kept.searched = key, search_so_far(database, task, survey)
        return kept.searched[1]


def checked(task: Task, *, afresh: bool = False) -> tuple[Checked, int]:
    """The model held against the answers, and how many events came since.

    It is done anew after the share `LAG` of events more, when the task, its strategy or the
    embedding has changed, and with `afresh`. Raises NotReady without an embedding, and with too
    few answers.
    """
    from core.run_discovery import check_model

    kept, database = _of(task), services().db()
    survey = services().survey(task.survey)
    embedding = services().embedding(survey)
    learner = database.strategy(task.name).learner
    key = (task.version, survey.version, embedding.run_id, learner)
    with kept.checking:
        known = kept.checked
        if known is not None and known[0] == key and not afresh:
            behind = database.n_events(task.name, known[1].seq)
            if behind < max(LEAST_LAG, LAG * database.n_events(task.name)):
                return known[1], behind
        with st.spinner("Holding the model against the answers", show_time=True):
            found = check_model(database, task, survey, embedding)
        kept.checked = key, found
        return found, 0
