"""What a client sends, checked and brought to the form in which it is stored."""

from __future__ import annotations

import datetime
import json
import math
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from core.errors import BadInput
from core.vocabulary import (
    MAX_ID_LENGTH,
    MAX_NOTE_LENGTH,
    Action,
    checked_object_id,
)
from labels_db.marks import checked_marks
from labels_db.records import NewEvent, QueueItem

MAX_TIME_LENGTH = 40
MAX_PAYLOAD_BYTES = 16 * 1024
_ROUNDING = 1e-6
_INTEGER_LIMIT = 2**63
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def checked_event(event: NewEvent) -> NewEvent:
    """Return `event` as it will be stored, or raise `BadInput`.

    Whether its task, class and undone event exist is left to the database.
    """
    action = checked_action(event.action)
    fields: dict[str, Any] = {
        "event_id": checked_uuid(event.event_id, "event_id"),
        "task": checked_text(event.task, "task", MAX_ID_LENGTH),
        "object_id": checked_object_id(event.object_id),
        "survey_version": checked_whole(event.survey_version, "survey_version", at_least=1),
        "annotator": checked_text(event.annotator, "annotator", MAX_ID_LENGTH),
        "action": action,
    }
    for name, check in _OPTIONAL.items():
        value = getattr(event, name)
        if value is not None:
            fields[name] = check(value)
    changed = {name: value for name, value in fields.items() if value is not getattr(event, name)}
    # Most events come as they are stored, and a copy costs as much as all checks together.
    checked = replace(event, **changed) if changed else event
    for field, value, owners, needed in (
        ("class_name", checked.class_name, (Action.LABEL, Action.ADJUDICATE), (Action.LABEL,)),
        ("undoes", checked.undoes, (Action.UNDO,), (Action.UNDO,)),
    ):
        if action in needed if value is None else action not in owners:
            came = "none" if value is None else repr(value[:80])
            raise BadInput(
                f"{field} belongs to the action '{owners[0]}' and to no other, but the action is"
                f" '{action}' and {field} is {came}; send the two together."
            )
    if action is Action.NOTE and checked.note is None:
        raise BadInput("The action 'note' needs a note, but none came; send its text.")
    if (checked.payload or {}).get("gold") and (
        action is not Action.ADJUDICATE or checked.class_name is None
    ):
        raise BadInput(
            "A gold object is one that was adjudicated to a class, but gold came with the action"
            f" '{action}' and the class {checked.class_name!r}; send both or leave gold out."
        )
    if action is Action.MARK and not (checked.payload or {}).get("marks"):
        raise BadInput("The action 'mark' needs a payload with marks, but none came; send them.")
    return checked


def checked_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return `payload` as plain JSON of at most `MAX_PAYLOAD_BYTES`, or raise `BadInput`."""
    try:
        if not isinstance(payload, Mapping):
            raise TypeError(f"it is {type(payload).__name__}")
        text = json.dumps(dict(payload), allow_nan=False)
        # Half a character passes as an escape, but no reader could write it as UTF-8 again.
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"A payload is a JSON object of finite numbers, text and lists, but {error}; correct"
            " it."
        ) from None
    if len(text) > MAX_PAYLOAD_BYTES:
        raise BadInput(
            f"A payload has up to {MAX_PAYLOAD_BYTES:,} bytes of JSON, but this one has"
            f" {len(text):,}; shorten it."
        )
    plain: dict[str, Any] = json.loads(text)
    tags = plain.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadInput(f"The tags of a payload are a list of words, but are {str(tags)[:80]}.")
    if "marks" in plain:
        checked_marks(plain["marks"])
    if not isinstance(plain.get("gold", False), bool):
        raise BadInput(f"gold is true or false, but is {str(plain['gold'])[:40]}; correct it.")
    return plain


def _share(value: float, what: str) -> float | None:
    number = finite_or_none(value, what)
    if number is not None and not 0 <= number <= 1:
        raise BadInput(f"{what} must be in 0 to 1, but is {number!r}; correct it.")
    return number


def _checked_truth(value: bool, what: str) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{what} is true, false or none, but is {str(value)[:40]!r}; correct it.")
    return value


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
        if _UUID.fullmatch(value):
            return value
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


def _named(check: Callable[[Any, str], Any], what: str) -> Callable[[Any], Any]:
    return lambda value: check(value, what)


def _id_text(value: str, what: str) -> str:
    return checked_text(value, what, MAX_ID_LENGTH)


_OPTIONAL: dict[str, Callable[[Any], Any]] = {
    **{name: _named(_id_text, name) for name in ("class_name", "sampler", "lease", "source")},
    **{name: _named(checked_uuid, name) for name in ("undoes", "redoes")},
    **{name: _named(checked_time, name) for name in ("shown_at", "answered_at")},
    "note": checked_note,
    "score": _named(finite_or_none, "score"),
    "probability": checked_probability,
    "model_version": lambda value: checked_whole(value, "model_version", at_least=1),
    "confidence": _named(_share, "confidence"),
    "payload": checked_payload,
    "prediction_visible": _named(_checked_truth, "prediction_visible"),
}
"""Fields of an event that may be None, with what checks them where they are not."""
