"""Tables that have to be read as a whole: VOTable, and the text tables of CDS and IPAC."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.tables.base import (
    MAX_VECTOR,
    MAX_WHOLE_BYTES,
    TableSource,
    class_columns,
    kept,
    listed,
    short_reason,
)
from core.survey.tables.lines import checked_file, open_plain, read_head

_MAX_CELL_ELEMENTS = 1_000_000


class WholeTable(TableSource):
    """A table that astropy reads in one go; every process that reads keeps it while it does.

    Refused above 512 MB unpacked: such a table belongs into Parquet or FITS.
    """

    def __init__(
        self, path: Path, missing: Sequence[float] = (), *, kind: str, table: int | str | None
    ) -> None:
        super().__init__(path, missing)
        self.kind = kind
        checked_file(path)
        self._stamp(path)
        self._which = table
        self._refuse_large()
        opened = self._astropy()
        self._take_columns(opened)
        class_columns(self)
        self._declare_missing()

    def _refuse_large(self) -> None:
        size = 0
        limit = MAX_WHOLE_BYTES
        try:
            with open_plain(self.path) as file:
                while size <= limit and (part := file.read(1024 * 1024)):
                    size += len(part)
        except Exception as error:
            raise BadInput(f"The table {self.path} {short_reason(error)}.") from None
        if size > limit:
            raise BadInput(
                f"A {self.kind} file is read as a whole and may have {limit // 2**20} MB, but"
                f" {self.path} has more; convert it to Parquet or FITS."
            )
        if self.kind == "VOTable":
            self._refuse_lies(size)

    def _refuse_lies(self, size: int) -> None:
        """Numbers in the header from which astropy allocates."""
        head = read_head(self.path, 4 * 1024 * 1024).decode("utf-8", "replace")
        for found in re.finditer(r"\bnrows\s*=\s*[\"']\s*(\d+)", head):
            if int(found.group(1)) > size:
                raise BadInput(
                    f"The VOTable {self.path} promises {found.group(1)} rows, more than its bytes;"
                    " write it anew."
                )
        for found in re.finditer(r"\barraysize\s*=\s*[\"']([\dx\s]+)\*?[\"']", head):
            elements = 1
            for side in re.findall(r"\d+", found.group(1)):
                elements *= int(side)
            if elements > _MAX_CELL_ELEMENTS:
                raise BadInput(
                    f"The VOTable {self.path} has a column with {elements} elements a cell, but"
                    f" {_MAX_CELL_ELEMENTS} are allowed; leave it out."
                )

    def _astropy(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._votable() if self.kind == "VOTable" else self._ascii()
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(f"The {self.kind} file {self.path} {short_reason(error)}.") from None

    def _votable(self) -> Any:
        from astropy.io import votable

        with open_plain(self.path) as file:
            document = votable.parse(file, verify="ignore")
        tables = [one for one in document.iter_tables() if len(one.array)]
        if self._which is not None:
            wanted = str(self._which)
            tables = [
                one
                for number, one in enumerate(document.iter_tables())
                if wanted in (str(number), one.ID, one.name)
            ]
        if not tables:
            raise BadInput(f"The VOTable {self.path} has no table with rows; name another.")
        if len(tables) > 1 and not self.notes:
            others = [str(one.name or one.ID or number) for number, one in enumerate(tables)][1:]
            self.notes.append(f"The first table was read; others of the file: {listed(others)}.")
        return tables[0].to_table(use_names_over_ids=True)

    def _ascii(self) -> Any:
        from astropy.io import ascii as text_tables

        form = "ipac" if self.kind == "IPAC table" else "cds"
        with open_plain(self.path) as file:
            text = file.read(MAX_WHOLE_BYTES).decode("utf-8", "replace")
        return text_tables.read(text.splitlines(), format=form, guess=False)

    def _take_columns(self, opened: Any) -> None:
        made: list[tuple[str, str, int | None, pa.Array, ColumnInfo]] = []
        left_out = []
        for name in opened.colnames:
            column = opened[name]
            info = ColumnInfo(_unit(column), str(column.info.description or ""))
            arrays = arrow_columns(column)
            if arrays is None:
                left_out.append(name)
                continue
            for element, array in enumerate(arrays, 1):
                called = name if len(arrays) == 1 else f"{name}_{element}"
                made.append((called, name, element - 1, array, info))
        if left_out:
            self.notes.append(
                f"Columns that hold arrays of more than {MAX_VECTOR} elements or other things"
                f" than numbers and text, and were left out: {listed(left_out)}."
            )
        if not made or not len(opened):
            raise BadInput(f"The {self.kind} file {self.path} has no rows; name another.")
        names = self._set_columns([one[0] for one in made])
        self.n_rows = len(opened)
        self.columns = {name: one[4] for name, one in zip(names, made, strict=True)}
        self.types = {name: one[3].type for name, one in zip(names, made, strict=True)}
        self._keep(pa.table([one[3] for one in made], names=names))

    def _keep(self, table: pa.Table) -> pa.Table:
        found: pa.Table = kept(self._key(self.path), lambda: table)
        return found

    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        whole: pa.Table = kept(self._key(self.path), self._again)
        return whole.slice(start, stop - start).select(list(names))

    def _again(self) -> pa.Table:
        """The table anew, in a process that has not read it yet."""
        opened = self._astropy()
        arrays = []
        for name in opened.colnames:
            arrays += arrow_columns(opened[name]) or []
        return pa.table(arrays, names=list(self.columns))


def arrow_columns(column: Any) -> list[pa.Array] | None:
    """An astropy column as arrays of catalogue values, one an element of a vector; `None` if a
    catalogue cannot hold it."""
    values = np.ma.asarray(column)
    mask = np.ma.getmaskarray(values)
    plain = np.asarray(values.data)
    if plain.ndim == 2 and 0 < plain.shape[1] <= MAX_VECTOR:
        parts = [arrow_values(plain[:, at], mask[:, at]) for at in range(plain.shape[1])]
        return None if any(part is None for part in parts) else [p for p in parts if p is not None]
    if plain.ndim != 1:
        return None
    one = arrow_values(plain, mask)
    return None if one is None else [one]


def arrow_values(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array | None:
    """A numpy array (N,) as catalogue values; unsigned numbers beyond 63 bits become text."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    kind = values.dtype.kind
    if kind == "b":
        return pa.array(values, pa.bool_(), mask=mask)
    if kind == "u" and values.dtype.itemsize == 8 and values.size and values.max() >= 2**63:
        return pa.array(values, mask=mask).cast(pa.string())
    if kind in "iu":
        return pa.array(values.astype(np.int64), mask=mask)
    if kind == "f":
        wide = np.float32 if values.dtype.itemsize <= 4 else np.float64
        return pa.array(values.astype(wide), mask=mask)
    if kind in "USO":
        hidden = mask if mask is not None else np.zeros(len(values), bool)
        texts: list[str | None] = []
        for cell, hides in zip(values.tolist(), hidden.tolist(), strict=True):
            if isinstance(cell, bytes):
                cell = cell.decode("utf-8", "replace")
            if cell is not None and not isinstance(cell, str):
                return None
            text = None if hides or cell is None else cell.replace("\0", "").strip()
            texts.append(text or None)
        return pa.array(texts, pa.string())
    return None


def _unit(column: Any) -> str:
    unit = column.unit
    if unit is None:
        return ""
    try:
        return str(unit.to_string("generic"))
    except Exception:  # units that astropy does not know stay as they were written
        return str(unit)
