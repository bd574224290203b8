"""Reads a table: every row is an object that has columns and neither picture nor spectrum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder, CatalogueValue
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import ImportOptions
from core.survey.positions.columns import Degrees, PositionColumns, find_positions
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.table_recognition import sureness
from core.survey.tables import open_table
from core.survey.tables.base import UnreadableRows, listed
from core.survey.tables.ids import find_id, id_texts

_UNIT_CELLS = 65_536
_MAX_UNIT_ROWS = 2048
_UNUSABLE = "Objects whose position is missing or cannot be used"
_RESERVED = ("object_id", "group_id")


@register_reader("table", "a table: CSV, Parquet, FITS, VOTable, ECSV, MAT, NPY or NPZ")
class TableReader(Reader):
    """One object a row.

    The object_id comes from the column that `ImportOptions.id_column` names, else from the first
    with a usual name that names nearly every row, else it is the file's name with the row number.
    Columns keep their names. Positions that are not plain degrees under a usual name
    become two columns `ra` and `dec`; a position that cannot be used is missing.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "hdu": "number or name of the table in a FITS or VOTable file",
        "keep": "answer columns (y, label ...) of NPZ, NPY and MAT files to keep, with commas",
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._table = table = open_table(source, missing=options.missing, hdu=own.get("hdu"))
        self._id = find_id(table, options)
        self._group = self._group_column(options)
        self._where = find_positions(table, options)
        self.notes = [*table.notes, *self._id.notes]
        self._names = self._kept_columns(own)
        self._called = self._new_names()
        self.n_entries = table.n_rows + table.n_bad
        self._prefix = _prefix(source)
        if self._id.name is None:
            self.notes.append(
                f"There is no column of ids; objects are called {self._named(0)} and so on, after"
                " the file and the number of the row."
            )
        if self._where is not None:
            self.notes += self._where.notes
        self.settings = {
            "table": table.kind,
            **table.settings,
            "id_column": self._id.name,
            "group_column": self._group,
            "position": list(self._where.names) if self._where else None,
            "missing": list(options.missing),
        }
        self.layout = Layout(
            origin=options.origin or f"table {source.name}",
            licence=options.licence or "not stated",
            columns=self._column_infos(),
        )

    @classmethod
    def recognises(cls, source: Path) -> int:
        return sureness(source)

    def units(self) -> Iterator[Unit]:
        step = max(64, min(_MAX_UNIT_ROWS, _UNIT_CELLS // max(1, len(self._names))))
        number = 0
        for kind, n in (("rows", self._table.n_rows), ("bad", self._table.n_bad)):
            for start in range(0, n, step):
                stop = min(start + step, n)
                yield Unit(number, stop - start, {kind: [start, stop]})
                number += 1

    def read(self, unit: Unit) -> Iterator[Batch]:
        gathered = BatchBuilder()
        if "bad" in unit.what:
            for member, reason in self._table.bad(*unit.what["bad"]):
                gathered.reject(self.source.name, reason, member)
        else:
            self._read_rows(gathered, *unit.what["rows"])
        yield gathered.take()

    def _read_rows(self, gathered: BatchBuilder, start: int, stop: int) -> None:
        try:
            table, n_missing = self._table.counted_rows(start, stop)
        except UnreadableRows as error:
            parts = self._table.parts(start, stop)
            if len(parts) > 1:
                for part in parts:
                    self._read_rows(gathered, *part)
                return
            for row in range(start, stop):
                gathered.reject(self.source.name, str(error), f"row {row + 1}")
            return
        places = None if self._where is None else self._where.degrees(table)
        cells = self._cells(table, places)
        ids = self._id.texts(table)
        groups = None if self._group is None else id_texts(table.column(self._group))
        for at in range(stop - start):
            member = f"row {start + at + 1}"
            object_id = self._named(start + at) if ids is None else ids[at]
            if not object_id:
                reason = f"has no id (column {self._id.name!r})"
                gathered.reject(self.source.name, reason, member)
                continue
            gathered.add(
                object_id,
                {name: values[at] for name, values in cells.items()},
                group_id=None if groups is None else groups[at],
                source=self.source.name,
                member=member,
            )
        for name, n in n_missing.items():
            words = f"Cells of column {name!r} that stood for 'not measured' and are missing"
            gathered.tally(words, n)
        if places is not None and places.problems:
            gathered.tally(_UNUSABLE, len(places.problems))

    def _cells(self, table: pa.Table, places: Degrees | None) -> dict[str, list[CatalogueValue]]:
        """Values by the names of the catalogue, one list a column."""
        cells: dict[str, list[CatalogueValue]] = {}
        where = self._where
        if places is not None and where is not None and not where.is_plain:
            # They come first: of names that differ only by case the first is taken for the sky.
            for name, degrees in (("ra", places.ra), ("dec", places.dec)):
                values = degrees.tolist()
                cells[name] = [None if value != value else value for value in values]
        plain = where.names if where is not None and where.is_plain else ()
        for name in self._names:
            values = table.column(name).to_pylist()
            if places is not None and name in plain:
                for at in places.problems:
                    values[at] = None
            cells[self._called[name]] = values
        return cells

    def _group_column(self, options: ImportOptions) -> str | None:
        names = list(self._table.columns)
        if options.group_column is None:
            return "group_id" if "group_id" in names else None
        if options.group_column not in names:
            raise BadInput(
                f"{self.source} has no column {options.group_column!r} (there: {listed(names)});"
                " choose one of these."
            )
        return options.group_column

    def _kept_columns(self, own: dict[str, str]) -> list[str]:
        """Columns that become columns: the id does not come twice, the answer not at all."""
        keep = {name.strip() for name in own.get("keep", "").split(",") if name.strip()}
        unknown = sorted(keep - set(self._table.columns))
        if unknown:
            raise BadInput(
                f"{self.source} has no column {unknown[0]!r} to keep (there:"
                f" {listed(list(self._table.columns))}); choose one of these."
            )
        hidden = [name for name in self._table.truth if name not in keep]
        if hidden:
            self.notes.append(
                f"Left out, since the answer must not lie in the survey: {listed(hidden)} (to"
                f" keep it: --set keep={hidden[0]}, or keep={hidden[0]} among the reader's"
                " settings)."
            )
        gone = {self._id.name, *hidden}
        if self._group == "group_id":
            gone.add("group_id")
        return [name for name in self._table.columns if name not in gone]

    def _new_names(self) -> dict[str, str]:
        """Names in the catalogue: those that Skysift makes itself get an underscore."""
        made = set(_RESERVED)
        if self._where is not None and not self._where.is_plain:
            made |= {"ra", "dec"}
        called: dict[str, str] = {}
        for name in self._names:
            new = name
            while new in made or (new != name and new in self._names):
                new += "_"
            called[name] = new
        renamed = [f"{name!r} to {new!r}" for name, new in called.items() if name != new]
        if renamed:
            self.notes.append(f"Columns were renamed: {', '.join(renamed)}.")
        return called

    def _column_infos(self) -> dict[str, ColumnInfo]:
        infos: dict[str, ColumnInfo] = {}
        where = self._where
        if where is not None and not where.is_plain:
            infos |= _made_infos(where)
        for name in self._names:
            info = self._table.columns[name]
            if where is not None and where.is_plain and name in where.names and not info.unit:
                info = replace(info, unit="deg")
            infos[self._called[name]] = info
        return infos

    def _named(self, row: int) -> str:
        digits = max(6, len(str(self._table.n_rows)))
        return f"{self._prefix}-{row + 1:0{digits}d}"


def _made_infos(where: PositionColumns) -> dict[str, ColumnInfo]:
    said = f"ICRS, from {' '.join(where.names)}"
    return {
        "ra": ColumnInfo("deg", f"Right ascension, {said}"),
        "dec": ColumnInfo("deg", f"Declination, {said}"),
    }


def _prefix(source: Path) -> str:
    """The file's name without its endings, for ids."""
    name = source.resolve().name
    stem = name.split(".")[0] or name.strip(".") or "row"
    return "".join(sign if sign.isprintable() else "_" for sign in stem)[:64]
