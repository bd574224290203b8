"""Rows of our own two tables, whatever format they came in, as incoming rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from core.exchange.columns import EVENT_SCHEMA, LABEL_SCHEMA
from core.exchange.incoming import IncomingRow, LabelFile, Place, made_id, short_name
from core.vocabulary import Action

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
    schema, count = _SCHEMAS[kind], 0
    for line, raw in rows:
        count += 1
        values = {f.name: _value(raw.get(f.name), f, line, place) for f in schema}
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
    return values | {
        "event_id": own_id,
        "class_name": values["label"],
        "action": Action.LABEL.value,
        "source": short_name(f"labels of {values['task'] or 'a task'}"),
    }


def _value(value: Any, field: pa.Field, line: int, place: Place) -> Any:
    """`value`, perhaps a text that says it, as the column's type."""
    kind = field.type
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if pa.types.is_string(kind):
        return _text(value)
    if value == "":
        return None
    if pa.types.is_list(kind):
        return _list(value, field.name, line, place)
    if pa.types.is_boolean(kind):
        return _truth(value, field.name, line, place)
    whole = pa.types.is_integer(kind)
    if isinstance(value, str):
        return place.number(line, field.name, value, whole)
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value % 1):
        raise place.bad(line, f"{field.name} should be a number, but is {value!r}; correct it.")
    return int(value) if whole else float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _list(value: Any, column: str, line: int, place: Place) -> list[str]:
    items = place.json(line, column, value) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise place.bad(line, f"{column} should be a JSON list of texts; correct it.")
    return items


_TRUTHS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def _truth(value: Any, column: str, line: int, place: Place) -> bool:
    truth = _TRUTHS.get(str(value).strip().casefold())
    if truth is None:
        raise place.bad(
            line, f"{column} should be true or false, but is {str(value)[:40]!r}; correct it."
        )
    return truth
