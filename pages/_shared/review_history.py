"""Everything that was ever done to one object of a task, in order."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import pandas as pd
import streamlit as st

from core.errors import NotFound
from core.survey import Survey
from core.vocabulary import GOLD_SAMPLER, Action, Settled
from labels_db import CurrentLabel, Event, ObjectState, Task
from pages._server.services import services
from pages._shared.review_disputes import picture
from pages._shared.review_settle import class_buttons, draw_notice, undo_button
from pages._shared.review_sight import Sight
from pages._shared.review_words import counted, history_address
from pages._shared.thumbnails import picture_address
from pages._shared.times import moment
from pages._shared.words import plain

__all__ = ["LINKED", "draw_history", "history_rows", "why_shown"]

N_LAST = 24
LOOKED_BACK = 400
"""Events among which the objects touched last are looked for."""
LINKED = "review_linked"
"""In the session: the object that the address named when the page was drawn last."""
_BOX = "review_object"
WHY = ("Sampler", "Score", "Probability", "Model")
"""Columns that tell a gold object from another, by being empty."""


def draw_history(task: Task, survey: Survey, sees: Sight) -> None:
    """Draw the history of ?object=, or the objects touched last."""
    wanted = st.query_params.get("object", "")
    if st.session_state.get(LINKED, "") != wanted:
        st.session_state[_BOX] = wanted  # a link wins over what was typed before it
    typed = st.text_input("Object", key=_BOX, placeholder="object_id, as in the survey").strip()
    st.session_state[LINKED] = typed
    if typed:
        st.query_params["object"] = typed
    else:
        st.query_params.pop("object", None)
        _touched_last(task, survey, sees)
        return
    draw_notice()
    events = services().db().history(task.name, typed)
    if sees.own_only:
        events = [event for event in events if event.annotator == sees.who.annotator]
    if not events and not _is_there(survey, typed):
        st.warning(
            f"The survey {plain(survey.name)} has no object {plain(repr(typed[:80]))}, and nothing"
            " was recorded of one; copy its object_id from another page."
        )
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        picture(survey, typed)
    with right:
        st.html(f'<div class="review-said"><h2>{html.escape(typed)}</h2></div>')
        _standing(task, typed, events, sees)
    if not events:
        st.caption("Nothing was recorded of this object.")
        return
    st.dataframe(
        pd.DataFrame(history_rows(events, tells_gold=sees.settles, tells_why=not sees.own_only)),
        hide_index=True,
        width="stretch",
        height="content" if len(events) <= 15 else 560,
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss"),
            "Sure": st.column_config.NumberColumn(format="percent"),
            "Score": st.column_config.NumberColumn(format="%.4g"),
            "Probability": st.column_config.NumberColumn(format="%.3g"),
            "Looked, s": st.column_config.NumberColumn(format="%.1f"),
        },
    )


def history_rows(
    events: Sequence[Event], *, tells_gold: bool, tells_why: bool = True
) -> list[dict[str, object]]:
    """A row for each event; columns that would be empty throughout are left out.

    `tells_gold` says which objects were slipped in with a known answer, `tells_why` how any
    object came to be shown.
    """
    undone = {event.undoes: event for event in events if event.undoes is not None}
    rows = [_row(event, undone, tells_gold) for event in events]
    always = ("When", "Who", "What", "Class")
    secret = () if tells_why else WHY
    kept = [
        name
        for name in rows[0]
        if name in always or (name not in secret and _any(row[name] for row in rows))
    ]
    return [{name: row[name] for name in kept} for row in rows]


def _any(values: Iterable[object]) -> bool:
    return any(value is not None and value != "" for value in values)


def _row(event: Event, undone: dict[str, Event], tells_gold: bool) -> dict[str, object]:
    payload = event.payload or {}
    path = payload.get("path") or []
    return {
        "When": moment(event.recorded_at),
        "Who": event.annotator,
        "What": _what(event, tells_gold),
        "Class": event.class_name or "",
        "Counts": _counts(event, undone),
        "Sure": event.confidence,
        "Tags": ", ".join(payload.get("tags", ())),
        "Path": " > ".join(str(step[-1]) for step in path if isinstance(step, list) and step),
        "Marks": ", ".join(str(mark["kind"]) for mark in payload.get("marks", ())),
        "Note": event.note or "",
        "Sampler": _sampler(event, tells_gold),
        "Score": event.score,
        "Probability": event.probability,
        "Model": event.model_version,
        "Prediction shown": {True: "yes", False: "no", None: ""}[event.prediction_visible],
        "Looked, s": _seconds(event),
        "Came by": event.source or "",
        "Survey version": event.survey_version,
    }


def _what(event: Event, tells_gold: bool) -> str:
    if event.redoes:
        return f"{event.action.value}, a redo"
    if tells_gold and (event.payload or {}).get("gold"):
        return "adjudicate, as gold"
    return event.action.value


def _counts(event: Event, undone: dict[str, Event]) -> str:
    """Why an event does not count, or ""."""
    if event.event_id in undone:
        return f"undone by {undone[event.event_id].annotator}"
    return "late, not counted" if event.late else ""


def _sampler(event: Event, tells_gold: bool) -> str:
    # Which objects have a known answer is the owner's to know.
    return "" if event.sampler == GOLD_SAMPLER and not tells_gold else event.sampler or ""


def _seconds(event: Event) -> float | None:
    if event.shown_at is None or event.answered_at is None:
        return None
    return (moment(event.answered_at) - moment(event.shown_at)).total_seconds()


def why_shown(events: Sequence[Event], *, tells_gold: bool) -> str:
    """A sentence on why the object was first shown, or ""."""
    for event in events:
        sampler = _sampler(event, tells_gold)
        if not sampler:
            continue
        # At the turn of one of several targets its name is SAMPLER (CLASS).
        words = services().sampler_words().get(sampler.partition(" (")[0], "")
        parts = [f"First shown to {event.annotator} by the sampler {sampler}"]
        if sampler == GOLD_SAMPLER:
            words = "It was slipped in to see whether a known answer is found."
        if event.score is not None:
            parts.append(f"with the score {event.score:.4g}")
        if event.probability is not None:
            parts.append(f"drawn with probability {event.probability:.3g}")
        if event.model_version is not None:
            parts.append(f"by model {event.model_version}")
        return f"{', '.join(parts)}. {words}".strip()
    return ""


def _standing(task: Task, object_id: str, events: list[Event], sees: Sight) -> None:
    """The current label, how it was settled, why it was shown, and the owner's buttons."""
    database = services().db()
    if not sees.own_only:
        state = database.object_state(task.name, object_id)
        label = database.current_label(task.name, object_id)
        st.write(plain(_settled(state, label)))
    else:
        st.write("What you did to it:")
    reason = "" if sees.own_only else why_shown(events, tells_gold=sees.settles)
    if reason:
        st.caption(plain(reason))
    if sees.settles and _is_there(services().survey(task.survey), object_id):
        state = database.object_state(task.name, object_id)
        again = state is not None and state.how is Settled.ADJUDICATED
        with st.expander("Settle it anew" if again else "Settle it"):
            named = frozenset(event.class_name for event in events if event.class_name)
            class_buttons(task, object_id, state.last_seq if state else 0, named, by_key=False)
        undo_button(task)


