"""The catalogue of a survey version: written in row groups, read as one pandas table."""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.content import ColumnHash
from core.survey.layout import ColumnInfo

ROW_GROUP = 16_384

RESERVED = ("object_id", "group_id")
"""Columns that the writer makes itself."""

_INFO = b"skysift"
"""Key under which a Parquet field says what is known of its column."""


class CatalogueWriter:
    """Takes rows as dictionaries and writes catalogue.parquet with bounded memory.

    Readers may bring a column late, an integer first and a fraction later, or text among
    numbers. So rows go into part files with the types seen so far, and `finish` joins these
    under one schema.

    Parameters
    ----------
    folder
        Where parts/ is kept.
    n_parts
        Part files that are there already and hold the first rows, of an import that goes on;
        others are removed.
    base
        The catalogue.parquet of an older version whose rows come first (a new import only).
    """

    def __init__(self, folder: Path, n_parts: int = 0, base: Path | None = None) -> None:
        self._parts = folder / "parts"
        self._parts.mkdir(exist_ok=True)
        self._rows: list[dict[str, CatalogueValue]] = []
        self._checked: set[str] = set()
        self._mixed: dict[str, None] = {}
        for path in self._parts.iterdir():
            if not path.stem.isdecimal() or int(path.stem) >= n_parts:
                path.unlink()
        if base is not None:
            link_or_copy(base, self._part(0))
            n_parts = 1
        self._schemas = [pq.read_schema(self._part(number)) for number in range(n_parts)]
        self._ends = [count_rows(self._part(number)) for number in range(n_parts)]
        self._ends = [sum(self._ends[: number + 1]) for number in range(n_parts)]

    @property
    def n_parts(self) -> int:
        return len(self._schemas)

    @property
    def n_rows(self) -> int:
        return self._n_written + len(self._rows)

    @property
    def _n_written(self) -> int:
        return self._ends[-1] if self._ends else 0

    def add(self, object_id: str, group_id: str, columns: dict[str, CatalogueValue]) -> None:
        """Append one row; the first columns are object_id and group_id."""
        row: dict[str, CatalogueValue] = {"object_id": object_id, "group_id": group_id}
        for name, value in columns.items():
            if name not in self._checked:
                self._checked.add(_checked_column(name))
            row[name] = value.item() if isinstance(value, np.generic) else value
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self.flush()

    def object_id_at(self, row: int) -> str:
        """The object_id of a row taken in earlier."""
        if row >= self._n_written:
            return str(self._rows[row - self._n_written]["object_id"])
        number = bisect.bisect_right(self._ends, row)
        start = self._ends[number - 1] if number else 0
        ids = pq.read_table(self._part(number), columns=["object_id"]).column("object_id")
        return str(ids[row - start].as_py())

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in order, some at a time; `columns` that a piece lacks are left out of it."""
        self.flush()
        for number, schema in enumerate(self._schemas):
            wanted = None
            if columns is not None:
                wanted = [name for name in columns if name in schema.names]
            with pq.ParquetFile(self._part(number), page_checksum_verification=True) as file:
                for batch in file.iter_batches(ROW_GROUP, columns=wanted):
                    yield pa.Table.from_batches([batch])

    def names_from(self, part: int) -> list[str]:
        """Names of the columns in the part files from number `part` on."""
        self.flush()
        parts = self._schemas[part:]
        return list(dict.fromkeys(name for schema in parts for name in schema.names))

    def finish(
        self,
        target: Path,
        info: Mapping[str, ColumnInfo] | None = None,
        join: Callable[[pa.Table], pa.Table] | None = None,
    ) -> tuple[list[tuple[str, str, ColumnHash]], list[str]]:
        """Write `target`; return name, type and digest of every column, and what to tell. The part
        files stay: only a version that has its name needs them no longer.

        `info` is kept in the file beside the columns. `join` gives more columns for the rows of
        a table, always under one schema.
        """
        self.flush()
        schema, mixed = self._joined()
        nobody = _fitted(pa.table({}, schema=pa.schema([])), schema)
        more = _plain(join(nobody).schema) if join else []
        fresh = [field for field in more if field.name not in schema.names]
        whole = pa.schema([_informed(field, info or {}) for field in (*schema, *fresh)])
        digests = [(field.name, str(field.type), ColumnHash()) for field in whole]
        # Page checksums make a damaged page an error instead of a wrong number.
        with pq.ParquetWriter(
            target, whole, compression="zstd", write_page_checksum=True
        ) as writer:
            for table in _regrouped(self._fitted_tables(schema)):
                joined = _with_more(table, join(table), more) if join else table
                joined = pa.table(joined.columns, schema=whole)
                _update(digests, joined)
                writer.write_table(joined, row_group_size=ROW_GROUP)
        told = [f"Column {name!r} mixes kinds of values and is kept as text." for name in mixed]
        return digests, told

    def _joined(self) -> tuple[pa.Schema, list[str]]:
        """One schema for all parts, and the columns that mix kinds."""
        kinds: dict[str, set[pa.DataType]] = {}
        for schema in self._schemas:
            for field in schema:
                kinds.setdefault(field.name, set()).add(field.type)
        types: dict[str, pa.DataType] = {}
        for name, found in kinds.items():
            found.discard(pa.null())
            if found == {pa.int64(), pa.float64()} and not self._has_long(name):
                types[name] = pa.float64()
            elif len(found) > 1:
                types[name] = pa.string()
                self._mixed[name] = None
            else:
                # A column that never had a value is kept, as numbers that are all missing.
                types[name] = found.pop() if found else pa.float64()
        return pa.schema(list(types.items())), list(self._mixed)

    def _has_long(self, name: str) -> bool:
        """Whether a whole number of a column would not survive as a float."""
        for table in self.tables([name]):
            if name in table.column_names and pa.types.is_integer(table.column(name).type):
                ends = pc.min_max(table.column(name)).as_py()
                if any(end is not None and not _is_exact(end) for end in ends.values()):
                    return True
        return False

    def _fitted_tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        return (_fitted(table, schema) for table in self.tables())

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:06d}.parquet"

    def flush(self) -> None:
        """Write the rows in memory into a part file."""
        if not self._rows:
            return
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {}
        for name in names:
            columns[name], mixes = _array(name, [row.get(name) for row in self._rows])
            if mixes:
                self._mixed[name] = None
        table = pa.table(columns)
        partial = self._part(self.n_parts).with_suffix(".partial")
        pq.write_table(table, partial, write_page_checksum=True)
        partial.rename(self._part(self.n_parts))
        self._schemas.append(table.schema)
        self._ends.append(self._n_written + len(self._rows))
        self._rows = []


def read_column_info(path: Path) -> dict[str, ColumnInfo]:
    """What the file says of its columns beside names and types."""
    found = {}
    for field in pq.read_schema(path):
        text = (field.metadata or {}).get(_INFO)
        if text:
            said = json.loads(text)
            found[field.name] = ColumnInfo(**(said | {"missing": tuple(said.get("missing", ()))}))
    return found


def read_object_ids(path: Path) -> np.ndarray:
    """The object ids, (N,) array of str objects."""
    table = pq.read_table(path, columns=["object_id"], page_checksum_verification=True)
    return np.array(table.column("object_id").to_pylist(), dtype=object)


def read_frame(path: Path) -> pd.DataFrame:
    """The catalogue as a table in row order.

    Whole numbers and truth values with missing cells keep their kind (pandas' Int64 and
    boolean), since a float would lose the last digits of a survey's 64-bit ids.
    """
    table = pq.read_table(path, page_checksum_verification=True)
    frame = {}
    for name in table.column_names:
        column = table.column(name)
        nullable: dict[pa.DataType, object] = {}
        if column.null_count:
            nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame[name] = column.to_pandas(types_mapper=nullable.get)
    return pd.DataFrame(frame)


def count_rows(path: Path) -> int:
    """Rows according to the footer alone."""
    return int(pq.read_metadata(path).num_rows)


def hash_columns(path: Path) -> list[tuple[str, str, ColumnHash]]:
    """Name, type and digest of every column, as `CatalogueWriter.finish` gave them."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        digests = [(field.name, str(field.type), ColumnHash()) for field in file.schema_arrow]
        for batch in file.iter_batches(ROW_GROUP):
            _update(digests, pa.Table.from_batches([batch]))
    return digests


