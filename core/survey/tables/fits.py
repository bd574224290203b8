"""FITS binary tables, plain or compressed as a whole (FITS standard 4.0, section 7.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.tables.base import (
    MAX_VECTOR,
    TableSource,
    UnreadableRows,
    class_columns,
    forget,
    listed,
)
from core.survey.tables.fits_header import (
    MAX_HDUS,
    FitsHdu,
    astropy_descriptions,
    bytes_from,
    is_table,
    read_hdus,
)
from core.survey.tables.lines import checked_file, kept_open

_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(.*)")
_CODES = {
    "L": "u1",
    "B": "u1",
    "I": ">i2",
    "J": ">i4",
    "K": ">i8",
    "E": ">f4",
    "D": ">f8",
}
_WIDTHS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "A": 1}
_OTHER_WIDTHS = {"C": 8, "M": 16, "P": 8, "Q": 16}
_READ_BYTES = 32 * 1024 * 1024
_MAX_ROW_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Field:
    """A column of the catalogue: its bytes within a row, and how they become values."""

    offset: int
    form: str
    scale: float
    zero: float
    null: int | None
    kind: pa.DataType


class FitsTable(TableSource):
    """Rows have a fixed length, so a slice is one piece of the file.

    `hdu` is the number or the name (EXTNAME) of the table; the first one with rows when left out.
    """

    kind = "FITS table"

    def __init__(
        self, path: Path, missing: Sequence[float] = (), hdu: int | str | None = None
    ) -> None:
        super().__init__(path, missing)
        checked_file(path)
        self._stamp(path)
        found = self._chosen(read_hdus(path), hdu)
        header = found.header
        self._row_bytes, promised = int(header.get("NAXIS1", 0)), int(header.get("NAXIS2", 0))
        if promised <= 0 or not 0 < self._row_bytes <= _MAX_ROW_BYTES:
            raise BadInput(
                f"The table in extension {found.number} of {path} has {promised} rows of"
                f" {self._row_bytes} bytes; name a file or extension with a whole table."
            )
        self._offset = found.offset
        there = bytes_from(path, found.offset, promised * self._row_bytes)
        self.n_rows = min(promised, there // self._row_bytes)
        self._promised = promised
        self.n_bad = 1 if self.n_rows < promised else 0
        if self.n_rows == 0:
            raise BadInput(f"The FITS table {path} is cut short before its first row.")
        self._take_columns(header)
        class_columns(self)
        self._declare_missing()

    def _chosen(self, hdus: list[FitsHdu], hdu: int | str | None) -> FitsHdu:
        tables = [one for one in hdus if is_table(one.header)]
        if hdu is not None:
            wanted = str(hdu).strip().upper()
            tables = [one for one in tables if wanted in (str(one.number), one.name.upper())]
        if not tables:
            which = "binary table" if hdu is None else f"binary table {hdu!r}"
            there = ", ".join(f"{one.number} {one.name or one.kind}" for one in hdus[:MAX_HDUS])
            raise BadInput(
                f"The FITS file {self.path} has no {which} (it has: {there}); name another"
                " extension or file."
            )
        best = next((one for one in tables if int(one.header.get("NAXIS2", 0)) > 0), tables[0])
        self.settings["hdu"] = best.number
        others = [f"{one.number} {one.name}".strip() for one in tables if one is not best]
        if others:
            self.notes.append(
                f"Table {best.number} {best.name} was read; other tables of the file:"
                f" {listed(others)}."
            )
        return best

    def _take_columns(self, header: Any) -> None:
        made: list[tuple[str, _Field, ColumnInfo]] = []
        left_out: list[str] = []
        offset = 0
        described = astropy_descriptions(header)
        for number in range(1, int(header.get("TFIELDS", 0)) + 1):
            name = str(header.get(f"TTYPE{number}", f"column_{number}")).strip()
            form = _FORM.fullmatch(str(header.get(f"TFORM{number}", "")).strip())
            if form is None:
                raise BadInput(
                    f"Column {number} of the FITS table {self.path} has no format that the"
                    " standard knows; write the table anew."
                )
            repeat, code = int(form.group(1) or 1), form.group(2)
            width = _width(repeat, code)
            fields = self._fields_of(header, number, offset, repeat, code)
            offset += width
            if fields is None:
                left_out.append(name)
                continue
            info = ColumnInfo(
                str(header.get(f"TUNIT{number}", "")).strip(),
                described.get(name) or _description(header, number),
            )
            for element, field in enumerate(fields, 1):
                made.append((name if len(fields) == 1 else f"{name}_{element}", field, info))
        if offset != self._row_bytes:
            raise BadInput(
                f"The columns of the FITS table {self.path} take {offset} bytes a row, but its"
                f" header says {self._row_bytes}; write the table anew."
            )
        if left_out:
            self.notes.append(
                "Columns that hold bits, complex numbers or arrays of more than"
                f" {MAX_VECTOR} elements and were left out: {listed(left_out)}."
            )
        if not made:
            raise BadInput(f"The FITS table {self.path} has no column of numbers or text.")
        names = self._set_columns([name for name, _field, _info in made])
        self._fields = {name: one[1] for name, one in zip(names, made, strict=True)}
        self.columns = {name: one[2] for name, one in zip(names, made, strict=True)}
        self.types = {name: field.kind for name, field in self._fields.items()}
        for name, field in list(self._fields.items()):
            if field.form == ">i8" and field.zero == 2.0**63 and self._is_beyond(name):
                self.types[name] = pa.string()
                self._fields[name] = _Field(*(*_parts(field)[:-1], pa.string()))
                self.notes.append(
                    f"Whole numbers of column {name!r} are beyond 63 bits and became text."
                )

    def _fields_of(
        self, header: Any, number: int, offset: int, repeat: int, code: str
    ) -> list[_Field] | None:
        """The columns that a column of the file becomes; `None` if it cannot be any."""
        if code == "A":
            length = _text_length(header, number, repeat)
            count = repeat // length if length else 0
            if not 0 < count <= MAX_VECTOR:
                return None
            return [
                _Field(offset + at * length, f"S{length}", 1.0, 0.0, None, pa.string())
                for at in range(count)
            ]
        if code not in _CODES or not 0 < repeat <= MAX_VECTOR:
            return None
        scale = float(header.get(f"TSCAL{number}", 1.0) or 1.0)
        zero = float(header.get(f"TZERO{number}", 0.0) or 0.0)
        null = header.get(f"TNULL{number}")
        null = null if isinstance(null, int) and code in "BIJK" else None
        kind = {"L": pa.bool_(), "E": pa.float32(), "D": pa.float64()}.get(code, pa.int64())
        if code in "BIJK" and not (scale == 1.0 and zero.is_integer()):
            kind = pa.float64()
        if code in "ED" and (scale, zero) != (1.0, 0.0):
            kind = pa.float64()
        form = _CODES[code] if code != "L" else "L"
        return [
            _Field(offset + at * _WIDTHS[code], form, scale, zero, null, kind)
            for at in range(repeat)
        ]

    def bad(self, start: int, stop: int) -> list[tuple[str, str]]:
        if not self.n_bad or start > 0 or stop < 1:
            return []
        reason = (
            f"is cut short: its header promises {self._promised} rows, {self.n_rows} are there"
        )
        return [(f"row {self.n_rows + 1} and on", reason)]

    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        step = max(1, _READ_BYTES // self._row_bytes)
        key = self._key(self.path)
        file = kept_open(key, self.path)
        parts = []
        try:
            for low in range(start, stop, step):
                high = min(low + step, stop)
                raw = self._raw(file, low, high)
                arrays = [self._values(raw, self._fields[name]) for name in names]
                parts.append(pa.table(arrays, names=list(names)))
        except BaseException:
            forget(key)
            raise
        return pa.concat_tables(parts)

    def _raw(self, file: BinaryIO, start: int, stop: int) -> bytes:
        file.seek(self._offset + start * self._row_bytes)
        raw = file.read((stop - start) * self._row_bytes)
        if len(raw) < (stop - start) * self._row_bytes:
            raise UnreadableRows("is cut short")
        return raw

    def _values(self, raw: bytes, field: _Field) -> pa.Array:
        form = "u1" if field.form == "L" else field.form
        dtype = np.dtype(
            {
                "names": ["v"],
                "formats": [form],
                "offsets": [field.offset],
                "itemsize": self._row_bytes,
            }
        )
        values = np.frombuffer(raw, dtype)["v"]
        if form.startswith("S"):
            return _texts(values)
        if field.form == "L":
            known = (values == ord("T")) | (values == ord("F"))
            return pa.array(values == ord("T"), pa.bool_(), mask=~known)
        values = values.astype(values.dtype.newbyteorder("="))
        null = None if field.null is None else values == field.null
        if field.kind == pa.string() or (form == ">i8" and field.zero == 2.0**63):
            # Unsigned 64 bits are stored with the highest bit turned.
            unsigned = values.view(np.uint64) ^ np.uint64(2**63)
            return pa.array(unsigned, mask=null).cast(field.kind)
        if field.kind == pa.int64():
            whole = values.astype(np.int64) + np.int64(int(field.zero))
            return pa.array(whole, mask=null)
        if (field.scale, field.zero) != (1.0, 0.0):
            values = values * np.float64(field.scale) + np.float64(field.zero)
        return pa.array(values.astype(field.kind.to_pandas_dtype()), mask=null)

    def _is_beyond(self, name: str) -> bool:
        """Whether an unsigned column has a number that int64 cannot hold."""
        try:
            self.types[name] = self._fields[name].kind
            for start in range(0, self.n_rows, 65_536):
                self._read(start, min(start + 65_536, self.n_rows), [name])
        except pa.ArrowInvalid:
            return True
        except UnreadableRows:
            return False
        return False


def _texts(values: np.ndarray) -> pa.Array:
    texts: list[str | None] = []
    for cell in values.tolist():
        raw = cell.split(b"\0", 1)[0].strip()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        texts.append(text or None)
    return pa.array(texts, pa.string())


def _width(repeat: int, code: str) -> int:
    if code == "X":
        return (repeat + 7) // 8
    return repeat * _WIDTHS.get(code, _OTHER_WIDTHS.get(code, 0))


def _text_length(header: Any, number: int, repeat: int) -> int:
    """Characters of one text: the first of TDIM where a cell holds several."""
    shape = re.match(r"\(\s*(\d+)\s*,", str(header.get(f"TDIM{number}", "")))
    length = int(shape.group(1)) if shape else repeat
    return length if 0 < length <= repeat else repeat


def _description(header: Any, number: int) -> str:
    said = str(header.get(f"TCOMM{number}", "")).strip()
    if said or f"TTYPE{number}" not in header:
        return said
    comment = str(header.comments[f"TTYPE{number}"]).strip()
    return "" if re.fullmatch(r"(label for )?(field|column)\s*\d*.*", comment, re.I) else comment


def _parts(field: _Field) -> tuple[Any, ...]:
    return field.offset, field.form, field.scale, field.zero, field.null, field.kind
