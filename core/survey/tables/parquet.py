"""Parquet tables: one file, or a folder of them with the same columns."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.tables.base import (
    MAX_VECTOR,
    TableSource,
    UnreadableRows,
    class_columns,
    forget,
    kept,
    listed,
    plain_type,
    short_reason,
)
from core.survey.tables.lines import checked_file

_GROUP_BYTES = 128 * 1024 * 1024
"""A row group up to this size is kept decoded; of larger ones a piece is."""

_PIECE = 16_384
_MAX_FILES = 100_000
_MOST_ROWS = 10_000
"""Rows a byte: more only a damaged footer promises."""


@dataclass(frozen=True)
class _Field:
    """Where a column comes from: a column of the file, and which element of a vector."""

    origin: str
    element: int | None
    kind: pa.DataType


class ParquetTable(TableSource):
    """Rows are read by row group; what was decoded last is kept for the next slice."""

    kind = "Parquet"

    def __init__(self, path: Path, missing: Sequence[float] = ()) -> None:
        super().__init__(path, missing)
        self._files = [path]
        if path.is_dir():
            self._files, n_others = _shards(path)
            if n_others:
                self.notes.append(f"Files that are no Parquet and were left out: {n_others}.")
        starts, groups = [], []
        schema: pa.Schema | None = None
        for number, file in enumerate(self._files):
            checked_file(file)
            self._stamp(file)
            try:
                with pq.ParquetFile(file) as opened:
                    found, meta = opened.schema_arrow, opened.metadata
            except Exception as error:
                raise BadInput(
                    f"The Parquet file {file} {short_reason(error)}; write it anew."
                ) from None
            if schema is None:
                schema = found
            elif not _same(schema, found):
                raise BadInput(
                    f"All Parquet files of {path} must have the same columns, but {file.name} has"
                    f" others than {self._files[0].name}; put them into folders of their own."
                )
            for group in range(meta.num_row_groups):
                starts.append(self.n_rows)
                groups.append((number, group))
                self.n_rows += meta.row_group(group).num_rows
        if schema is None or self.n_rows == 0:
            raise BadInput(f"The Parquet table {path} has no row; name another.")
        size = sum(stamp[0] for stamp in self._stamps.values())
        if self.n_rows > size * _MOST_ROWS:
            raise BadInput(
                f"The Parquet table {path} promises {self.n_rows} rows, more than its {size} bytes"
                " can hold; write it anew."
            )
        self._starts = np.array([*starts, self.n_rows], np.int64)
        self._groups = np.array(groups, np.int32).reshape(-1, 2)
        self._take_schema(schema)
        class_columns(self)
        self._declare_missing()

    def _take_schema(self, schema: pa.Schema) -> None:
        fields: list[tuple[str, _Field, ColumnInfo]] = []
        left_out: list[str] = []
        for field in schema:
            info = _info(field)
            if field.name.startswith("__index_level_"):
                self.notes.append(
                    f"Column {field.name!r} holds row numbers of pandas and was left out."
                )
                continue
            size = _vector_size(field.type)
            if size is not None:
                kind = plain_type(field.type.value_type)
                if kind is None or size > MAX_VECTOR:
                    left_out.append(field.name)
                    continue
                for element in range(size):
                    one = _Field(field.name, element, kind)
                    fields.append((f"{field.name}_{element + 1}", one, info))
                continue
            kind = _catalogue_type(field.type)
            if kind is None:
                left_out.append(field.name)
                continue
            if field.type == pa.uint64() and self._is_beyond(field.name):
                kind = pa.string()
                self.notes.append(
                    f"Whole numbers of column {field.name!r} are beyond 63 bits and became text."
                )
            fields.append((field.name, _Field(field.name, None, kind), info))
        if left_out:
            self.notes.append(
                "Columns that hold lists, structures or bytes and were left out:"
                f" {listed(left_out)}."
            )
        if not fields:
            raise BadInput(f"The Parquet table {self.path} has no column of numbers or text.")
        names = self._set_columns([name for name, _field, _info in fields])
        self._fields = {name: one[1] for name, one in zip(names, fields, strict=True)}
        self.columns = {name: one[2] for name, one in zip(names, fields, strict=True)}
        self.types = {name: one.kind for name, one in self._fields.items()}

    def _is_beyond(self, name: str) -> bool:
        """Whether an unsigned column has a number that int64 cannot hold."""
        limit = pa.scalar(2**63 - 1, pa.uint64())
        for file in self._files:
            with pq.ParquetFile(file) as opened:
                for batch in opened.iter_batches(_PIECE, columns=[name]):
                    most = pc.max(batch.column(0))
                    if most.is_valid and pc.greater(most, limit).as_py():
                        return True
        return False

    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        origins = sorted({self._fields[name].origin for name in names})
        parts = []
        row = start
        while row < stop:
            at = int(np.searchsorted(self._starts, row, side="right")) - 1
            first, end = int(self._starts[at]), int(self._starts[at + 1])
            until = min(stop, end)
            parts.append(self._piece(at, row - first, until - first, origins))
            row = until
        table = pa.concat_tables(parts) if len(parts) > 1 else parts[0]
        return pa.table({name: self._column(table, name) for name in names})

    def parts(self, start: int, stop: int) -> list[tuple[int, int]]:
        inner = self._starts[(self._starts > start) & (self._starts < stop)].tolist()
        edges = [start, *inner, stop]
        return list(itertools.pairwise(edges))

    def _column(self, table: pa.Table, name: str) -> pa.ChunkedArray:
        field = self._fields[name]
        column = table.column(field.origin)
        if field.element is not None:
            column = pc.list_element(column, field.element)
        return as_catalogue(column, field.kind)

    def _piece(self, at: int, start: int, stop: int, origins: list[str]) -> pa.Table:
        """Rows of one row group, counted within it."""
        number, group = (int(value) for value in self._groups[at])
        file = self._files[number]
        key = (*self._key(file), group, tuple(origins))
        reading: _Group = kept(key, lambda: _Group(file, group, origins))
        try:
            if start < reading.first:
                forget(key)
                reading = kept(key, lambda: _Group(file, group, origins))
            return reading.rows(start, stop)
        except BaseException:
            forget(key)
            raise


class _Group:
    """A row group that is read on from where the last slice ended."""

    def __init__(self, file: Path, group: int, origins: list[str]) -> None:
        self._opened = opened = pq.ParquetFile(file, page_checksum_verification=True)
        row_group = opened.metadata.row_group(group)
        size = row_group.num_rows if _bytes(row_group, origins) <= _GROUP_BYTES else _PIECE
        self._batches = opened.iter_batches(
            max(1, size), row_groups=[group], columns=origins, use_threads=False
        )
        self._held: list[pa.RecordBatch] = []
        self.first = 0
        self._n_held = 0

    def close(self) -> None:
        self._opened.close()

    def rows(self, start: int, stop: int) -> pa.Table:
        while self._held and start >= self.first + len(self._held[0]):
            batch = self._held.pop(0)
            self.first += len(batch)
            self._n_held -= len(batch)
        while self.first + self._n_held < stop:
            batch = next(self._batches, None)
            if batch is None:
                raise UnreadableRows("holds fewer rows than it promised")
            if not self._held and start >= self.first + len(batch):
                self.first += len(batch)
                continue
            self._held.append(batch)
            self._n_held += len(batch)
        return pa.Table.from_batches(self._held).slice(start - self.first, stop - start)


def as_catalogue(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Values of an Arrow column in the type that the catalogue has for them."""
    source = column.type
    if pa.types.is_dictionary(source):
        column = pc.cast(column, source.value_type)
        source = column.type
    if pa.types.is_binary(source) or pa.types.is_large_binary(source):
        column = pc.cast(column, pa.string())
    elif pa.types.is_date(source) or pa.types.is_timestamp(source) or pa.types.is_time(source):
        return pc.cast(column, pa.string())
    elif pa.types.is_decimal(source):
        return pc.cast(column, kind)
    if kind == pa.string():
        return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    return pc.cast(column, kind)


