"""Positions on the sky as people write them: degrees, hours, sexagesimal; tables and plain lists.

Everything becomes right ascension (0 to 360) and declination in degrees, ICRS. Hours are taken
only where a unit, the column's name or the notation says so, never from the values alone.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadInput
from core.survey.batch import CatalogueValue, Reject
from core.survey.layout import ColumnInfo
from core.survey.options import ImportOptions
from core.survey.positions.columns import PositionColumns, find_positions
from core.survey.tables.base import TableSource, UnreadableRows, listed
from core.survey.tables.ids import IdColumn, find_id

__all__ = ["Position", "PositionSource", "open_positions", "position_name", "read_positions"]

_STEP = 4096


@dataclass(frozen=True)
class Position:
    """A place on the sky with a name.

    Attributes
    ----------
    object_id
        From the data; where they have none, "J123456.78+012345.6" from the position.
    ra, dec
        Degrees, ICRS; 0 <= ra < 360.
    columns
        Whatever else the table says of it.
    """

    object_id: str
    ra: float
    dec: float
    columns: dict[str, CatalogueValue] = field(default_factory=dict)


class PositionSource(abc.ABC):
    """Positions in a file, read by slices; can be pickled.

    Attributes
    ----------
    n_entries
        Positions and what should have been one.
    columns
        What is known of the columns that positions carry, by name.
    notes
        Sentences about what was guessed, changed or left out.
    """

    n_entries: int
    columns: dict[str, ColumnInfo]
    notes: list[str]

    @abc.abstractmethod
    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        """One position or reject for each entry start <= number < stop, in order."""


def open_positions(path: Path, options: ImportOptions) -> PositionSource:
    """The positions in any table or in a text file of lines "ra dec" or "id ra dec".

    Raises
    ------
    BadInput
        There is no such file, or it holds no positions; one sentence says what it should hold.
    """
    from core.survey.positions.lines import looks_like_lines, open_lines
    from core.survey.tables import open_table

    path = Path(path).expanduser()
    chosen = options.ra_column or options.dec_column or options.id_column
    if not chosen and looks_like_lines(path):
        return open_lines(path)
    table = open_table(path, missing=options.missing)
    columns = find_positions(table, options)
    if columns is None:
        raise BadInput(
            f"{path} should hold positions, in columns such as ra and dec, but has"
            f" {listed(list(table.columns))}; name the columns of right ascension and"
            " declination."
        )
    return TablePositions(table, columns, options)


def read_positions(source: Path | str, options: ImportOptions) -> list[Position | Reject]:
    """All positions of a file, or of pasted text; for few of them."""
    from core.survey.positions.lines import parse_lines

    if isinstance(source, str):
        return parse_lines(source)
    opened = open_positions(source, options)
    return list(opened.rows(0, opened.n_entries))


class TablePositions(PositionSource):
    """The rows of a table; the columns of the position itself are not repeated."""

    def __init__(self, table: TableSource, where: PositionColumns, options: ImportOptions) -> None:
        self._table = table
        self._where = where
        self._id: IdColumn = find_id(table, options)
        self._names = [
            name
            for name in table.columns
            if name not in {self._id.name, *where.replaced} and name not in table.truth
        ]
        self._called = _called(self._names)
        self.columns = {self._called[name]: table.columns[name] for name in self._names}
        self.n_entries = table.n_rows + table.n_bad
        self.notes = [*table.notes, *where.notes, *self._id.notes]
        if self._id.name is None:
            self.notes.append(
                "There is no column of ids; objects are named by their position, such as"
                " J123456.78+012345.6."
            )

    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        n_rows = self._table.n_rows
        source = self._table.path.name
        for low in range(max(0, start), min(stop, n_rows), _STEP):
            high = min(low + _STEP, stop, n_rows)
            try:
                table = self._table.rows(low, high)
            except UnreadableRows as error:
                parts = self._table.parts(low, high)
                if len(parts) > 1:
                    for part in parts:
                        yield from self.rows(*part)
                    continue
                for row in range(low, high):
                    yield Reject(source, str(error), f"row {row + 1}")
                continue
            places = self._where.degrees(table)
            cells = {self._called[name]: table.column(name).to_pylist() for name in self._names}
            ids = self._id.texts(table)
            for at in range(high - low):
                member = f"row {low + at + 1}"
                if at in places.problems:
                    yield Reject(source, places.problems[at], member)
                    continue
                ra, dec = float(places.ra[at]), float(places.dec[at])
                object_id = position_name(ra, dec) if ids is None else ids[at]
                if not object_id:
                    yield Reject(source, f"has no id (column {self._id.name!r})", member)
                    continue
                columns = {name: values[at] for name, values in cells.items()}
                yield Position(object_id, ra, dec, columns)
        first = max(0, start - n_rows)
        for member, reason in self._table.bad(first, max(first, stop - n_rows)):
            yield Reject(source, reason, member)


def position_name(ra: float, dec: float) -> str:
    """ "J123456.78+012345.6": cut off, not rounded, as the IAU wants it."""
    # A hair is added so that 12.3 hours, which no binary number is, keeps its last digit.
    hundredths = int(ra / 15.0 * 360_000 + 1e-4) % (24 * 360_000)
    tenths = int(abs(dec) * 36_000 + 1e-4)
    minutes, seconds = divmod(hundredths, 6000)
    arcmin, arcsec = divmod(tenths, 600)
    sign = "-" if dec < 0 else "+"
    return (
        f"J{minutes // 60:02d}{minutes % 60:02d}{seconds / 100:05.2f}"
        f"{sign}{arcmin // 60:02d}{arcmin % 60:02d}{arcsec / 10:04.1f}"
    )


def _called(names: list[str]) -> dict[str, str]:
    """Names under which columns go on: those that Skysift makes itself get an underscore."""
    called: dict[str, str] = {}
    for name in names:
        new = name
        if new in ("object_id", "group_id", "ra", "dec"):
            new += "_"
            while new in names:
                new += "_"
        called[name] = new
    return called
