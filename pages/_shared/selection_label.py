"""Labelling a whole selection: what would happen, then one press, then one undo for all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import MAX_BULK, BulkGroup, BulkPlan, Fate, Selection, Task
from pages._server.identity import require
from pages._server.requests import WRITERS
from pages._server.services import services
from pages._shared.faults import errors_told
from pages._shared.selection_words import objects
from pages._shared.sight import is_hidden_here
from pages._shared.times import ago, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["label_button", "tell_labelled", "undo_button"]

_DONE = "selection labelled"
_GROUP = "selection group"
_SEEN = "selection plan"
"""In the session: the number of the last event that the plan on the screen knows."""
_LEFT_OUT = {
    Fate.IN_HAND: "are in the hands of others now",
    Fate.FULL: "have all the answers that are wanted",
    Fate.SETTLED: "were settled",
}


def label_button(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    """Draw it; it opens the dialog that labels."""
    if st.button("Label", icon=":material/label:", type="primary", disabled=not len(rows)):
        # One group for what this dialog labels: pressed twice, or cut short, it is the same one.
        st.session_state[_GROUP] = str(uuid.uuid4())
        _dialog(task, survey, selection, rows)


def undo_button(task: Task) -> None:
    """Draw what was labelled last in bulk by this person, with a button that takes it back."""
    last = services().db().last_bulk(task.name, who().annotator)
    if last is None:
        return
    age = (datetime.now(UTC) - moment(last.given_at)).total_seconds()
    label = f"Undo {last.class_name} ×{last.n:,}, {ago(age)}"
    # By its group: a press on one that is not the newest any more must not undo another.
    if st.button(plain(label), icon=":material/undo:", key=f"undo bulk {last.source}"):
        _undo(task, last)


def _undo(task: Task, group: BulkGroup) -> None:
    n_done = 0
    try:
        identity = who()
        require(identity, *WRITERS)
        with _progress("Undoing") as told:

            def heard(done: int, of: int) -> None:
                nonlocal n_done
                n_done = done
                told(done, of)

            n = services().db().bulk_undo(task.name, identity.annotator, group.source, heard)
    except SkysiftError as error:
        rest = f" Undone so far: {n_done:,}; press again for the rest." if n_done else ""
        st.error(f"{error}{rest}")
        return
    st.session_state[_DONE] = f"{n:,} labels undone"
    st.rerun()


def tell_labelled() -> None:
    """Say what the last labelling or undo did, once."""
    done = st.session_state.pop(_DONE, None)
    if done:
        st.toast(done, icon=":material/check:")


@st.dialog("Label the selection", width="medium")
def _dialog(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    with errors_told():
        _draw(task, survey, selection, rows)


def _draw(task: Task, survey: Survey, selection: Selection, rows: np.ndarray) -> None:
    identity = who()
    require(identity, *WRITERS)
    if len(rows) > MAX_BULK:
        st.warning(
            f"Up to {MAX_BULK:,} objects can be labelled at once, and this selection has"
            f" {len(rows):,}: what is so common is better found by the model. Take a smaller"
            " selection, or send this one to the queue."
        )
        return
    class_name = st.pills("As", task.classes, key="bulk class", format_func=plain)
    if class_name is None:
        st.caption("Choose a class to see what would change.")
        return
    ids = [str(one) for one in survey.object_ids[rows]]
    own_only = is_hidden_here(task)
    database = services().db()
    plan = database.bulk_plan(task.name, identity.annotator, ids, class_name, own_only=own_only)
    st.markdown(_words(plan, class_name, len(ids), own_only=own_only))
    change = plan.n_changes > 0 and st.checkbox(
        f"Change those {plan.n_changes:,} as well",
        key=f"bulk change {st.session_state[_GROUP]} {class_name}",
    )
    n = plan.of(Fate.NEW) + (plan.n_changes if change else 0)
    pressed = st.button(
        f"Label {objects(n)} as {plain(class_name)}" if n else "Nothing to label",
        type="primary",
        disabled=not n,
        key="bulk give",
    )
    st.caption("It is one step: one undo takes all of it back.")
    if not pressed:
        st.session_state[_SEEN] = plan.seq
        return
    with _progress("Labelling") as told:
        done = database.bulk_label(
            task.name,
            identity.annotator,
            ids,
            class_name,
            group=st.session_state[_GROUP],
            survey_version=survey.version,
            change=bool(change),
            # This run has counted anew; what was read and agreed to is the plan before.
            seen_seq=st.session_state.get(_SEEN, plan.seq),
            own_only=own_only,
            selection=selection.id,
            progress=told,
        )
    st.session_state[_DONE] = f"{objects(done.n_given)} labelled as {class_name}" + (
        f"; {done.n_since:,} answered meanwhile were left as they are" if done.n_since else ""
    )
    st.rerun()


def _words(plan: BulkPlan, class_name: str, n: int, *, own_only: bool) -> str:
    """What would happen to each object, as a list."""
    new, own, others = (plan.of(one) for one in (Fate.NEW, Fate.OWN, Fate.OTHERS))
    name = plain(class_name)
    if own_only:
        # Told apart they would say what others did.
        kept = plan.n_left_out and f"**{plan.n_left_out:,}** want no answer of yours: left out"
        left_out: list[str | int] = [kept]
    else:
        left_out = [
            plan.of(fate) and f"**{plan.of(fate):,}** {said}: left out"
            for fate, said in _LEFT_OUT.items()
        ]
    lines = [
        f"**{new:,}** of {objects(n)} get the answer {name}",
        own and f"**{own:,}** you answered otherwise",
        others and f"**{others:,}** others answered otherwise",
        plan.of(Fate.SAME) and f"**{plan.of(Fate.SAME):,}** have that answer already",
        *left_out,
    ]
    return "\n".join(f"- {line}" for line in lines if line)


class _progress:
    """A bar that is told how far it is; a click elsewhere meanwhile must not leave half of it
    done, so what interrupts the page is raised only at the end."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._interrupted: BaseException | None = None

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar = st.progress(0.0, self._doing)
        return self._tell

    def _tell(self, done: int, of: int) -> None:
        if self._interrupted is not None:
            return
        try:
            self._bar.progress(done / max(of, 1), f"{self._doing}: {done:,} of {of:,}")
        except BaseException as error:  # Streamlit's own signals are no Exceptions
            self._interrupted = error

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._interrupted is not None:
            raise self._interrupted
