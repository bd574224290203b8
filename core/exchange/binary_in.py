"""Our tables from Parquet and FITS files, batch by batch; a place in them is a row."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from core.exchange.batches import BATCH_ROWS
from core.exchange.cells import unescaped
from core.exchange.incoming import Place, RawTable


def read_parquet(path: Path, place: Place) -> tuple[Mapping[str, Any], RawTable]:
    """The provenance and the rows of a Parquet file; raises `BadInput` for a damaged one."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError):
        raise _damaged(place, "Parquet") from None
    names = [str(name) for name in file.schema_arrow.names]
    said = (file.schema_arrow.metadata or {}).get(b"skysift", b"{}")
    return _mapping(said.decode("utf-8", "replace")), RawTable(names, _parquet_rows(file, place))


def _parquet_rows(file: pq.ParquetFile, place: Place) -> Iterator[tuple[int, dict[str, Any]]]:
    row = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS):
            names = batch.schema.names
            columns = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                row += 1
                yield row, dict(zip(names, values, strict=True))
    except (pa.ArrowException, OSError):
        raise place.bad(row + 1, "the Parquet file is damaged here; fetch it again.") from None


_FORM = re.compile(r"(\d*)([LBIJKEDAPQ])([A-Z]?)(\(\d*\))?")
_NUMPY = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


def read_fits(path: Path, place: Place) -> tuple[Mapping[str, Any], RawTable]:
    """The provenance and the rows of a FITS file, from its first table.

    Raises `BadInput` for a damaged file or a column of a kind that no label table has.
    """
    try:
        header, start = _first_table(path)
        rest = header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]
    except StopIteration:
        raise place.bad(None, "it has no binary table; give one with the labels.") from None
    except (EOFError, OSError, ValueError, KeyError, TypeError, fits.VerifyError):
        raise _damaged(place, "FITS") from None
    if path.stat().st_size < start + rest:
        raise _damaged(place, "FITS")
    metadata = _mapping(str(header.get("SKYSIFT", "")))
    names = [str(header[f"TTYPE{i}"]) for i in range(1, header["TFIELDS"] + 1)]
    return metadata, RawTable(names, _fits_rows(path, header, start, names, place))


def _first_table(path: Path) -> tuple[fits.Header, int]:
    """The header of the first binary table and where its data begins; StopIteration if there is
    none. Read without `fits.open`, which only warns of a file that was cut short."""
    with open(path, "rb") as handle:
        while handle.tell() < path.stat().st_size:
            header = fits.Header.fromfile(handle)
            if str(header.get("XTENSION", "")).strip() == "BINTABLE":
                return header, handle.tell()
            axes = [header[f"NAXIS{i + 1}"] for i in range(header["NAXIS"])]
            cells = header.get("PCOUNT", 0) + math.prod(axes) if axes else 0
            size = abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * cells
            handle.seek(size + -size % 2880, 1)
    raise StopIteration


def _fits_rows(
    path: Path, header: fits.Header, start: int, names: list[str], place: Place
) -> Iterator[tuple[int, dict[str, Any]]]:
    forms = [_form(str(header[f"TFORM{i + 1}"]), name, place) for i, name in enumerate(names)]
    nulls = [header.get(f"TNULL{i + 1}") for i in range(len(names))]
    dtype = np.dtype([(f"f{i}", form[1]) for i, form in enumerate(forms)])
    heap_start = start + header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
    row = 0
    with open(path, "rb") as handle, open(path, "rb") as heap:
        handle.seek(start)
        while row < header["NAXIS2"]:
            n = min(BATCH_ROWS, header["NAXIS2"] - row)
            block = np.frombuffer(handle.read(n * dtype.itemsize), dtype)
            columns = [
                _column(block[f"f{i}"], form[0], nulls[i], heap, heap_start)
                for i, form in enumerate(forms)
            ]
            for values in zip(*columns, strict=True):
                row += 1
                yield row, dict(zip(names, values, strict=True))


def _form(text: str, name: str, place: Place) -> tuple[str, Any]:
    """Kind and numpy type of a column; "P" and "Q" are texts in the heap."""
    found = _FORM.fullmatch(text.strip())
    if found is not None:
        repeat, kind = int(found[1] or 1), found[2]
        if kind == "A":
            return "A", f"S{repeat}" if repeat else "V0"
        if kind in "PQ" and found[3] == "A":
            return "P", (">i4" if kind == "P" else ">i8", 2)
        if kind in _NUMPY and repeat == 1:
            return kind, _NUMPY[kind]
    raise place.bad(
        None, f"the column {name[:60]!r} has the FITS format {text!r}, which no label table has."
    )


def _column(
    block: np.ndarray, kind: str, null: int | None, heap: BinaryIO, heap_start: int
) -> list[Any]:
    if kind == "A":
        return (
            [_text(one) for one in block.tolist()] if block.dtype.itemsize else [None] * len(block)
        )
    if kind == "P":
        return [_from_heap(heap, heap_start, *pair) for pair in block.tolist()]
    if kind == "L":
        return [{ord("T"): True, ord("F"): False}.get(one) for one in block.tolist()]
    values = block.tolist()
    return values if null is None else [None if one == null else one for one in values]


def _text(raw: bytes) -> str | None:
    """A text: missing if it is all NUL, empty if all blank; blanks behind it are no part of it."""
    raw = raw.partition(b"\x00")[0]
    return unescaped(raw.decode("utf-8", "replace").rstrip(" ")) if raw else None


def _from_heap(heap: BinaryIO, start: int, length: int, offset: int) -> str | None:
    heap.seek(start + offset)
    return _text(heap.read(length))


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _damaged(place: Place, kind: str) -> Exception:
    return place.bad(None, f"the {kind} file is cut short or damaged; fetch it again.")
