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
from core.survey.tables.base import TableSource, UnreadableRows, listed

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
    """The column that `options` names, or the first by `ID_NAMES` whose values are all different.

    Raises `BadInput` if a named column is not there.
    """
    if options.id_column is not None:
        if options.id_column not in source.columns:
            raise BadInput(
                f"{source.path} has no column {options.id_column!r}"
                f" (there: {listed(list(source.columns))}); choose one of these."
            )
        return IdColumn(options.id_column)
    notes: list[str] = []
    for name in id_candidates(list(source.columns)):
        if pa.types.is_boolean(source.types[name]) or name in source.truth:
            continue
        if is_unique(source, name):
            return IdColumn(name, notes)
        notes.append(
            f"Column {name!r} was not taken for the object ids: its values are not all different"
            " (name it as the id column, and rows whose id is missing or repeats are rejected)."
        )
    return IdColumn(None, notes)


def id_candidates(names: list[str]) -> list[str]:
    """Columns whose names say that they are ids, the surest first."""
    bare = {re.sub(r"[\s_\-.]", "", name).lower(): name for name in reversed(names)}
    return [bare[name] for name in ID_NAMES if name in bare]


def is_unique(source: TableSource, name: str) -> bool:
    """Whether all values of a column are there and different; 8 bytes a row in memory."""
    if name not in source.unique:
        source.unique[name] = _is_unique(source, name)
    return source.unique[name]


def text_hashes(texts: Sequence[str]) -> np.ndarray:
    """(N,) uint64, quick and the same everywhere."""
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object), categorize=False))


def all_different(hashes: Sequence[np.ndarray]) -> bool:
    """Whether no hash occurs twice."""
    if not hashes:
        return False
    values = np.concatenate(hashes)
    values.sort()
    return not (values[1:] == values[:-1]).any()


def _is_unique(source: TableSource, name: str) -> bool:
    parts = []
    try:
        for _start, table in source.slabs([name]):
            column = table.column(name)
            if column.null_count:
                return False
            if pa.types.is_integer(column.type):
                parts.append(np.asarray(column))
                continue
            texts = id_texts(column)
            if None in texts:
                return False
            parts.append(text_hashes([text for text in texts if text]))
    except UnreadableRows:
        return False
    return all_different(parts)


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
