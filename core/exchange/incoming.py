"""What comes in from a label file: rows with their line, an event id and checked values."""

from __future__ import annotations

import datetime
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH, checked_object_id

NAMESPACE = uuid.UUID("3f1f0a53-6d0c-5a2e-9b0c-5b6d1f0c2a77")
"""Of the event ids that rows from elsewhere get. Fixed for ever: a file read again must give the
ids that it gave before."""


@dataclass(frozen=True)
class IncomingRow:
    """One row of a label file.

    Attributes
    ----------
    line
        Its line in a text file (the first is 1), or its row in a binary table; None if unknown.
    kind
        "event": an event of ours, undos and all. "label": somebody's answer to an object.
    values
        By the names of a label event (`event_id`, `object_id`, `annotator`, `action`,
        `class_name`, ...); `tags` is a list, `payload` a mapping, what is missing is None. A
        label has at least `event_id`, `object_id`, `action` and `class_name` (None for a skip).
    """

    line: int | None
    kind: str
    values: dict[str, Any]


@dataclass
class LabelFile:
    """A label file that is being read: iterate over it once to get its rows.

    Attributes
    ----------
    name
        Of the file, for messages.
    format
        "csv", "parquet", "votable", "fits" and "jsonl" for tables of ours and plain ones;
        "label_studio" or "zooniverse".
    metadata
        The provenance that the file carries; empty if it has none.
    left_out
        Why rows were left out, and how many; complete once all rows have been read.
    remarks
        Sentences for the person who imports.
    """

    name: str
    format: str
    metadata: Mapping[str, Any]
    rows: Iterator[IncomingRow]
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[IncomingRow]:
        return self.rows


@dataclass
class RawTable:
    """A table as a file holds it: its columns, and its rows as (line, values by column)."""

    columns: list[str]
    rows: Iterator[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Place:
    """Names places in a file for messages; `unit` is "line" or "row"."""

    name: str
    unit: str = "line"

    def bad(self, line: int | None, what: str) -> BadInput:
        """The error to raise for what is wrong at `line`."""
        at = f", {self.unit} {line}" if line is not None else ""
        return BadInput(f"{self.name}{at}: {what}")

    def object_id(self, line: int | None, value: object) -> str:
        """A checked object_id; raises `BadInput` with the line."""
        if not isinstance(value, str) or not value:
            raise self.bad(line, "object_id is empty; each row needs one.")
        try:
            return checked_object_id(value)
        except BadInput as error:
            raise self.bad(line, str(error)) from None

    def time(self, line: int | None, column: str, value: str | None) -> str | None:
        """A time as ISO 8601 in UTC; one without a zone is taken for UTC."""
        if not value:
            return None
        try:
            when = datetime.datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
        except ValueError:
            raise self.bad(
                line,
                f"{column} should be a time such as 2026-05-04T12:30:00Z, but is {value[:40]!r};"
                " correct it.",
            ) from None
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.UTC)
        return when.astimezone(datetime.UTC).isoformat()

    def number(self, line: int | None, column: str, value: str, whole: bool = False) -> float:
        """The number that a cell's text says."""
        try:
            return int(value) if whole else float(value)
        except ValueError:
            kind = "a whole number" if whole else "a number"
            raise self.bad(
                line, f"{column} should be {kind}, but is {value[:40]!r}; correct it."
            ) from None

    def json(self, line: int | None, column: str, value: str) -> Any:
        """What a cell's JSON text says."""
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise self.bad(
                line, f"{column} should be JSON, but is {value[:60]!r}; correct it."
            ) from None


def made_id(*parts: str | None) -> str:
    """The event id of a row that has none: the same parts always give the same id."""
    return str(uuid.uuid5(NAMESPACE, json.dumps(parts)))


def answer(
    object_id: str, class_name: str | None, source: str, event_id: str, **more: Any
) -> dict[str, Any]:
    """The values of a row that is somebody's answer, with everything that may be missing."""
    values: dict[str, Any] = {
        "event_id": event_id,
        "object_id": object_id,
        "action": "label",
        "class_name": class_name,
        "annotator": None,
        "answered_at": None,
        "shown_at": None,
        "note": None,
        "confidence": None,
        "tags": None,
        "payload": None,
        "source": source,
    }
    unknown = set(more) - set(values)
    assert not unknown, unknown
    return values | more


def short_name(text: str) -> str:
    """A name from elsewhere, cut to what a name may have here."""
    return text[:MAX_ID_LENGTH]
