"""From the rows of a database cursor to Arrow batches, and batches cut to a bounded size."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 16_384
"""Rows worked on at once: bounds the memory, and a batch's text stays far below 2 GiB."""


def rows_to_batches(
    rows: Iterable[Sequence[tuple[Any, ...]]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Turn lists of tuples, as sqlite3's `fetchmany` gives them, into batches of `schema`.

    The tuples have the schema's columns in order, None for what is missing. Truths may be 0 and
    1, lists JSON text, since SQLite has neither. Lists of about 2,000 tuples are quickest: their
    strings are still in the processor's cache when they are copied.
    """
    for part in rows:
        if part:
            columns = zip(*part, strict=True)
            arrays = [_array(one, f.type) for one, f in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(kind):
        return pa.array([_loaded(v) if isinstance(v, str) else v for v in values], kind)
    if pa.types.is_boolean(kind) and {type(v) for v in values} <= {int, type(None)}:
        return pa.array(values, pa.int8()).cast(kind)
    return pa.array(values, kind)


@functools.lru_cache(maxsize=1024)
def _loaded(text: str) -> Any:
    return json.loads(text)  # lists repeat, and nobody changes what is copied into Arrow


def bounded(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about `BATCH_ROWS`, cast to `schema`; numbers that are not
    finite become missing, since half of the formats cannot hold them."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in batches:
        held.append(batch)
        n_held += batch.num_rows
        if n_held >= BATCH_ROWS:
            yield from _parts(held, schema)
            held, n_held = [], 0
    yield from _parts(held, schema)


def _parts(held: list[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    if not held:
        return
    table = pa.Table.from_batches(held).select(schema.names).cast(schema)
    columns = [_finite(one) for one in table.columns]
    table = pa.Table.from_arrays(columns, schema=schema).combine_chunks()
    for batch in table.to_batches():
        for start in range(0, batch.num_rows, 2 * BATCH_ROWS):
            yield batch.slice(start, 2 * BATCH_ROWS)


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type) or pc.all(pc.is_finite(column)).as_py() in (
        True,
        None,
    ):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def lists_as_json(schema: pa.Schema) -> pa.Schema:
    """`schema` with text in the place of lists: for the formats that know no lists."""
    return pa.schema(
        [
            pa.field(f.name, pa.string(), metadata=f.metadata) if pa.types.is_list(f.type) else f
            for f in schema
        ],
        metadata=schema.metadata,
    )


def json_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with its lists as JSON text; a missing list stays missing."""
    schema = lists_as_json(batch.schema)
    arrays = [_as_json(one) if pa.types.is_list(one.type) else one for one in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as_json(column: pa.Array) -> pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    texts = [None if v is None else _dumped(tuple(v)) for v in column.to_pylist()]
    return pa.array(texts, pa.string())


@functools.lru_cache(maxsize=1024)
def _dumped(items: tuple[str | None, ...]) -> str:
    return json.dumps(items, ensure_ascii=False)
