"""The objects that wait for adjudication, one at a time, the most undecided first."""

from __future__ import annotations

import html
from collections.abc import Iterable

import streamlit as st

from core.errors import NotFound
from core.survey import Survey
from labels_db import Answer, Event, ObjectState, Task
from pages._server.services import services
from pages._shared.colours import class_colours
from pages._shared.review_numbers import Reckoning, reckoned
from pages._shared.review_settle import (
    LATER,
    class_buttons,
    current_place,
    draw_notice,
    undo_button,
)
from pages._shared.review_sight import Sight
from pages._shared.review_words import counted, history_address, share, since
from pages._shared.thumbnails import picture_address
from pages._shared.words import plain

__all__ = ["draw_disputes", "in_order", "picture"]

MAX_QUEUE = 500
AHEAD = 3
"""Pictures fetched before they are wanted."""
LATER_KEY = "S"


def draw_disputes(task: Task, survey: Survey, sees: Sight) -> None:
    """Draw the queue's head, with the buttons that settle it for whom may."""
    database = services().db()
    waiting = database.disputes(task.name, MAX_QUEUE)
    n_waiting = database.n_disputes(task.name)
    if not sees.settles:
        # That its answer is known is the owner's to know.
        gold = database.gold(task.name)
        n_waiting -= sum(one.object_id in gold for one in waiting)
        waiting = [one for one in waiting if one.object_id not in gold]
    if not waiting:
        draw_notice()
        st.info(
            "Nothing waits to be settled. An object comes here when its annotators differ, when"
            " one of them was unsure, or when an answer came too late to count."
        )
        if sees.settles:
            undo_button(task)
        return
    reckoning, _ = reckoned(task)
    queue = _later_last(task, in_order(waiting, reckoning))
    current = _current(task, queue)
    order = (
        "The most undecided come first, by what the annotators' reliability makes of their answers"
        if reckoning.overlaps
        else "The most disputed come first"
    )
    draw_notice(f"{counted(n_waiting, 'object waits', 'objects wait')}. {order}.")
    left, right = st.columns([11, 9], gap="medium")
    with left:
        picture(survey, current.object_id)
        _fetch_ahead(survey, [one for one in queue if one != current][:AHEAD])
    with right:
        answers = list(database.answers(task.name, object_id=current.object_id))
        _who_said_what(task, current, answers, reckoning)
        if sees.settles:
            named = frozenset(one.class_name for one in answers if one.class_name)
            class_buttons(task, current.object_id, current.last_seq, named, by_key=True)
        _moves(task, current, len(queue), sees)


def in_order(waiting: Iterable[ObjectState], reckoning: Reckoning) -> list[ObjectState]:
    """The most undecided first: by the entropy of the class where two annotators overlap.

    Of an object without a class among its answers nothing is known: it counts as wholly undecided.
    """
    if not reckoning.overlaps:
        return list(waiting)
    return sorted(
        waiting,
        key=lambda one: (-reckoning.entropy.get(one.object_id, 1.0), -one.disagreement),
    )


def picture(survey: Survey, object_id: str) -> None:
    """Draw an object's picture, or say that there is none."""
    try:
        row = survey.row(object_id)
    except NotFound as error:
        st.warning(plain(str(error)))
        return
    if not survey.can_be_shown[row]:
        st.caption("This object has no picture.")
        return
    address = html.escape(picture_address(survey, object_id, 512))
    name = html.escape(object_id)
    st.html(
        f'<div class="review-picture"><img src="{address}" alt="Picture of {name}"'
        f' data-object-id="{name}" width="512" height="512"></div>'
    )


def _fetch_ahead(survey: Survey, states: list[ObjectState]) -> None:
    images = "".join(
        f'<img src="{html.escape(picture_address(survey, one.object_id, 512))}" alt="">'
        for one in states
    )
    st.html(f'<div class="review-ahead" aria-hidden="true">{images}</div>')


