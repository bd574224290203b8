"""What the discovery page shows, reckoned once for all who look and kept between reruns.

The page draws itself anew every two seconds. How the search goes is read again when an event came;
a model is held against the answers only when a tenth more of them came, for that takes seconds.
With a slow learner it takes up to a minute: then somebody asks for it, and nobody waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import NotReady
from core.survey import Survey
from labels_db import LabelsDB, Task
from pages._server.services import services
from pages._shared.kept import kept_of

if TYPE_CHECKING:
    from core.representation import Embedding
    from core.run_discovery import Checked, Search
    from core.run_followed import Followed

__all__ = ["HIDDEN", "REFRESH_S", "asks_first", "checked", "searched"]

REFRESH_S = 2.0
LAG = 0.1
"""The share of a task's events that may come before its model is checked anew."""
LEAST_LAG = 5
"""Events that come between two checks at least."""
HIDDEN = (
    "How the search of this task goes tells what others answered, and is shown to its owner only:"
    " each answer is to be one person's own. What you did yourself is on the Review page."
)


class _Kept:
    """What is remembered of one task."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.followed: Followed | None = None
        self.searched: tuple[object, Search] | None = None
        self.checking = threading.Lock()
        self.checked: tuple[object, Checked] | None = None
        self.refused: tuple[object, Exception] | None = None
        """Why there is nothing to show, and of what settings and last event that holds."""
        self.slowly: threading.Thread | None = None


def searched(task: Task) -> Search:
    """How the search of the task has gone, up to its last event."""
    # It brings in scikit-learn, which the label page need not wait for.
    from core.run_discovery import search_so_far
    from core.run_followed import Followed

    kept, database = kept_of(task, _Kept), services().db()
    survey = services().survey(task.survey)
    with kept.lock:
        key = (database.last_seq(task.name), task.version, survey.version)
        if kept.searched is None or kept.searched[0] != key:
            kept.followed = kept.followed or Followed()
            kept.searched = key, search_so_far(database, task, survey, kept.followed)
        return kept.searched[1]


def asks_first(task: Task) -> bool:
    """Whether the task's learner takes so long to be checked that somebody has to ask for it."""
    from core.discovery.validation import SLOW_LEARNERS

    return services().db().strategy(task.name).learner in SLOW_LEARNERS


def checked(task: Task, *, afresh: bool = False) -> tuple[Checked, int]:
    """The model held against the answers, and how many events came since.

    It is done anew after the share `LAG` of events more, when the task, its strategy or the
    embedding has changed, and with `afresh`; with a slow learner with `afresh` alone, beside the
    page. Raises NotReady without an embedding, with too few answers, and where a slow learner was
    not asked for or is at work.
    """
    from core.run_discovery import check_model

    kept, database = kept_of(task, _Kept), services().db()
    survey = services().survey(task.survey)
    embedding = services().embedding(survey)
    key = (task.version, survey.version, embedding.run_id, database.strategy(task.name).learner)
    slow = asks_first(task)
    with kept.checking:
        known = kept.checked if kept.checked is not None and kept.checked[0] == key else None
        now = (key, database.last_seq(task.name))
        behind = 0 if known is None else database.n_events(task.name, known[1].seq)
        if slow and afresh and not _at_work(kept):
            kept.refused = None
            kept.slowly = _beside(kept, task, survey, embedding, now)
        if kept.refused is not None and kept.refused[0] in (now, (key, None)) and not afresh:
            raise kept.refused[1].with_traceback(None)
        if known is not None and (
            slow or (not afresh and behind < max(LEAST_LAG, LAG * database.n_events(task.name)))
        ):
            return known[1], behind
        if slow:
            raise NotReady(
                f"The learner {key[-1]} is being held against the answers; that takes up"
                " to a minute, look again then."
                if _at_work(kept)
                else f"To hold the learner {key[-1]} against the answers takes up to a minute,"
                " and is done when somebody who may start work asks for it: press Check anew."
            )
        with st.spinner("Holding the model against the answers", show_time=True):
            try:
                found = check_model(database, task, survey, embedding)
            except NotReady as error:
                kept.refused = now, error
                raise
        kept.checked = key, found
        return found, 0


def _at_work(kept: _Kept) -> bool:
    return kept.slowly is not None and kept.slowly.is_alive()


def _beside(
    kept: _Kept, task: Task, survey: Survey, embedding: Embedding, now: tuple[object, int]
) -> threading.Thread:
    """Check the model in a thread: a page that did it would take no press meanwhile."""
    from core.run_discovery import check_model

    labels = services().workspace.labels

    def work() -> None:
        try:
            with LabelsDB(labels) as database:
                kept.checked = now[0], check_model(database, task, survey, embedding)
        except NotReady as error:
            kept.refused = now, error
        except Exception as error:  # nobody waits for this thread: whoever looks next is told
            kept.refused = (now[0], None), error

    thread = threading.Thread(target=work, name=f"check of {task.name}", daemon=True)
    thread.start()
    return thread