def _catalogue_type(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    plain = plain_type(kind)
    if plain is not None:
        return plain
    if pa.types.is_decimal(kind):
        return pa.float64() if kind.precision <= 15 else pa.string()
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return pa.string()
    return pa.float64() if pa.types.is_null(kind) else None


def _vector_size(kind: pa.DataType) -> int | None:
    """Elements of a vector column; larger than any limit where they differ."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    return MAX_VECTOR + 1 if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None


def _info(field: pa.Field) -> ColumnInfo:
    said = {
        key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace")
        for key, value in (field.metadata or {}).items()
    }
    text = next((said[key] for key in ("description", "comment", "desc") if key in said), "")
    kind = "categorical" if pa.types.is_dictionary(field.type) else ""
    return ColumnInfo(said.get("unit", ""), text, kind)


def _bytes(row_group: Any, origins: list[str]) -> int:
    """Unpacked bytes of the columns that are read, as the file says."""
    columns = [row_group.column(number) for number in range(row_group.num_columns)]
    return sum(
        int(column.total_uncompressed_size)
        for column in columns
        if column.path_in_schema.split(".")[0] in origins
    )


def _same(one: pa.Schema, other: pa.Schema) -> bool:
    return one.remove_metadata().equals(other.remove_metadata())


def _shards(folder: Path) -> tuple[list[Path], int]:
    """The Parquet files of a folder and those below it, by their paths, and how many others."""
    found = []
    n_others = 0
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            if name.lower().endswith((".parquet", ".parq", ".pq")) and name[0] not in "._":
                found.append(Path(place) / name)
            else:
                n_others += 1
        if len(found) > _MAX_FILES:
            raise BadInput(f"{folder} holds more than {_MAX_FILES} Parquet files; join some.")
    if not found:
        raise BadInput(
            f"The folder {folder} should hold Parquet files to be a table, but holds none."
        )
    return sorted(found), n_others