def _later_last(task: Task, queue: list[ObjectState]) -> list[ObjectState]:
    """The queue with what was put off at its end, in the order in which it was put off."""
    put_off: dict[str, int] = st.session_state.get(f"review_later {task.name}", {})
    return sorted(queue, key=lambda one: put_off.get(one.object_id, -1))


def _current(task: Task, queue: list[ObjectState]) -> ObjectState:
    """The object on screen: it stays until it is settled or put off, whatever else happens."""
    place = current_place(task.name)
    held = st.session_state.get(place)
    current = next((one for one in queue if one.object_id == held), None)
    if current is None and held is not None:
        # Far down a long queue, but brought back by an undo.
        state = services().db().object_state(task.name, held)
        current = state if state is not None and state.disagreement > 0 else None
    current = current or queue[0]
    st.session_state[place] = current.object_id
    return current


def _put_off(task: str, object_id: str) -> None:
    """Show another object; by id, so that a second press puts off nothing else."""
    put_off: dict[str, int] = st.session_state.setdefault(f"review_later {task}", {})
    put_off[object_id] = max(put_off.values(), default=0) + 1
    place = current_place(task)
    if st.session_state.get(place) == object_id:
        st.session_state.pop(place)


def _moves(task: Task, current: ObjectState, n_queue: int, sees: Sight) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if n_queue > 1:
            st.button(
                LATER if sees.settles else "Next",
                key=f"{LATER} {task.name} {current.object_id}",
                shortcut=LATER_KEY,
                on_click=_put_off,
                args=(task.name, current.object_id),
                type="tertiary",
            )
        if sees.settles:
            undo_button(task)
        st.html(
            f'<a class="review-link" href="{history_address(task, current.object_id)}">History</a>'
        )


def _who_said_what(
    task: Task, state: ObjectState, answers: list[Answer], reckoning: Reckoning
) -> None:
    database = services().db()
    colours = class_colours(task)
    late = database.late_answers(task.name, state.object_id)
    lines = [
        _line(one.annotator, one.class_name, colours, _details(one))
        for one in sorted(answers, key=lambda one: one.seq)
    ]
    lines += [
        _line(one.annotator, one.class_name, colours, [*_details(one), "late, not counted"])
        for one in late
    ]
    remarks = "".join(
        f"<li><q>{html.escape(one.note or '')}</q>"
        f" <span>{html.escape(one.annotator)}, {since(one.recorded_at)}</span></li>"
        for one in database.notes(task.name, state.object_id)
    )
    notes = f'<ul class="notes">{remarks}</ul>' if remarks else ""
    st.html(
        f'<div class="review-said"><h2>{html.escape(state.object_id)}</h2>'
        f"<p>{html.escape(_standing(state, reckoning))}</p>"
        f"<ul>{''.join(lines)}</ul>{notes}</div>"
    )


def _line(
    annotator: str, class_name: str | None, colours: dict[str, str], details: list[str]
) -> str:
    said = "unsure" if class_name is None else class_name
    colour = colours.get(said, "#8b97a8")
    about = html.escape(", ".join(details))
    return (
        f'<li><b style="--c:{colour}">{html.escape(said)}</b>'
        f" {html.escape(annotator)} <span>{about}</span></li>"
    )


def _details(one: Answer | Event) -> list[str]:
    tags: Iterable[str] = (
        one.tags if isinstance(one, Answer) else (one.payload or {}).get("tags", ())
    )
    sure = [f"{share(one.confidence)} sure"] if one.confidence is not None else []
    return [*sure, *tags, since(one.recorded_at)]


def _standing(state: ObjectState, reckoning: Reckoning) -> str:
    parts = [counted(state.n_answers, "answer")]
    if state.n_unsure:
        parts.append(f"{state.n_unsure} unsure")
    if state.n_late:
        parts.append(f"{state.n_late} late")
    entropy = reckoning.entropy.get(state.object_id)
    if reckoning.overlaps and entropy is not None:
        parts.append(f"{share(entropy)} undecided")
    if state.class_name is not None:
        parts.append(f"at present {state.class_name}")
    return ", ".join(parts)
