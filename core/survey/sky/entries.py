"""Lists of what is to be asked for: positions, or tables that name it otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.errors import BadInput
from core.survey.batch import Reject
from core.survey.layout import ColumnInfo
from core.survey.options import ImportOptions
from core.survey.sky.services.base import Entry

if TYPE_CHECKING:
    from core.survey.positions import PositionSource


class Entries(Protocol):
    """A list in a file; instances can be pickled and hold no open file."""

    n_entries: int
    columns: dict[str, ColumnInfo]
    notes: list[str]

    def rows(self, start: int, stop: int) -> Iterator[Entry | Reject]: ...


def entries_by_position(source: Path, options: ImportOptions) -> Entries:
    """The positions in a table or text file; raises `BadInput` if there are none."""
    from core.survey.positions import open_positions

    return _ByPosition(open_positions(source, options))


def entries_by_table(source: Path, options: ImportOptions) -> Entries:
    """The rows of a table that needs no positions (spectra are asked for by plate)."""
    return _ByTable(source, options)


class _ByPosition:
    def __init__(self, positions: PositionSource) -> None:
        self._positions = positions
        self.n_entries = positions.n_entries
        self.columns = {
            "ra": ColumnInfo("deg", "right ascension (ICRS)"),
            "dec": ColumnInfo("deg", "declination (ICRS)"),
            **positions.columns,
        }
        self.notes = list(positions.notes)

    def rows(self, start: int, stop: int) -> Iterator[Entry | Reject]:
        for one in self._positions.rows(start, stop):
            if isinstance(one, Reject):
                yield one
                continue
            columns = {"ra": one.ra, "dec": one.dec, **one.columns}
            yield Entry(one.object_id, one.ra, one.dec, columns)


class _ByTable:
    """Entries are named by `options.id_column`, else by the service (an empty id)."""

    def __init__(self, source: Path, options: ImportOptions) -> None:
        from core.survey.tables import open_table

        self._table = open_table(source, missing=options.missing)
        self._id = options.id_column
        if self._id is not None and self._id not in self._table.columns:
            raise BadInput(
                f"{source} has no column {self._id!r}; name another with id_column, or leave it"
                " out."
            )
        # Names that the catalogue keeps for itself.
        self._called = {
            name: name + "_" if name in ("object_id", "group_id") else name
            for name in self._table.columns
            if name != self._id
        }
        self.columns = {new: self._table.columns[old] for old, new in self._called.items()}
        self.n_entries = self._table.n_rows + self._table.n_bad
        self.notes = list(self._table.notes)

    def rows(self, start: int, stop: int) -> Iterator[Entry | Reject]:
        from core.survey.tables.base import UnreadableRows
        from core.survey.tables.ids import id_texts

        n_rows, source = self._table.n_rows, self._table.path.name
        low, high = max(0, start), min(stop, n_rows)
        try:
            table = self._table.rows(low, high)
        except UnreadableRows as error:
            for row in range(low, high):
                yield Reject(source, str(error), f"row {row + 1}")
        else:
            cells = {new: table.column(old).to_pylist() for old, new in self._called.items()}
            ids = None if self._id is None else id_texts(table.column(self._id))
            for at in range(table.num_rows):
                columns = {name: values[at] for name, values in cells.items()}
                if ids is not None and not ids[at]:
                    reason = f"has no id (column {self._id!r})"
                    yield Reject(source, reason, f"row {low + at + 1}")
                    continue
                object_id = "" if ids is None else ids[at] or ""
                yield Entry(object_id, math.nan, math.nan, columns)
        first = max(0, start - n_rows)
        for member, reason in self._table.bad(first, max(first, stop - n_rows)):
            yield Reject(source, reason, member)
