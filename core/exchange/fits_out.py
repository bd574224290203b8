"""FITS binary table, in one pass over the rows and one over a spool beside the file.

A FITS text is ASCII of a fixed width. Other characters are written as \\uXXXX (`cells.escaped`),
a missing text is all NUL and an empty one a single blank. Where one long note would widen every
row, the column's texts lie in the heap (a variable-length array). The provenance is the card
SKYSIFT of the table's header, as JSON over as many CONTINUE cards as it takes.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits

from core.exchange.batches import json_lists, lists_as_json
from core.exchange.cells import escaped, matching, rewrite
from core.exchange.columns import description

NULL_WHOLE = -(2**63)
"""Stands for a missing whole number (TNULL)."""

_NOT_PLAIN = re.compile(r"[^\x20-\x7e]| $")
_ODD = r"[^\x20-\x7e]|\\u| $|^$"
_BLOCK = 2880


class _Texts:
    """What the first pass learns of a text column: longest cell and all bytes together."""

    def __init__(self) -> None:
        self.longest, self.total = 1, 0

    def add(self, column: pa.Array) -> None:
        lengths = pc.binary_length(column)
        self.longest = max(self.longest, pc.max(lengths).as_py() or 1)
        self.total += pc.sum(lengths).as_py() or 0

    def in_heap(self, rows: int) -> bool:
        return self.longest > 64 and rows * self.longest > 4 * (self.total + 16 * rows)


def write_fits(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
) -> int:
    """Write the table to `path`; returns the number of rows. Spools as much again beside it."""
    flat = lists_as_json(schema)
    texts = {f.name: _Texts() for f in flat if pa.types.is_string(f.type)}
    rows = 0
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        with pa.ipc.new_stream(pa.PythonFile(spool, "w"), flat) as stream:
            for batch in batches:
                plain = _ascii(json_lists(batch))
                for name, seen in texts.items():
                    seen.add(plain.column(name))
                stream.write_batch(plain)
                rows += batch.num_rows
        spool.seek(0)
        with open(path, "wb") as handle:
            handle.write(_bytes(fits.PrimaryHDU().header))
            _write_table(handle, flat, texts, rows, spool, metadata)
    return rows


def _ascii(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        rewrite(one, matching(one, _ODD), _cell) if pa.types.is_string(one.type) else one
        for one in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _cell(text: str) -> str:
    return escaped(text, _NOT_PLAIN) or " "


def _write_table(
    handle: BinaryIO,
    schema: pa.Schema,
    texts: Mapping[str, _Texts],
    rows: int,
    spool: BinaryIO,
    metadata: Mapping[str, Any],
) -> None:
    heaped = {name for name, seen in texts.items() if seen.in_heap(rows)}
    kinds = {f.name: _kind(f, texts, heaped) for f in schema}
    # Fields by number: numpy allows no title or name twice, FITS has no such rule.
    row = np.dtype([(name, kind[1]) for name, kind in kinds.items()])
    heap_size = sum(texts[name].total for name in heaped)
    header = fits.Header()
    for key, value in _frame(row.itemsize, rows, heap_size, len(schema)):
        header[key] = value
    for i, field in enumerate(schema, start=1):
        header[f"TTYPE{i}"] = field.name
        header[f"TFORM{i}"] = kinds[field.name][0]
        if pa.types.is_integer(field.type):
            header[f"TNULL{i}"] = NULL_WHOLE
        if about := description(field):
            header[f"TCOMM{i}"] = about
    header["EXTNAME"] = "LABELS"
    header["SKYSIFT"] = _card_text(metadata)
    handle.write(_bytes(header))
    with tempfile.TemporaryFile(dir=Path(handle.name).parent) as heap:
        reader = pa.ipc.open_stream(pa.PythonFile(spool, "r"))
        for batch in reader:
            handle.write(_rows(batch, row, heaped, heap).tobytes())
        heap.seek(0)
        shutil.copyfileobj(heap, handle, 1 << 20)
    _pad(handle, row.itemsize * rows + heap_size)


def _frame(width: int, rows: int, heap_size: int, columns: int) -> Iterator[tuple[str, Any]]:
    yield "XTENSION", "BINTABLE"
    yield "BITPIX", 8
    yield "NAXIS", 2
    yield "NAXIS1", width
    yield "NAXIS2", rows
    yield "PCOUNT", heap_size
    yield "GCOUNT", 1
    yield "TFIELDS", columns


def _kind(
    field: pa.Field, texts: Mapping[str, _Texts], heaped: set[str]
) -> tuple[str, str | tuple[str, int]]:
    """TFORM of a column, and the numpy type of its cells in a row."""
    if field.name in heaped:
        return f"QA({texts[field.name].longest})", (">i8", 2)
    if field.name in texts:
        longest = texts[field.name].longest
        return f"{longest}A", f"S{longest}"
    if pa.types.is_boolean(field.type):
        return "L", "u1"
    return ("K", ">i8") if pa.types.is_integer(field.type) else ("D", ">f8")


def _rows(batch: pa.RecordBatch, row: np.dtype, heaped: set[str], heap: BinaryIO) -> np.ndarray:
    out = np.zeros(batch.num_rows, row)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in heaped:
            lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
            starts = np.cumsum(lengths) - lengths + heap.tell()
            out[field.name] = np.stack([lengths, starts], axis=1)
            heap.write("".join(filter(None, column.to_pylist())).encode("ascii"))
        elif pa.types.is_string(field.type):
            out[field.name] = pc.fill_null(column, "").to_numpy(zero_copy_only=False)
        elif pa.types.is_boolean(field.type):
            truths = column.cast(pa.uint8()).fill_null(2).to_numpy()
            out[field.name] = np.array([ord("F"), ord("T"), 0], np.uint8)[truths]
        elif pa.types.is_integer(field.type):
            out[field.name] = column.fill_null(NULL_WHOLE).to_numpy()
        else:
            out[field.name] = column.to_numpy(zero_copy_only=False)
    return out


def _card_text(metadata: Mapping[str, Any]) -> str:
    """JSON that comes back out of long cards: astropy 8 loses quotes, ampersands and slashes
    where a card ends."""
    text = json.dumps(metadata, separators=(",", ":"))
    return re.sub("['&/]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _bytes(header: fits.Header) -> bytes:
    return header.tostring().encode("ascii")


def _pad(handle: BinaryIO, written: int) -> None:
    handle.write(bytes(-written % _BLOCK))
