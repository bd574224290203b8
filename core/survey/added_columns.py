"""Columns that came to a survey after its import: cross-matches, duplicates, measurements.

A survey version never changes, so they lie beside the versions in surveys/NAME/columns:
RUN_ID.parquet (object_id and the columns) with RUN_ID.json, which says where they come from. They
follow the objects by object_id, into later versions too. Where two runs made a column of one name
the newer run counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import AlreadyExists, BadInput, Damaged
from core.survey.catalogue import RESERVED
from core.survey.layout import ColumnInfo
from core.survey.runs import versions
from core.survey.store import Survey
from core.vocabulary import checked_name
from core.workspace import storage_errors

__all__ = [
    "ColumnsRun",
    "added_columns",
    "added_info",
    "added_table",
    "column_runs",
    "columns_stamp",
    "full_catalogue",
    "names_added_by",
    "write_column_batches",
    "write_columns",
]

_FORGOTTEN_SECONDS = 3600.0
"""A partial file older than this was left behind by a killed process: writing takes seconds."""

_SUFFIX = "_added"

_TYPES = (pa.string(), pa.int64(), pa.float64(), pa.bool_())
"""What a column may hold: as the catalogue, and what every export has room for."""


@dataclass(frozen=True)
class ColumnsRun:
    """A run that added columns.

    Attributes
    ----------
    run_id, path
        Its name and its Parquet file.
    record
        All of RUN_ID.json: kind, settings, sources with their hashes, versions, counts, times.
    """

    run_id: str
    path: Path
    record: dict[str, Any]


def write_columns(
    survey: Survey,
    run_id: str,
    kind: str,
    columns: Mapping[str, pa.Array],
    *,
    object_ids: Sequence[str] | np.ndarray | None = None,
    info: Mapping[str, ColumnInfo] | None = None,
    config: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Add columns to a survey, whole or not at all; returns the Parquet file.

    Parameters
    ----------
    columns
        One array a column, aligned with `object_ids`; a null stands for "not known". An object
        that is not in `object_ids` has no value in any of them.
    object_ids
        The survey's own in row order when left out.
    info
        Units and descriptions.
    config, provenance
        The job's settings, and what else the record says: sources, hashes, counts. JSON.

    Raises
    ------
    AlreadyExists
        The run id is taken.
    BadInput
        A column's name is not 1 to 128 printable characters, or is the id's.
    StorageFull
        The disk is full.
    """
    for name in columns:
        _check_name(name)
    ids = survey.object_ids if object_ids is None else object_ids
    table = pa.table({"object_id": pa.array(list(ids), pa.string()), **columns})
    return write_column_batches(
        survey,
        run_id,
        kind,
        table.schema,
        table.to_batches(),
        info=info,
        config=config,
        provenance=provenance,
    )


