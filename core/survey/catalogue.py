"""The catalogue of a survey version: written in row groups, read as one pandas table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.content import ColumnHash

ROW_GROUP = 16_384

RESERVED = ("object_id", "group_id")
"""Columns that the writer makes itself."""


class CatalogueWriter:
    """Takes rows as dictionaries and writes catalogue.parquet with bounded memory.

    Readers may bring a column late, or an integer first and a fraction later. So rows go into
    part files with the types seen so far, and `finish` joins these under one schema.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = folder / "parts"
        self._rows: list[dict[str, CatalogueValue]] = []
        self._schemas: list[pa.Schema] = []
        self._checked: set[str] = set()

    def add(self, object_id: str, group_id: str, columns: dict[str, CatalogueValue]) -> None:
        """Append one row; the first columns are object_id and group_id."""
        row: dict[str, CatalogueValue] = {"object_id": object_id, "group_id": group_id}
        for name, value in columns.items():
            if name not in self._checked:
                self._checked.add(_checked_column(name))
            row[name] = value.item() if isinstance(value, np.generic) else value
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def finish(self, target: Path) -> list[tuple[str, str, ColumnHash]]:
        """Write `target` and return name, type and digest of every column."""
        self._flush()
        schema = _joined(self._schemas)
        digests = [(field.name, str(field.type), ColumnHash()) for field in schema]
        # Page checksums make a damaged page an error instead of a wrong number.
        with pq.ParquetWriter(
            target, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for number in range(len(self._schemas)):
                table = _fitted(pq.read_table(self._part(number)), schema)
                _update(digests, table)
                writer.write_table(table, row_group_size=ROW_GROUP)
        shutil.rmtree(self._parts)
        return digests

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:06d}.parquet"

    def _flush(self) -> None:
        if not self._rows:
            return
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {name: _array(name, [row.get(name) for row in self._rows]) for name in names}
        table = pa.table(columns)
        self._parts.mkdir(exist_ok=True)
        pq.write_table(table, self._part(len(self._schemas)))
        self._schemas.append(table.schema)
        self._rows = []


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


def _array(name: str, values: list[CatalogueValue]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        kinds = {float}
        values = [value if value is None else _as_float(name, value) for value in values]
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    if len(kinds) > 1 or not kinds <= types.keys():
        raise _mixed(name, sorted(kind.__name__ for kind in kinds))
    try:
        # A column without any value yet is of the null type and becomes what comes later.
        return pa.array(values, types[kinds.pop()] if kinds else pa.null())
    except (OverflowError, pa.ArrowInvalid, UnicodeEncodeError):
        raise BadInput(
            f"Column {name!r} may hold whole numbers of 64 bits and Unicode text, but has a value"
            " outside of that; leave the column out or change it."
        ) from None


def _as_float(name: str, value: CatalogueValue) -> float:
    number = float(value)  # type: ignore[arg-type]
    if isinstance(value, int) and int(number) != value:
        raise BadInput(
            f"Column {name!r} mixes fractions with whole numbers too long for them ({value});"
            " give that column as text."
        )
    return number


def _joined(schemas: Sequence[pa.Schema]) -> pa.Schema:
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            types[field.name] = _common(field.name, types.get(field.name, pa.null()), field.type)
    # A column that never had a value is kept, as numbers that are all missing.
    return pa.schema(
        [(name, pa.float64() if pa.types.is_null(kind) else kind) for name, kind in types.items()]
    )


def _common(name: str, one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    raise _mixed(name, sorted((str(one), str(other))))


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        try:
            columns.append(table.column(field.name).cast(field.type))
        except pa.ArrowInvalid:
            raise BadInput(
                f"Column {field.name!r} mixes fractions with whole numbers too long for them;"
                " give that column as text."
            ) from None
    return pa.table(columns, schema=schema)


def _mixed(name: str, kinds: list[str]) -> BadInput:
    return BadInput(
        f"Column {name!r} must hold one kind of value (truth values, whole numbers, fractions or"
        f" text), but has {' and '.join(kinds)}; change the column or leave it out."
    )
