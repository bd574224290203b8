"""Settling an object on the review page: the buttons, what they record, and taking it back.

A button carries the object and the state of it that it was drawn for. A second press that comes
before the next object is drawn, or after somebody else answered, is told from the first by that
state and settles nothing. Two keys that arrive together settle nothing either: which was meant
for which object cannot be told.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import Action, Role
from labels_db import NewEvent, Task, class_keys
from pages._server.identity import require
from pages._server.services import services
from pages._shared.who import who
from pages._shared.words import plain

__all__ = [
    "LATER",
    "Settled",
    "class_buttons",
    "current_place",
    "draw_notice",
    "notify",
    "settled_here",
    "undo_button",
]

MAX_BUTTONS = 12
"""With more classes than that, those that somebody named have buttons and the rest a list."""
REFUSED_KEYS = frozenset("cr")
"""Streamlit keeps these for itself."""
CANNOT_TELL_KEY, UNDO_KEY = "D", "U"
LATER = "Later"
MIN_LOOK_S = 0.4
"""Nobody has seen a picture and judged it in less: the press was meant for the one before."""
_NOTICE = "review_notice"
_SETTLED = "review_settled"


@dataclass(frozen=True)
class Settled:
    """An adjudication of this session, which can still be taken back."""

    task: str
    object_id: str
    class_name: str | None
    event_id: str


@dataclass(frozen=True)
class _Drawn:
    """What the buttons of one object were drawn for."""

    task: str
    object_id: str
    seen: int
    shown_at: str
    by_key: bool


def current_place(task: str) -> str:
    """Where the session keeps which object of the queue is on screen."""
    return f"review_current {task}"


def settled_here(task: Task) -> list[Settled]:
    """What was settled in this session and not taken back, the oldest first."""
    found: list[Settled] = st.session_state.setdefault(_SETTLED, [])
    return [one for one in found if one.task == task.name]


def notify(kind: str, sentence: str) -> None:
    """Have a sentence ("success", "warning" or "error") shown above the panel once."""
    st.session_state[_NOTICE] = (kind, sentence)


def draw_notice(standing: str = "") -> None:
    """Say what the last press led to: in the line that stands there, or as a warning above it."""
    kind, sentence = st.session_state.pop(_NOTICE, ("", ""))
    if kind in ("warning", "error"):
        getattr(st, kind)(plain(sentence))
        sentence = ""
    words = [f"**{plain(sentence)}**"] if sentence else []
    if words or standing:
        st.caption(" ".join([*words, standing]))


def class_buttons(
    task: Task, object_id: str, seen: int, named: frozenset[str], *, by_key: bool
) -> None:
    """Draw a button for each class and one for "cannot be told".

    Parameters
    ----------
    seen
        `last_seq` of the object's state as it is drawn.
    named
        Classes that an annotator gave it.
    by_key
        The classes' keys press the buttons.
    """
    keys = class_keys(task.details)
    many = len(task.classes) > MAX_BUTTONS
    place = _place(task.name, object_id, seen)
    began = st.session_state.setdefault(f"review_shown {place}", _now())
    press = _Drawn(task.name, object_id, seen, began, by_key)
    for name in task.classes:
        if many and name not in named:
            continue
        shortcut = keys[name].upper() if by_key and not many else ""
        st.button(
            plain(name),
            key=f"settle {place} {name}",
            shortcut=None if not shortcut or shortcut.lower() in REFUSED_KEYS else shortcut,
            on_click=_settle,
            args=(press, name),
            width="stretch",
        )
    if many:
        others = [name for name in task.classes if name not in named]
        other = st.selectbox(
            "Another class", others, index=None, key=f"other {place}", placeholder="Choose"
        )
        if other is not None:
            st.button(
                f"Settle as {plain(other)}",
                key=f"settle {place} {other}",
                on_click=_settle,
                args=(press, other),
                width="stretch",
            )
    st.button(
        "Cannot be told",
        key=f"settle {place}",
        shortcut=CANNOT_TELL_KEY if by_key else None,
        on_click=_settle,
        args=(press, None),
        help="Settled without a class: it leaves the queue and has no label.",
        width="stretch",
    )


def undo_button(task: Task) -> None:
    """Draw the button that takes back the last adjudication of this session."""
    settled = settled_here(task)
    if settled:
        last = settled[-1]
        st.button(
            "Undo the last",
            key=f"undo {last.event_id}",
            shortcut=UNDO_KEY,
            help=plain(f"{last.object_id} waits again"),
            on_click=_take_back,
            args=(last,),
            type="tertiary",
        )


def _settle(drawn: _Drawn, class_name: str | None) -> None:
    """Record the adjudication, unless the object is not the one, or not as, the person saw."""
    database = services().db()
    task, object_id = drawn.task, drawn.object_id
    try:
        identity = who()
        require(identity, Role.OWNER)
        if drawn.by_key and _came_together(drawn):
            notify(
                "warning", "Not taken: two keys came at once; press one, for what is shown now."
            )
            return
        looked = datetime.now(UTC) - datetime.fromisoformat(drawn.shown_at)
        if drawn.by_key and looked.total_seconds() < MIN_LOOK_S:
            notify("warning", f"Not taken: {object_id} had just appeared; look and press again.")
            return
        state = database.object_state(task, object_id)
        moved_on = drawn.by_key and st.session_state.get(current_place(task)) != object_id
        if moved_on or (state.last_seq if state else 0) != drawn.seen:
            notify(
                "warning",
                f"Not taken: {object_id} was settled, answered or put off after its picture was"
                " drawn; look at what is shown now and press again.",
            )
            return
        event = NewEvent(
            event_id=str(uuid.uuid4()),
            task=task,
            object_id=object_id,
            survey_version=services().survey_of(task).version,
            annotator=identity.annotator,
            action=Action.ADJUDICATE,
            class_name=class_name,
            shown_at=drawn.shown_at,
            answered_at=_now(),
            # A gold object stays one; only the Gold part makes it an ordinary one again.
            payload={"gold": True}
            if class_name is not None and object_id in database.gold(task)
            else None,
        )
        database.record(event)
    except SkysiftError as error:
        notify("error", f"Nothing was saved: {error}")
        return
    st.session_state.setdefault(_SETTLED, []).append(
        Settled(task, object_id, class_name, event.event_id)
    )
    outcome = "cannot be told" if class_name is None else class_name
    notify("success", f"{object_id} is settled: {outcome}.")


def _place(task: str, object_id: str, seen: int) -> str:
    return f"{task} {object_id} {seen}"


def _came_together(drawn: _Drawn) -> bool:
    """True if another key, drawn for the same object, is in the same message from the browser."""
    buttons = f"settle {_place(drawn.task, drawn.object_id, drawn.seen)}"
    later = f"{LATER} {drawn.task} {drawn.object_id}"
    pressed = [
        name
        for name, value in st.session_state.items()
        if value is True and (str(name).startswith(buttons) or name == later)
    ]
    return len(pressed) > 1


def _take_back(last: Settled) -> None:
    """Undo an adjudication; a second press on the same button does nothing."""
    settled: list[Settled] = st.session_state.get(_SETTLED, [])
    if last not in settled:
        return
    try:
        identity = who()
        require(identity, Role.OWNER)
        services().db().record(
            NewEvent(
                event_id=str(uuid.uuid4()),
                task=last.task,
                object_id=last.object_id,
                survey_version=services().survey_of(last.task).version,
                annotator=identity.annotator,
                action=Action.UNDO,
                undoes=last.event_id,
                answered_at=_now(),
            )
        )
    except SkysiftError as error:
        notify("error", f"Nothing was taken back: {error}")
        return
    settled.remove(last)
    st.session_state[current_place(last.task)] = last.object_id
    notify("success", f"{last.object_id} is not settled any more.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
