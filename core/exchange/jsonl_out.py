"""JSON Lines: a first line {"skysift": provenance}, then one object a row, all its keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from core.exchange.batches import json_lists
from core.exchange.cells import matching, rewrite


def write_jsonl(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
) -> int:
    """Write the table to `path` as UTF-8; returns the number of rows."""
    rows = 0
    with open(path, "wb") as handle:
        handle.write(json.dumps({"skysift": metadata}, ensure_ascii=False).encode() + b"\n")
        for batch in batches:
            parts: list[Any] = []
            flat = json_lists(batch)
            for i, (field, column) in enumerate(zip(schema, flat.columns, strict=True)):
                parts.append(("," if i else "{") + json.dumps(field.name) + ":")
                parts.append(_values(column, is_text=pa.types.is_string(field.type)))
            write_joined(handle, [*parts, "}\n"])
            rows += batch.num_rows
    return rows


def _values(column: pa.Array, is_text: bool) -> pa.Array:
    if is_text:
        odd = matching(column, r'["\\\x00-\x1f]')
        column = rewrite(column, odd, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])
        column = pc.binary_join_element_wise('"', column, '"', "")
    return pc.fill_null(column.cast(pa.string()), "null")


def write_joined(handle: BinaryIO, parts: list[Any]) -> None:
    """Write the row-by-row concatenation of `parts`: columns of text (none missing) and texts."""
    lines = pc.binary_join_element_wise(*parts, "")
    if len(lines):
        offsets = memoryview(lines.buffers()[1]).cast("i")
        start, stop = offsets[lines.offset], offsets[lines.offset + len(lines)]
        handle.write(memoryview(lines.buffers()[2])[start:stop])
