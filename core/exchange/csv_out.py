"""CSV, with what a CSV cannot say in a sidecar NAME.csv.json.

Comment lines at the head of a CSV make many readers fail, so the provenance goes beside it. The
sidecar also says which cells would come back changed: an empty text (which a CSV reader takes
for a missing one), and a text that began with an apostrophe of its own before a formula start.
They are kept as ranges of rows, and hold only for the very file whose hash stands there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from core.csvsafe import safe_cell
from core.exchange.batches import json_lists, lists_as_json
from core.exchange.cells import ambiguous_cells, empty_cells, safe_cells


class RowRanges:
    """Rows of each column that share a property, as [first, last] pairs that grow in order."""

    def __init__(self) -> None:
        self.of: dict[str, list[list[int]]] = {}

    def add(self, column: str, mask: pa.Array | None, first_row: int) -> None:
        if mask is None:
            return
        ranges = self.of.setdefault(column, [])
        for index in pc.indices_nonzero(mask).to_pylist():
            row = first_row + index
            if ranges and ranges[-1][1] == row - 1:
                ranges[-1][1] = row
            else:
                ranges.append([row, row])


def write_csv(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
    sidecar: Path,
) -> int:
    """Write the table to `path` and its provenance to `sidecar`; returns the number of rows.

    UTF-8, comma, every text in quotes, lines end in a line feed, a missing cell is empty and a
    missing text has no quotes. Cells are safe against spreadsheet formulas (`core.csvsafe`),
    which costs them their NUL characters.
    """
    flat = lists_as_json(schema)
    named = pa.schema([pa.field(safe_cell(f.name), f.type) for f in flat])
    empty, literal, rows = RowRanges(), RowRanges(), 0
    with pa.csv.CSVWriter(str(path), named) as writer:
        for batch in batches:
            columns = []
            for field, column in zip(flat, json_lists(batch).columns, strict=True):
                if pa.types.is_string(field.type):
                    empty.add(field.name, empty_cells(column), rows)
                    literal.add(field.name, ambiguous_cells(column), rows)
                    column = safe_cells(column)
                columns.append(column)
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=named))
            rows += batch.num_rows
    with open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    about = {"sha256": digest, "rows": rows, "empty": empty.of, "literal": literal.of}
    document = {"skysift": metadata, "csv": about}
    sidecar.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return rows
