"""A table whose rows can be taken in any order: in memory if small, else in a temporary file."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.survey.tables.base import SLAB_ROWS, TableSource
from core.workspace import storage_errors

MEMORY_BYTES = 64 * 1024 * 1024


class RowStore:
    """Copies a table once, uncompressed, so that taking a row costs a few pages.

    The temporary file has no name any more when it is used, and is gone with the process
    however that ends.

    Attributes
    ----------
    n_missing
        Cells a column that stood for "not measured".
    """

    def __init__(self, table: TableSource, memory_bytes: int = MEMORY_BYTES) -> None:
        self._types = table.types
        self._pieces: list[pa.Table | pa.RecordBatch] = []
        self._starts: list[int] = []
        self._n_rows = table.n_rows
        self._mapped: pa.MemoryMappedFile | None = None
        size = 0
        self.n_missing: Counter[str] = Counter()
        slabs = self._slabs(table)
        for start, piece in slabs:
            self._starts.append(start)
            self._pieces.append(piece.combine_chunks())
            size += piece.nbytes
            if size > memory_bytes:
                self._spool(slabs, table)
                break
        self._first_rows = np.array(self._starts, np.int64)

    def _slabs(self, table: TableSource) -> Iterator[tuple[int, pa.Table]]:
        for start in range(0, table.n_rows, SLAB_ROWS):
            piece, n_missing = table.counted_rows(start, start + SLAB_ROWS)
            self.n_missing.update(n_missing)
            yield start, piece

    def _spool(self, slabs: Iterator[tuple[int, pa.Table]], table: TableSource) -> None:
        """Move what was read, and the rest, into a mapped file."""
        schema = pa.schema(list(table.types.items()))
        folder = Path(tempfile.gettempdir())
        with storage_errors(folder):
            handle, name = tempfile.mkstemp(prefix="skysift-join-", suffix=".arrow", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file, pa.ipc.new_file(file, schema) as writer:
                    for held in self._pieces:
                        writer.write_table(held.cast(schema))
                    self._pieces = []
                    for start, piece in slabs:
                        self._starts.append(start)
                        writer.write_table(piece.combine_chunks().cast(schema))
                self._mapped = pa.memory_map(name, "r")
            finally:
                os.unlink(name)
        reader = pa.ipc.open_file(self._mapped)
        self._pieces = [reader.get_batch(number) for number in range(reader.num_record_batches)]

    def pieces(self, names: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """The columns, some rows at a time, each with the number of its first row."""
        for start, piece in zip(self._starts, self._pieces, strict=True):
            chosen = piece.select(list(names))
            if isinstance(chosen, pa.RecordBatch):
                chosen = pa.Table.from_batches([chosen])
            yield start, chosen

    def take(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """The rows in that order; null where one is below 0."""
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        there = int(np.searchsorted(wanted, 0))
        place = np.searchsorted(self._first_rows, wanted[there:], side="right") - 1
        parts: list[pa.Table] = []
        for number in np.unique(place):
            within = wanted[there:][place == number] - self._first_rows[number]
            piece = self._pieces[number].select(list(names))
            taken = piece.take(pa.array(within))
            if isinstance(taken, pa.RecordBatch):
                taken = pa.Table.from_batches([taken])
            parts.append(taken)
        schema = pa.schema([(name, self._types[name]) for name in names])
        found = pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])
        # Back into the order that was asked for.
        index = np.full(len(rows), -1, np.int64)
        index[order[there:]] = np.arange(len(rows) - there)
        chosen = pa.array(index, mask=index < 0)
        columns = [pc.take(found.column(name).combine_chunks(), chosen) for name in names]
        return pa.table(columns, schema=schema)
