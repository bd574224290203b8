"""Which column of a table names its objects, and the names as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.tables.base import IdValues, TableSource, UnreadableRows, listed

ID_NAMES = (
    *(
        "objectid",
        "objid",
        "id",
        "ids",
        "sourceid",
        "specobjid",
        "photoobjid",
        "targetid",
        "galaxyid",
    ),
    *("uniqueid", "iauname", "iauid", "designation", "name", "objname", "objectname", "object"),
    *("sourcename", "targetname", "oid", "filename", "file", "asset", "image"),
)
"""Names of id columns, in small letters without blanks, underscores and hyphens."""

_SURE = ("objectid", "objid", "id", "sourceid", "specobjid", "targetid")
"""Names that promise an id: of these one that names every row comes before one that does not."""

_LITERAL = ("objectid", "objid")
"""Names that say nothing else."""

_MIN_SHARE, _MIN_LITERAL_SHARE = 0.9, 0.5
"""Part of the rows that a column must name; a literal name must name more than this."""


@dataclass
class IdColumn:
    """The column of the ids.

    Attributes
    ----------
    name
        `None` where there is none.
    notes
        What a person should know of the choice.
    """

    name: str | None
    notes: list[str] = field(default_factory=list)

    def texts(self, table: pa.Table) -> list[str | None] | None:
        """One id a row, None where it is missing; None if there is no such column."""
        return None if self.name is None else id_texts(table.column(self.name))


def id_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Values as text: stripped, whole numbers without a decimal point."""
    if pa.types.is_floating(column.type):
        return [
            None if value is None or value != value else _number_text(value)
            for value in column.to_pylist()
        ]
    if column.type != pa.string():
        column = pc.cast(column, pa.string())
    return [text.strip() or None if text else None for text in column.to_pylist()]


def find_id(source: TableSource, options: ImportOptions) -> IdColumn:
    """The column that `options` names, or the first by `ID_NAMES` that names nearly every row.

    One of the sure names that names every row wins. Raises `BadInput` if a named column is not
    there.
    """
    if options.id_column is not None:
        if options.id_column not in source.columns:
            raise BadInput(
                f"{source.path} has no column {options.id_column!r}"
                f" (there: {listed(list(source.columns))}); choose one of these."
            )
        return IdColumn(options.id_column)
    names = [
        name
        for name in id_candidates(list(source.columns))
        if not pa.types.is_boolean(source.types[name]) and name not in source.truth
    ]
    passed_over: list[str] = []
    nearly: str | None = None
    for name in names:
        if nearly is not None and bare_name(name) not in _SURE:
            continue
        values = id_values(source, name)
        if values.is_whole:
            return IdColumn(name, passed_over)
        literal = bare_name(name) in _LITERAL and values.share > _MIN_LITERAL_SHARE
        if nearly is None and (literal or values.share >= _MIN_SHARE):
            nearly, told = name, list(passed_over)
        passed_over.append(
            f"Column {name!r} was not taken for the object ids: {_lacking(values)}"
            " (--id-column names it all the same; rows whose id is missing or repeats are then"
            " rejected)."
        )
    if nearly is None:
        return IdColumn(None, passed_over)
    told.append(
        f"Column {nearly!r} holds the object ids: {_lacking(id_values(source, nearly))}, and such"
        " rows are rejected (--id-column names another column)."
    )
    return IdColumn(nearly, told)


def _lacking(values: IdValues) -> str:
    """ "of 1,000 rows 3 have none, and 2 one that came before"."""
    if not values.n_rows:
        return "it cannot be read"
    parts = []
    if values.n_missing:
        parts.append(f"{values.n_missing:,} have none")
    if values.n_repeats:
        parts.append(f"{values.n_repeats:,} repeat one that came before")
    return f"of {values.n_rows:,} rows {' and '.join(parts)}"


def bare_name(name: str) -> str:
    """A column's name as `ID_NAMES` spells it."""
    return re.sub(r"[\s_\-.]", "", name).lower()


def id_candidates(names: list[str]) -> list[str]:
    """Columns whose names say that they are ids, the surest first."""
    bare = {bare_name(name): name for name in reversed(names)}
    return [bare[name] for name in ID_NAMES if name in bare]


def id_values(source: TableSource, name: str) -> IdValues:
    """How far a column names the rows; 8 bytes a row in memory."""
    if name not in source.unique:
        source.unique[name] = _id_values(source, name)
    return source.unique[name]


def text_hashes(texts: Sequence[str]) -> np.ndarray:
    """(N,) uint64, quick and the same everywhere."""
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object), categorize=False))


def counted(hashes: Sequence[np.ndarray], n_missing: int) -> IdValues:
    """From the hashes of the values that are there."""
    if not hashes:
        return IdValues(n_missing, n_missing, 0)
    values = np.concatenate(hashes)
    values.sort()
    return IdValues(len(values) + n_missing, n_missing, int((values[1:] == values[:-1]).sum()))


def _id_values(source: TableSource, name: str) -> IdValues:
    parts = []
    n_missing = 0
    try:
        for _start, table in source.slabs([name]):
            column = table.column(name)
            n_rows = len(column)
            if pa.types.is_integer(column.type):
                parts.append(np.asarray(column.drop_null()))
            else:
                parts.append(text_hashes([text for text in id_texts(column) if text]))
            n_missing += n_rows - len(parts[-1])
    except UnreadableRows:
        pass  # what could be read says how the rest is; its rows are rejects
    return counted(parts, n_missing)


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