def _settled(state: ObjectState | None, label: CurrentLabel | None) -> str:
    if state is None:
        return "No label: nobody has answered it yet."
    answers = counted(state.n_answers, "answer")
    if label is None:
        if state.how is Settled.ADJUDICATED:
            return f"No label: it was settled that it cannot be told ({answers})."
        tied = state.n_classes > 1
        return f"No label: {answers}{', tied' if tied else ', none with a class'}."
    how = {
        Settled.LATEST: f"the latest label, by {label.annotator}",
        Settled.PLURALITY: f"what most of {answers} say",
        Settled.ADJUDICATED: f"settled by {label.annotator} ({answers})",
    }[label.how]
    when = moment(label.recorded_at)
    return f"Label: {label.class_name}, {how}, {when:%-d %b %Y}."


def _is_there(survey: Survey, object_id: str) -> bool:
    try:
        survey.row(object_id)
    except NotFound:
        return False
    return True


def _touched_last(task: Task, survey: Survey, sees: Sight) -> None:
    database = services().db()
    after = database.last_seq(task.name) - LOOKED_BACK
    events = [
        event
        for event in database.events(task.name, after_seq=max(after, 0))
        if event.action is not Action.UNDO
        and (not sees.own_only or event.annotator == sees.who.annotator)
    ]
    latest = list(dict.fromkeys(event.object_id for event in reversed(events)))[:N_LAST]
    if not latest:
        st.info("Nothing was answered lately; give the object_id of an object to see its history.")
        return
    st.caption("Touched last. Every event of an object is kept; choose one to read them.")
    cells = "".join(
        f'<a href="{history_address(task, name)}" title="History of {html.escape(name)}">'
        f'<img src="{html.escape(picture_address(survey, name, 256))}" alt="" loading="lazy"'
        f' width="256" height="256"><div class="id">{html.escape(name)}</div></a>'
        for name in latest
    )
    st.html(f'<div class="thumbs">{cells}</div>')