def _update(digests: Sequence[tuple[str, str, ColumnHash]], table: pa.Table) -> None:
    for name, _kind, digest in digests:
        for chunk in _chunks(table, name):
            digest.update(chunk)


def _chunks(table: pa.Table, name: str) -> Iterator[pa.Array]:
    yield from table.column(name).chunks


def _checked_column(name: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable():
        raise BadInput(
            "A column name is 1 to 128 printable characters, but the data has"
            f" {str(name)[:80]!r}; rename that column."
        )
    if name in RESERVED:
        raise BadInput(
            f"The columns {' and '.join(RESERVED)} are made by Skysift itself, but the data has"
            f" one named {name!r}; rename that column."
        )
    return name


def _array(name: str, values: list[CatalogueValue]) -> tuple[pa.Array, bool]:
    """The values as one column, and whether they had to become text."""
    kinds = {type(value) for value in values if value is not None}
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    if not kinds <= types.keys():
        raise BadInput(
            f"Column {name!r} may hold truth values, whole numbers, fractions and text, but has"
            f" a {min(kind.__name__ for kind in kinds - types.keys())}; change the column or leave"
            " it out."
        )
    if kinds == {int, float} and all(_is_exact(value) for value in values):
        kinds = {float}
        values = [None if value is None else float(value) for value in values]
    if kinds == {str}:  # names of files need not be Unicode
        values = [None if value is None else _text(value) for value in values]
    if len(kinds) <= 1:
        with contextlib.suppress(OverflowError, pa.ArrowInvalid, UnicodeEncodeError):
            # A column without any value yet is of the null type and becomes what comes later.
            return pa.array(values, types[kinds.pop()] if kinds else pa.null()), False
    return pa.array([None if v is None else _text(v) for v in values], pa.string()), True


def _is_exact(value: CatalogueValue) -> bool:
    """Whether a number survives as a float."""
    return not isinstance(value, int) or abs(value) <= 2**53


def _text(value: object) -> str:
    """A value as text, the same whatever kinds its neighbours in a part file have."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    return str(value).encode("utf-8", "backslashreplace").decode()


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        column = table.column(field.name)
        if pa.types.is_string(field.type) and not pa.types.is_string(column.type):
            texts = [None if v is None else _text(v) for v in column.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column.cast(field.type))
    return pa.table(columns, schema=schema)


def _regrouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ROW_GROUP, so that the file does not show how they came."""
    waiting: list[pa.Table] = []
    n = 0
    for table in tables:
        waiting.append(table)
        n += len(table)
        while n >= ROW_GROUP:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, ROW_GROUP).combine_chunks()
            waiting, n = [joined.slice(ROW_GROUP)], n - ROW_GROUP
    if n:
        yield pa.concat_tables(waiting).combine_chunks()


