"""Answers in CSV, joined and written as a table whose long ids keep every digit."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.survey.sky.cache import partial_of, writing

_NULLS = ["", "null", "NULL", "None"]
_CHUNK = 1024 * 1024
_BLOCK_BYTES = 16 * 1024 * 1024
_INTEGER = r"^[+-]?\d+$"
_PADDED = r"^[+-]?0\d"


def append_csv(
    piece: Path, gathered: Path, columns: tuple[str, ...]
) -> tuple[int, tuple[str, ...]]:
    """Append the rows of an answer to what was gathered; rows, and the names of the columns.

    Lines before the header that begin with # (SkyServer's name of the table) are left out.

    Raises
    ------
    BadInput
        It is no table, is cut short, or has other columns than the answers before.
    """
    with open(piece, "rb") as file:
        line = file.readline()
        while line.startswith(b"#"):
            line = file.readline()
        header_at = file.tell() - len(line)
    names, n_rows = _checked(piece, header_at)
    if not n_rows and len(names) == 1 and " " in names[0]:
        names = ()  # a sentence such as "No objects have been found"
    if not names:
        return 0, columns
    if columns and names != columns:
        raise BadInput(
            "The parts of a split query must bring the same columns, but one brought"
            f" {', '.join(columns[:5])} and another {', '.join(names[:5])}; name the columns."
        )
    with writing(gathered.parent), open(piece, "rb") as file, open(gathered, "ab") as out:
        file.seek(header_at)
        header = file.readline()
        if not columns:
            out.write(header.rstrip(b"\r\n") + b"\n")
        last = b"\n"
        while chunk := file.read(_CHUNK):
            out.write(chunk)
            last = chunk[-1:]
        if last != b"\n":
            out.write(b"\n")
    return n_rows, names


def write_table(gathered: Path, out: Path) -> None:
    """Turn a CSV file into `out`: as it is, or as Parquet with the types that its values have."""
    with writing(out.parent):
        if out.suffix.lower() == ".csv":
            os.replace(gathered, out)
            return
        partial = partial_of(out)
        try:
            _write_parquet(gathered, partial)
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)


def _checked(piece: Path, header_at: int) -> tuple[tuple[str, ...], int]:
    """Names of the columns and number of rows; every row must have as many cells."""
    with open(piece, encoding="utf-8", errors="replace", newline="") as file:
        file.seek(header_at)
        rows = csv.reader(file)
        try:
            names = tuple(next(rows, ()))
            n_rows = 0
            for row in rows:
                if not row:
                    continue
                if len(row) != len(names):
                    raise BadInput(
                        f"The query brought a table that is cut short: row {n_rows + 1} has"
                        f" {len(row)} cells instead of {len(names)}; ask again."
                    )
                n_rows += 1
        except csv.Error as error:
            raise BadInput(f"The query brought no table ({error}); check the service.") from None
    return names, n_rows


def _write_parquet(source: Path, to: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    types: dict[str, Any] = {}
    for batch in _text_batches(source):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            types[name] = _type_of(column, types.get(name))
    schema = pa.schema([(name, kind or pa.string()) for name, kind in types.items()])
    with pq.ParquetWriter(to, schema) as writer:
        for batch in _text_batches(source):
            cast = [
                pc.cast(column, field.type)
                for column, field in zip(batch.columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(cast, schema=schema))


def _text_batches(source: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.csv as pc

    with open(source, encoding="utf-8", errors="replace", newline="") as file:
        names = next(csv.reader(file))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"The query names the column {twice!r} twice; give one another name (AS).")
    with pc.open_csv(
        source,
        read_options=pc.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=_NULLS,
            strings_can_be_null=True,
            check_utf8=False,
        ),
    ) as reader:
        yield from reader


def _type_of(column: Any, so_far: Any) -> Any:
    """The narrowest of int64, float64 and string that holds the column and what came before.

    None as long as every cell is missing. Whole numbers that int64 cannot hold, and such with
    leading zeros, are names and stay text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.drop_null()
    if not len(values) or so_far == pa.string():
        return so_far
    whole = pc.match_substring_regex(values, _INTEGER)
    if pc.any(pc.match_substring_regex(values, _PADDED + r"\d*$")).as_py():
        return pa.string()
    try:
        pc.cast(values.filter(whole), pa.int64())
        if pc.all(whole).as_py():
            return so_far or pa.int64()
        pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        return pa.string()
    return pa.float64()
