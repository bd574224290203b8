"""JSON Lines: our own tables, and plain ones with object_id and label."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from core.exchange.incoming import Place, RawTable
from core.exchange.text import text_lines


def read_jsonl(stream: BinaryIO, place: Place) -> tuple[Mapping[str, Any], RawTable]:
    """The provenance and the rows; the first row's keys are the columns.

    Raises `BadInput` with the line for one that is no JSON object.
    """
    objects = _objects(stream, place)
    metadata: Mapping[str, Any] = {}
    first = next(objects, None)
    if (
        first is not None
        and set(first[1]) == {"skysift"}
        and isinstance(first[1]["skysift"], dict)
    ):
        metadata, first = first[1]["skysift"], next(objects, None)
    if first is None:
        raise place.bad(None, "it has no rows; there is nothing to import.")
    return metadata, RawTable(list(first[1]), _chained(first, objects))


def _chained(
    first: tuple[int, dict[str, Any]], others: Iterator[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    yield first
    yield from others


def _objects(stream: BinaryIO, place: Place) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text_lines(stream, place), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
            raise place.bad(
                number, f"the line is no JSON ({said}); each line is one object."
            ) from None
        if not isinstance(found, dict):
            raise place.bad(number, "the line is JSON, but no object; each line is one object.")
        yield number, found