def write_column_batches(
    survey: Survey,
    run_id: str,
    kind: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    info: Mapping[str, ColumnInfo] | None = None,
    config: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """`write_columns` of columns that come batch by batch, each written as it comes.

    Parameters
    ----------
    schema
        Of every batch: object_id (string), then the columns.
    """
    checked_name(run_id, "run")
    columns = {field.name: field.type for field in schema if field.name != "object_id"}
    for name, of in columns.items():
        _check_name(name)
        if of not in _TYPES:
            raise TypeError(f"the added column {name!r} is {of}, not one of {_TYPES}")
    known = dict(info or {})
    record = {
        "run_id": run_id,
        "kind": str(kind),
        "survey": {
            "name": survey.name,
            "version": survey.version,
            "content_hash": survey.manifest.content_hash,
        },
        "config": dict(config or {}),
        "columns": {
            name: {"unit": known[name].unit, "description": known[name].description}
            if name in known
            else {}
            for name in columns
        },
        **dict(provenance or {}),
        "versions": versions(),
        "finished": datetime.now(UTC).isoformat(),
    }
    text = json.dumps(record, indent=2)
    folder = _folder(survey)
    final = folder / f"{run_id}.parquet"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        _sweep(folder)
        if final.exists():
            raise AlreadyExists(
                f"There are already columns of a run {run_id!r} at {final}; choose another name."
            )
        partials = [folder / f"{run_id}.json.partial", folder / f"{run_id}.parquet.partial"]
        try:
            partials[0].write_text(text + "\n", encoding="utf-8")
            with pq.ParquetWriter(
                partials[1], schema, compression="zstd", write_page_checksum=True
            ) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            for partial in partials:
                _sync(partial)
            # The table comes last: its name says that the columns are there.
            os.rename(partials[0], folder / f"{run_id}.json")
            os.rename(partials[1], final)
            _sync(folder)
        finally:
            for partial in partials:
                partial.unlink(missing_ok=True)
    return final


def _check_name(name: str) -> None:
    if not 0 < len(name) <= 128 or not name.isprintable() or name in RESERVED:
        raise BadInput(
            "An added column has a name of 1 to 128 printable characters other than"
            f" {' and '.join(RESERVED)}, but came {name[:80]!r}; choose another."
        )


def column_runs(survey: Survey) -> list[ColumnsRun]:
    """The runs that added columns, the newest first.

    Raises
    ------
    Damaged
        The record of one is missing or cannot be read.
    """
    runs = [_run(_folder(survey) / name) for name in _names(survey)]
    return sorted(runs, key=lambda run: (run.record["finished"], run.run_id), reverse=True)


def columns_stamp(survey: Survey) -> str:
    """Changes whenever columns are added or taken away; quick enough to ask at every request."""
    return "|".join(_names(survey))


def added_columns(survey: Survey) -> pd.DataFrame:
    """The added columns in row order, a missing cell where an object has no value.

    Whole numbers and truth values keep their kind, as in `Survey.catalogue`. Kept while the
    survey is open, until columns are added.
    """
    return _kept(survey).added


def added_info(survey: Survey) -> dict[str, ColumnInfo]:
    """Units and descriptions of the added columns, by name."""
    found: dict[str, ColumnInfo] = {}
    for run in column_runs(survey):
        for name, said in run.record["columns"].items():
            found.setdefault(
                name, ColumnInfo(str(said.get("unit", "")), str(said.get("description", "")))
            )
    return found


def full_catalogue(survey: Survey) -> pd.DataFrame:
    """The catalogue as imported, and the added columns after it.

    An added column whose name the catalogue has already gets "_added" behind it.
    """
    return _kept(survey).full


def names_added_by(survey: Survey, kind: str) -> frozenset[str]:
    """Names in `full_catalogue` of the columns that runs of a kind added."""
    kept = _kept(survey)
    return frozenset(kept.shown[name] for name, of in kept.kinds.items() if of == str(kind))


def added_table(survey: Survey, taken: Collection[str] = ()) -> pa.Table:
    """The added columns in row order for an export, with units and descriptions; a name in
    `taken` gets "_added" behind it."""
    frame, info = added_columns(survey), added_info(survey)
    rename = _renamed(list(frame.columns), taken)
    fields, arrays = [], []
    for name in frame.columns:
        column = pa.array(frame[name], from_pandas=True)
        kind = column.type if column.type in _TYPES else pa.string()
        said = info.get(name, ColumnInfo())
        words = f"{said.description} [{said.unit}]" if said.unit else said.description
        fields.append(pa.field(rename.get(name, name), kind, metadata={"description": words}))
        arrays.append(column.cast(kind))
    return pa.table(arrays, schema=pa.schema(fields))


@dataclass(frozen=True)
class _Tables:
    """What is kept of a survey: the tables, and by an added column's name the kind of the run
    that it is from, and its name in `full`."""

    stamp: str
    added: pd.DataFrame
    full: pd.DataFrame
    kinds: dict[str, str]
    shown: dict[str, str]


_tables: WeakKeyDictionary[Survey, _Tables] = WeakKeyDictionary()
_lock = threading.Lock()


def _kept(survey: Survey) -> _Tables:
    with _lock:
        stamp = columns_stamp(survey)
        kept = _tables.get(survey)
        if kept is None or kept.stamp != stamp:
            added, kinds = _read(survey)
            catalogue = survey.catalogue
            rename = _renamed(list(added.columns), list(catalogue.columns))
            shown = {name: rename.get(name, name) for name in added.columns}
            full = (
                pd.concat([catalogue, added.rename(columns=rename)], axis="columns")
                if shown
                else catalogue
            )
            kept = _tables[survey] = _Tables(stamp, added, full, kinds, shown)
        return kept


def _renamed(names: Sequence[str], others: Collection[str]) -> dict[str, str]:
    """New names for those that `others` have already."""
    taken = {*names, *others}
    rename = {}
    for name in names:
        if name in others:
            new = f"{name}{_SUFFIX}"
            while new in taken:
                new += "_"
            taken.add(new)
            rename[name] = new
    return rename


def _read(survey: Survey) -> tuple[pd.DataFrame, dict[str, str]]:
    """Every column by its newest run, aligned with the survey's rows, and that run's kind."""
    found: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    index: pd.Index[Any] | None = None
    for run in column_runs(survey):
        wanted = [name for name in run.record["columns"] if name not in found]
        if not wanted:
            continue
        table = _table(run.path, ["object_id", *wanted])
        if index is None:
            index = pd.Index(survey.object_ids, dtype=object)
        ids = pd.Index(np.array(table.column("object_id").to_pylist(), dtype=object))
        places = np.arange(len(index)) if ids.equals(index) else ids.get_indexer(index)
        rows = pa.array(places, pa.int64(), mask=places < 0)
        for name in wanted:
            column = table.column(name).take(rows)
            nullable: dict[pa.DataType, object] = {}
            if column.null_count:
                nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
            found[name] = column.to_pandas(types_mapper=nullable.get)
            kinds[name] = str(run.record.get("kind", ""))
    return pd.DataFrame(found, index=pd.RangeIndex(len(survey))), kinds


def _table(path: Path, columns: list[str]) -> pa.Table:
    with storage_errors(path):
        try:
            table = pq.read_table(path, columns=columns, page_checksum_verification=True)
            if table.column_names != columns:
                raise ValueError(f"it lacks {set(columns) - set(table.column_names)}")
            ids = table.column("object_id")
            if len(set(ids.to_pylist())) < len(ids):
                raise ValueError("an object_id comes twice")
        except (PermissionError, FileNotFoundError):
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise _damaged(path, error) from None
    return table


def _run(path: Path) -> ColumnsRun:
    record_path = path.with_suffix(".json")
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        datetime.fromisoformat(record["finished"])
        columns = record["columns"]
        if not all(isinstance(name, str) and isinstance(columns[name], dict) for name in columns):
            raise ValueError("its columns are not named")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(record_path, error) from None
    return ColumnsRun(path.stem, path, record)


def _damaged(path: Path, error: Exception) -> Damaged:
    return Damaged(
        f"{path} cannot be read ({str(error)[:120]}); restore it from a backup, or move"
        f" {path.stem}.parquet and {path.stem}.json away and run the job again."
    )


def _names(survey: Survey) -> list[str]:
    try:
        found = os.listdir(_folder(survey))
    except OSError:
        return []
    return sorted(name for name in found if name.endswith(".parquet"))


def _folder(survey: Survey) -> Path:
    return survey.folder / "columns"


def _sweep(folder: Path) -> None:
    for left in folder.glob("*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _FORGOTTEN_SECONDS:
                left.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
