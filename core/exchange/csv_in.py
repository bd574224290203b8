"""CSV files: told apart by their header, read row by row with their lines."""

from __future__ import annotations

import bisect
import csv
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from core.exchange.cells import unsafe_cell
from core.exchange.incoming import Place, RawTable
from core.exchange.text import text_lines

LONGEST_FIELD = 1 << 20
"""Characters of one cell: a Zooniverse drawing or a payload with many marks passes csv's 128 k."""


@dataclass
class Sidecar:
    """What NAME.csv.json says; `same` is whether the CSV is the very file it was written for."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    same: bool = False
    empty: Mapping[str, list[list[int]]] = field(default_factory=dict)
    literal: Mapping[str, list[list[int]]] = field(default_factory=dict)


def read_csv(stream: BinaryIO, place: Place) -> RawTable:
    """Read a CSV whose cells are divided by commas, semicolons or tabs.

    Raises `BadInput` for a file without a header, and, with its line, for a row with too many
    or too few cells or one that csv cannot read.
    """
    lines = text_lines(stream, place)
    head = next(lines, "")
    while head and not head.strip():
        raise place.bad(1, "the first line should name the columns, but is empty; remove it.")
    if not head:
        raise place.bad(None, "the file is empty; there is nothing to import.")
    delimiter = next((d for d in ",;\t" if d in head), ",")
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    reader = csv.reader(_chained(head, lines), delimiter=delimiter, strict=True)
    columns = [name.strip() for name in _next(reader, place) or []]
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise place.bad(1, f"the column {twice[:60]!r} comes twice; rename one of them.")
    return RawTable(columns, _rows(reader, columns, place))


def _chained(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield head
    yield from lines


def _rows(reader: Any, columns: list[str], place: Place) -> Iterator[tuple[int, dict[str, str]]]:
    while True:
        line = reader.line_num + 1
        cells = _next(reader, place)
        if cells is None:
            return
        if not cells:
            continue  # an empty line
        if len(cells) != len(columns):
            raise place.bad(
                line,
                f"the row has {len(cells)} cells, but the header names {len(columns)} columns;"
                " put cells with commas or line ends in quotes.",
            )
        yield line, dict(zip(columns, cells, strict=True))


def _next(reader: Any, place: Place) -> list[str] | None:
    line = reader.line_num + 1
    try:
        row: list[str] | None = next(reader, None)
    except csv.Error as error:
        if "field limit" in str(error):
            what = f"a cell has more than {csv.field_size_limit()} characters; shorten it."
        elif "new-line" in str(error):
            what = "a line ends in a carriage return alone; save the file with usual line ends."
        else:
            what = f"the row is no CSV ({error}); check its quotes."
        raise place.bad(line, what) from None
    return row


def read_sidecar(document: bytes | None, stream: BinaryIO) -> Sidecar:
    """What the sidecar says of the CSV in `stream`, which is read to its end for its hash."""
    if document is None:
        return Sidecar()
    try:
        said = json.loads(document)
        metadata, about = said["skysift"], said["csv"]
        digest = hashlib.sha256()
        while data := stream.read(1 << 20):
            digest.update(data)
        same = digest.hexdigest() == about["sha256"]
        return Sidecar(metadata, same, about["empty"], about["literal"])
    except (ValueError, KeyError, TypeError, EOFError, OSError, zlib.error):
        return Sidecar()  # some other file of that name, or a damaged CSV


def restored(
    rows: Iterable[tuple[int, Mapping[str, str]]], sidecar: Sidecar
) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The cells of our own CSV as they were before they were made safe for spreadsheets.

    Without its sidecar, or when the file was changed since, an empty cell is a missing one and
    an apostrophe before a formula start is taken for ours.
    """
    empty = sidecar.empty if sidecar.same else {}
    literal = sidecar.literal if sidecar.same else {}
    for number, (line, cells) in enumerate(rows):
        restored_cells: dict[str, str | None] = dict(cells)
        for name, text in cells.items():
            if not text:
                restored_cells[name] = "" if _in(empty.get(name), number) else None
            elif text[0] == "'" and not _in(literal.get(name), number):
                restored_cells[name] = unsafe_cell(text)
        yield line, restored_cells


def _in(ranges: list[list[int]] | None, row: int) -> bool:
    if not ranges:
        return False
    at = bisect.bisect_right(ranges, row, key=lambda pair: pair[0]) - 1
    return at >= 0 and row <= ranges[at][1]