def _with_more(table: pa.Table, found: pa.Table, more: Sequence[pa.Field]) -> pa.Table:
    """The table with foreign columns; where it has one of that name, its gaps are filled."""
    for field in more:
        column = found.column(field.name).cast(field.type)
        if field.name not in table.column_names:
            table = table.append_column(field, column)
            continue
        own = table.schema.field(field.name)
        if own.type != field.type:
            texts = [None if v is None else _text(v) for v in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts).cast(own.type, safe=False)])
        at = table.column_names.index(field.name)
        table = table.set_column(at, own, pc.coalesce(table.column(field.name), column))
    return table.combine_chunks()


def _informed(field: pa.Field, info: Mapping[str, ColumnInfo]) -> pa.Field:
    known = info.get(field.name)
    if known is None or known == ColumnInfo():
        return field.remove_metadata()
    return field.with_metadata({_INFO: json.dumps(asdict(known), sort_keys=True).encode()})


def _plain(schema: pa.Schema) -> list[pa.Field]:
    """Fields of foreign columns, brought to the four types that a catalogue has."""
    return [pa.field(field.name, _plain_type(field.type)) for field in schema]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_uint64(kind) or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return pa.float64() if pa.types.is_null(kind) else pa.string()
    return pa.int64() if pa.types.is_integer(kind) else pa.float64()


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file that never changes; a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
