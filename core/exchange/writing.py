"""Writing a label table to a file that appears only when whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import AlreadyExists, BadInput
from core.exchange.batches import bounded
from core.exchange.columns import Format
from core.exchange.csv_out import write_csv
from core.exchange.fits_out import write_fits
from core.exchange.jsonl_out import write_jsonl
from core.exchange.parquet_out import write_parquet
from core.exchange.votable_out import write_votable
from core.workspace import storage_errors

_WRITERS = {
    Format.PARQUET: write_parquet,
    Format.VOTABLE: write_votable,
    Format.FITS: write_fits,
    Format.JSONL: write_jsonl,
}


def write_table(
    path: str | os.PathLike[str],
    format: Format | str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> int:
    """Write a label table, streamed; returns the number of its rows.

    Parameters
    ----------
    path
        Of the file; a CSV gets a sidecar PATH.json for its provenance.
    schema
        `EVENT_SCHEMA` or `LABEL_SCHEMA`: texts, whole and real numbers, truths, lists of text.
    batches
        Record batches with the schema's columns; `rows_to_batches` makes them.
    metadata
        Where the table comes from: a mapping that JSON can hold, nested as deep as need be.

    The file comes back exactly as it was through `read_labels`, but for numbers that are not
    finite (missing from then on), and NUL characters in a CSV (dropped). A CSV without its
    sidecar, or changed since, gives an empty text back as a missing one.

    Raises
    ------
    AlreadyExists
        The file is there and `overwrite` is False.
    BadInput
        There is no such format.
    StorageFull
        The disk is full; what was there before is untouched.
    """
    path, chosen = Path(path), _checked(format)
    finals = [path] if chosen != Format.CSV else [sidecar_of(path), path]
    for final in finals:
        if final.exists() and not overwrite:
            raise AlreadyExists(
                f"There is already a file {final}; name another one, or say that it may be"
                " overwritten."
            )
    with storage_errors(path), _partials(finals) as partials:
        rows = bounded(batches, schema)
        if chosen == Format.CSV:
            return write_csv(partials[1], schema, rows, metadata, partials[0])
        return _WRITERS[chosen](partials[0], schema, rows, metadata)


def csv_with_provenance_zip(
    path: str | os.PathLike[str],
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
    *,
    name: str = "labels",
    overwrite: bool = False,
) -> int:
    """Write one zip with NAME.csv and its sidecar NAME.csv.json; returns the number of rows.

    For a download, where a browser takes one file only. `read_labels` reads it back. Raises as
    `write_table` does.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise AlreadyExists(f"There is already a file {path}; name another one.")
    with (
        storage_errors(path),
        _partials([path]) as (partial,),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".zip-") as folder,
    ):
        table = Path(folder) / f"{name}.csv"
        rows = write_table(table, Format.CSV, schema, batches, metadata)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(table, table.name)
            archive.write(sidecar_of(table), sidecar_of(table).name)
        return rows


def sidecar_of(path: Path) -> Path:
    """Where the provenance of a CSV lies."""
    return path.with_name(path.name + ".json")


def _checked(name: Format | str) -> Format:
    try:
        return Format(name)
    except ValueError:
        raise BadInput(
            f"Labels are written as {', '.join(Format)}, but {str(name)[:40]!r} was asked for;"
            " choose one of them."
        ) from None


@contextlib.contextmanager
def _partials(finals: list[Path]) -> Iterator[list[Path]]:
    """Files to write to, which get their final names once they are whole and on the disk."""
    mark = f"{os.getpid()}-{threading.get_ident()}"  # two writers never share a partial file
    partials = [one.with_name(f"{one.name}.{mark}.partial") for one in finals]
    try:
        yield partials
        for partial in partials:
            _sync(partial)
        for partial, final in zip(partials, finals, strict=True):
            partial.replace(final)
        _sync(finals[0].parent)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
