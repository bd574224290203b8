"""A selection as a file: its objects with all columns, the answers, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from core.exchange import Format, csv_with_provenance_zip, write_table
from core.survey import Survey, versions
from labels_db import Selection, Task, document
from pages._server.tables import ANSWER, SCORE, Column, SurveyTable

__all__ = ["export_selection"]

PART = 16_384
_TYPES = (pa.string(), pa.int64(), pa.float64(), pa.bool_())


def export_selection(
    table: SurveyTable,
    selection: Selection,
    rows: np.ndarray,
    format: Format,
    path: Path,
) -> int:
    """Write the objects of `rows` into `path`, in that order; returns how many.

    Every column of the table that the person may see: the answer and score of the task among
    them. A CSV comes in a zip with its provenance. Written some thousand at a time.
    """
    columns = sorted(table.columns, key=lambda one: one.name != "object_id")  # the id first
    names = _names(columns)
    schema = pa.schema(
        [
            pa.field(
                names[one.name],
                _type(table.values(one.name)),
                metadata={"description": _described(one)},
            )
            for one in columns
        ]
    )
    about = _provenance(table.survey, table.task, selection, len(rows))
    batches = _batches(table, [one.name for one in columns], schema, rows)
    if format is Format.CSV:
        return csv_with_provenance_zip(path, schema, batches, about, name="selection")
    return write_table(path, format, schema, batches, about)


def _batches(
    table: SurveyTable, names: list[str], schema: pa.Schema, rows: np.ndarray
) -> Iterator[pa.RecordBatch]:
    whole = {name: table.values(name) for name in names}
    for start in range(0, max(len(rows), 1), PART):
        taken = rows[start : start + PART]
        arrays = []
        for name, field in zip(names, schema, strict=True):
            part = whole[name].iloc[taken]
            if isinstance(part.dtype, pd.CategoricalDtype):
                part = part.astype(object)
            values = pa.array(part, from_pandas=True)
            arrays.append(values if values.type == field.type else values.cast(field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type(values: pd.Series) -> pa.DataType:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pa.string()
    kind = pa.array(values.iloc[:0], from_pandas=True).type
    if pa.types.is_floating(kind):
        return pa.float64()
    return kind if kind in _TYPES else pa.string()


def _names(columns: list[Column]) -> dict[str, str]:
    """Names in the file: those of the task's own columns in words, each name once."""
    taken = {one.name for one in columns}
    names = {one.name: one.name for one in columns}
    for name, word in ((ANSWER, "label"), (SCORE, "score")):
        if name in names:
            while word in taken:
                word += "_of_task"
            names[name] = word
    return names


def _described(column: Column) -> str:
    said = f"{column.description} [{column.unit}]" if column.unit else column.description
    return said or ("" if column.name == column.title else column.title)


def _provenance(survey: Survey, task: Task, selection: Selection, n: int) -> dict[str, Any]:
    return {
        "table": "selection",
        "selection": {
            "id": selection.id,
            "name": selection.name,
            "origin": selection.origin,
            "made_by": selection.made_by,
            "made_at": selection.made_at,
            "n_objects": n,
        },
        "survey": {
            "name": survey.name,
            "version": survey.version,
            "content_hash": survey.manifest.content_hash,
        },
        "task": document(task),
        "software": versions(),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
