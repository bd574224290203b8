"""Parquet, with the provenance as JSON under the key "skysift" of the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 65_536
"""Rows of a row group: held in memory at once by whoever writes or reads."""


def write_parquet(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
) -> int:
    """Write the table to `path`; returns the number of rows."""
    described = schema.with_metadata(
        {**(schema.metadata or {}), "skysift": json.dumps(metadata, ensure_ascii=False)}
    )
    rows, held = 0, []
    with pq.ParquetWriter(path, described) as writer:
        for batch in batches:
            held.append(batch)
            if sum(one.num_rows for one in held) >= GROUP_ROWS:
                rows += _write(writer, held, described)
        return rows + _write(writer, held, described)


def _write(writer: pq.ParquetWriter, held: list[pa.RecordBatch], schema: pa.Schema) -> int:
    table = pa.Table.from_batches(
        [pa.record_batch(b.columns, schema=schema) for b in held], schema
    )
    held.clear()
    if table.num_rows:
        writer.write_table(table)
    return int(table.num_rows)
