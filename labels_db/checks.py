"""What a client sends, checked and brought to the form in which it is stored."""

from __future__ import annotations

import datetime
import math
import operator
import uuid
from dataclasses import replace

from core.errors import BadInput
from core.vocabulary import (
    MAX_ID_LENGTH,
    MAX_NOTE_LENGTH,
    Action,
    checked_object_id,
)
from labels_db.records import NewEvent, QueueItem

MAX_TIME_LENGTH = 40
_ROUNDING = 1e-6
_INTEGER_LIMIT = 2**63


def checked_event(event: NewEvent) -> NewEvent:
    """Return `event` as it will be stored, or raise `BadInput`.

    Whether its task, class and undone event exist is left to the database.
    """
    action = checked_action(event.action)
    checked = replace(
        event,
        event_id=checked_uuid(event.event_id, "event_id"),
        task=checked_text(event.task, "task", MAX_ID_LENGTH),
        object_id=checked_object_id(event.object_id),
        survey_version=checked_whole(event.survey_version, "survey_version", at_least=1),
        annotator=checked_text(event.annotator, "annotator", MAX_ID_LENGTH),
        action=action,
        class_name=_optional_text(event.class_name, "class_name"),
        undoes=None if event.undoes is None else checked_uuid(event.undoes, "undoes"),
        note=None if event.note is None else checked_note(event.note),
        shown_at=checked_time(event.shown_at, "shown_at"),
        answered_at=checked_time(event.answered_at, "answered_at"),
        sampler=_optional_text(event.sampler, "sampler"),
        score=finite_or_none(event.score, "score"),
        probability=checked_probability(event.probability),
        model_version=(
            None
            if event.model_version is None
            else checked_whole(event.model_version, "model_version", at_least=1)
        ),
    )
    for field, value, owner in (
        ("class_name", checked.class_name, Action.LABEL),
        ("undoes", checked.undoes, Action.UNDO),
    ):
        if (value is not None) != (action is owner):
            came = "none" if value is None else repr(value[:80])
            raise BadInput(
                f"{field} belongs to the action '{owner}' and to no other, but the action is"
                f" '{action}' and {field} is {came}; send the two together."
            )
    if action is Action.NOTE and checked.note is None:
        raise BadInput("The action 'note' needs a note, but none came; send its text.")
    return checked


def checked_item(item: QueueItem) -> QueueItem:
    """Return a queue item as it will be stored, or raise `BadInput`."""
    return replace(
        item,
        object_id=checked_object_id(item.object_id),
        rank=checked_whole(item.rank, "rank", at_least=0),
        sampler=checked_text(item.sampler, "sampler", MAX_ID_LENGTH),
        score=finite_or_none(item.score, "score"),
        probability=checked_probability(item.probability),
    )


def checked_action(action: str) -> Action:
    try:
        return Action(action)
    except ValueError:
        raise BadInput(
            f"An action is one of {', '.join(Action)}, but is {str(action)[:80]!r}."
        ) from None


def checked_uuid(value: str, what: str) -> str:
    """Return `value` in the one spelling of a UUID that is compared."""
    if isinstance(value, str) and len(value) <= 64:
        try:
            return str(uuid.UUID(value))
        except ValueError:
            pass
    raise BadInput(
        f"{what} must be a UUID such as crypto.randomUUID() makes, but is {str(value)[:60]!r}."
    )


def checked_text(value: str, what: str, longest: int) -> str:
    """Return `value` if it is 1 to `longest` printable characters (so it is valid UTF-8)."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise BadInput(
            f"{what} must be 1 to {longest} printable characters, but is {str(value)[:60]!r}."
        )
    return value


def _optional_text(value: str | None, what: str) -> str | None:
    return None if value is None else checked_text(value, what, MAX_ID_LENGTH)


def checked_prose(value: str, what: str, longest: int) -> str:
    """Return free text of several lines, refusing only what SQLite or a page cannot carry."""
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        size = f"{len(value)} characters" if isinstance(value, str) else repr(value)[:60]
        raise BadInput(
            f"{what} must be text of up to {longest} characters without NUL, but is {size};"
            " shorten it."
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} must be valid Unicode, but holds half a character.") from None
    return value


def checked_note(note: str) -> str:
    if not checked_prose(note, "A note", MAX_NOTE_LENGTH).strip():
        raise BadInput("A note must have some text, but is blank; write it or leave it out.")
    return note


def checked_time(value: str | None, what: str) -> str | None:
    """Return `value` as given if it is an ISO 8601 time in UTC."""
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= MAX_TIME_LENGTH and value.isascii():
        try:
            if datetime.datetime.fromisoformat(value).utcoffset() == datetime.timedelta(0):
                return value
        except ValueError:
            pass
    raise BadInput(
        f"{what} must be an ISO 8601 time in UTC such as 2027-01-31T08:15:00.000Z, but is"
        f" {str(value)[:60]!r}."
    )


def checked_whole(value: int, what: str, *, at_least: int) -> int:
    """Return `value` as a plain int (numpy's integers become one) that SQLite can hold."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = at_least - 1
    if isinstance(value, bool) or not at_least <= whole < _INTEGER_LIMIT:
        raise BadInput(
            f"{what} must be a whole number from {at_least} up, but is {str(value)[:60]!r}."
        )
    return whole


def finite_or_none(value: float | None, what: str) -> float | None:
    """Return `value` as a plain float, and None where it is NaN or infinite."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"{what} must be a number or none, but is {str(value)[:60]!r}.") from None
    return number if math.isfinite(number) else None


def checked_probability(value: float | None) -> float | None:
    number = finite_or_none(value, "probability")
    if number is None:
        return None
    # float32 arithmetic may leave 1.0000001
    if not -_ROUNDING <= number <= 1 + _ROUNDING:
        raise BadInput(f"probability must be in 0 to 1, but is {number!r}; correct it.")
    return min(max(number, 0.0), 1.0)
