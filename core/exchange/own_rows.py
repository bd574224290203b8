"""Rows of our own two tables, whatever format they came in, as incoming rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from core.exchange.columns import EVENT_SCHEMA, LABEL_SCHEMA
from core.exchange.incoming import IncomingRow, LabelFile, Place, made_id, short_name
from core.vocabulary import Action, Settled

_NEEDED = {
    "event": ("event_id", "object_id", "annotator", "action"),
    "label": ("object_id", "label", "event_id", "how"),
}
_SCHEMAS = {"event": EVENT_SCHEMA, "label": LABEL_SCHEMA}


def kind_of(columns: Iterable[str]) -> str | None:
    """Which of our tables has these columns: "event", "label" or None."""
    there = set(columns)
    return next((kind for kind, needed in _NEEDED.items() if there.issuperset(needed)), None)


def checked_kind(columns: Sequence[str], place: Place) -> str:
    """As `kind_of`; raises `BadInput` where it is neither."""
    kind = kind_of(columns)
    if kind is None:
        raise place.bad(
            None,
            f"a table of events needs the columns {', '.join(_NEEDED['event'])} and one of labels"
            f" {', '.join(_NEEDED['label'])}, but it has {', '.join(columns)[:300] or 'none'};"
            " export it anew or give a CSV with object_id and label.",
        )
    return kind


def own_rows(
    file: LabelFile, place: Place, kind: str, rows: Iterable[tuple[int, Mapping[str, Any]]]
) -> Iterator[IncomingRow]:
    """Rows of our own table as they were when they were written.

    rows: (line, values by column); a value may be the text that says it. Columns that are
    unknown are passed over, absent ones are None.
    """
    columns, count = _converters(_SCHEMAS[kind], place), 0
    for line, raw in rows:
        count += 1
        values: dict[str, Any] = {}
        for name, converted in columns:  # a million rows have 26 million cells
            value = raw.get(name)
            values[name] = None if value is None else converted(value, line)
        values["object_id"] = place.object_id(line, values["object_id"])
        if kind == "event":
            yield IncomingRow(line, kind, _event(values, line, place))
        elif values["label"] is None:
            file.left_out["objects without a label"] += 1
        else:
            yield IncomingRow(line, kind, _label(values))
    if not count:
        raise place.bad(None, "it has columns but no rows; there is nothing to import.")


def _event(values: dict[str, Any], line: int, place: Place) -> dict[str, Any]:
    for name in ("event_id", "annotator", "action"):
        if not values[name]:
            raise place.bad(line, f"{name} is empty; each event has one.")
    if values["action"] not in set(Action):
        raise place.bad(
            line,
            f"action is one of {', '.join(Action)}, but is {values['action'][:40]!r}; correct it.",
        )
    if values["payload"] is not None:
        payload = place.json(line, "payload", values["payload"])
        if not isinstance(payload, dict):
            raise place.bad(line, "payload should be a JSON object; correct it.")
        values["payload"] = payload
    return values


def _label(values: dict[str, Any]) -> dict[str, Any]:
    # The event that gave the label: a workspace that has it already takes nothing in.
    own_id = values["event_id"] or made_id(
        "labels", values["task"], values["object_id"], values["label"], values["answered_at"]
    )
    adjudicated = values["how"] == Settled.ADJUDICATED
    return values | {
        "event_id": own_id,
        "class_name": values["label"],
        "action": (Action.ADJUDICATE if adjudicated else Action.LABEL).value,
        "source": short_name(f"labels of {values['task'] or 'a task'}"),
    }


_Converter = Callable[[Any, int], Any]


def _converters(schema: pa.Schema, place: Place) -> list[tuple[str, _Converter]]:
    """For each column what makes its type of a value, or of a text that says it."""
    return [(field.name, _converter(field, place)) for field in schema]


def _converter(field: pa.Field, place: Place) -> _Converter:
    name, kind = field.name, field.type
    if pa.types.is_string(kind):
        return _text
    if pa.types.is_list(kind):
        return lambda value, line: _list(value, name, line, place)
    if pa.types.is_boolean(kind):
        return lambda value, line: _truth(value, name, line, place)
    whole = pa.types.is_integer(kind)
    return lambda value, line: _number(value, name, line, place, whole)


def _text(value: Any, _line: int) -> str | None:
    if isinstance(value, str):
        return value
    if value != value:  # NaN: how some writers leave a cell out
        return None
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any, column: str, line: int, place: Place, whole: bool) -> float | None:
    if value == "" or value != value:
        return None
    if isinstance(value, str):
        number = place.number(line, column, value, whole)
        return number if math.isfinite(number) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value % 1):
        raise place.bad(line, f"{column} should be a number, but is {value!r}; correct it.")
    return int(value) if whole else float(value)


def _list(value: Any, column: str, line: int, place: Place) -> list[str] | None:
    if value == "":
        return None
    items = place.json(line, column, value) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise place.bad(line, f"{column} should be a JSON list of texts; correct it.")
    return items


_TRUTHS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def _truth(value: Any, column: str, line: int, place: Place) -> bool | None:
    if isinstance(value, bool):
        return value
    if value == "" or value == "?":  # so a VOTable says that it is missing
        return None
    truth = _TRUTHS.get(str(value).strip().casefold())
    if truth is None:
        raise place.bad(
            line, f"{column} should be true or false, but is {str(value)[:40]!r}; correct it."
        )
    return truth
