"""What the readers of Parquet files and Hugging Face folders share: rows with an image each."""

from __future__ import annotations

import abc
import bisect
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder, CatalogueValue
from core.survey.layout import ColumnInfo
from core.survey.options import ImportOptions
from core.survey.readers.arrow_images import (
    cells_of,
    image_column,
    image_kind,
    image_of,
    is_cell_type,
    path_of,
    storage,
)
from core.survey.readers.cells import ID_NAMES, column_name, id_text
from core.survey.readers.encoded import Encoded, Sample
from core.survey.readers.registry import Reader, Unit
from core.survey.readers.sniffing import stem
from core.survey.readers.source_file import Stamp, brief, check_same
from core.survey.readers.tar_index import printable
from core.survey.readers.unreadable import Unreadable

MOST_SAMPLE = 48
_SAMPLE_PIECES = 4


@dataclass(frozen=True)
class Piece:
    """Rows that are read one behind the other.

    Attributes
    ----------
    shard
        Number of the file.
    place
        Where in it: a row group, or an offset.
    first
        Number of its first row among those of all files.
    problem
        Why it cannot be read; it then counts as one row.
    """

    shard: int
    place: int
    first: int
    n_rows: int
    problem: str = ""


@dataclass(frozen=True)
class Shard:
    """A file: its path below the source ("" for the source itself), stamp and split."""

    path: str
    stamp: Stamp
    split: str = ""

    def shown(self, source: Path) -> str:
        """Its name in a sentence."""
        return printable(self.path or source.name)


class ArrowReader(Reader):
    """An image and columns a row.

    The object_id comes from the setting id_column, or a column with one of the usual names and
    no value twice, else from the path beside the bytes of the image, else from the name of the
    source and the row, counted from 0. Numbers of classes become their names where the data
    have these. Columns of lists, structs and bytes are left out, with a note.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "image": "column of the images; guessed when left out",
        "split": "splits to read, with commas between; all, with a column `split`, when left out",
    }

    kind: ClassVar[str] = "table"

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._shards: list[Shard] = []
        self._pieces: list[Piece] = []
        schema = self._look(_wished_splits(own.get("split")))
        self._starts = [piece.first for piece in self._pieces]
        self._first_of: dict[int, int] = {}
        for piece in self._pieces:
            self._first_of.setdefault(piece.shard, piece.first)
        last = self._pieces[-1]
        self.n_entries = last.first + last.n_rows
        self._image = image_column(schema, own.get("image"), str(source))
        self._classes = {
            name: names for name, names in self._class_names().items() if name != self._image
        }
        sample, first = self._looked_at(schema)
        self._encoded = Encoded.make(sample, options, str(source))
        self._choose_columns(schema, first)
        layout = self._encoded.layout(options, f"{self.kind} {source.name}")
        self.layout = replace(layout, columns=self._column_infos())
        self.settings = {
            **self._encoded.settings(),
            "image": self._image,
            "columns": sorted(self._names.values()),
            "object_id": self._id_column
            or ("path" if self._ids_from_paths else f"{self._stem}-ROW"),
        }

    @abc.abstractmethod
    def _look(self, splits: set[str] | None) -> pa.Schema:
        """Fill `_shards` and `_pieces` (at least one of each that can be read)."""

    @abc.abstractmethod
    def _class_names(self) -> dict[str, tuple[str, ...]]:
        """Names of classes by column."""

    @abc.abstractmethod
    def _rows(self, piece: Piece, start: int, stop: int, columns: list[str]) -> pa.Table:
        """Rows of a piece, counted within it; raises `Unreadable`."""

    def units(self) -> Iterator[Unit]:
        step = self.layout.unit_entries
        number = 0
        for piece in self._pieces:
            end = piece.first + piece.n_rows
            for start in range(piece.first, end, step):
                rows = list(range(start, min(start + step, end)))
                yield Unit(number, len(rows), rows)
                number += 1

    def read(self, unit: Unit) -> Iterator[Batch]:
        for piece, several in itertools.groupby(unit.what, self._piece_of):
            rows = list(several)
            gathered = BatchBuilder()
            shard = self._shards[piece.shard]
            path = self._path(shard)
            if piece.problem:
                gathered.reject(shard.shown(self.source), piece.problem)
                yield gathered.take()
                continue
            try:
                check_same(path, shard.stamp)
                self._read_rows(piece, rows, gathered)
                check_same(path, shard.stamp)
            except Unreadable as error:
                gathered = BatchBuilder()
                for row in rows:
                    self._reject(gathered, piece, row, str(error))
            yield gathered.take()

    def _read_rows(self, piece: Piece, rows: list[int], gathered: BatchBuilder) -> None:
        wanted = [self._image, *self._names]
        start, stop = rows[0] - piece.first, rows[-1] + 1 - piece.first
        table = self._table(piece, start, stop, wanted)
        values = {}
        for column, name in self._names.items():
            if column not in table.column_names or not is_cell_type(
                table.schema.field(column).type
            ):
                continue
            classes = self._classes.get(column, ())
            try:
                several = table.column(column).combine_chunks()
                values[name] = cells_of(several, self.options.missing, classes)
            except Exception as error:  # text that is no UTF-8, times beyond the calendar
                raise Unreadable(f"has a damaged column {column} ({brief(error)})") from None
            if self.options.missing and (n := sum(one is None for one in values[name])):
                gathered.tally(f"Values of {name} taken for not measured", n)
        images = table.column(self._image)
        for row in rows:
            place = row - piece.first - start
            columns = {name: several[place] for name, several in values.items()}
            self._add(gathered, piece, row, images[place], columns)

    def _table(self, piece: Piece, start: int, stop: int, columns: list[str]) -> pa.Table:
        """As `_rows`, and what is read are images."""
        table = self._rows(piece, start, stop, columns)
        if self._image not in table.column_names:
            raise Unreadable(f"has no column {self._image}")
        if not image_kind(table.schema.field(self._image)):
            raise Unreadable(f"has something else in its column {self._image}")
        if table.num_rows != stop - start:
            raise Unreadable("is cut short")
        return table

    def _add(
        self,
        gathered: BatchBuilder,
        piece: Piece,
        row: int,
        value: pa.Scalar,
        columns: dict[str, CatalogueValue],
    ) -> None:
        object_id = f"{self._stem}-{row:0{self._id_width}d}"
        if self._id_column is not None:
            object_id = id_text(columns.pop(self._id_column, None))
        elif self._ids_from_paths:
            object_id = stem(path_of(value).replace("\\", "/")) or object_id
        if not object_id:
            reason = f"has nothing in its id column {self._id_column}"
            self._reject(gathered, piece, row, reason)
            return
        group_id = None
        if self.options.group_column is not None:
            group_id = id_text(columns.pop(self.options.group_column, None)) or None
        try:
            image, seen, told = self._encoded.object_of(image_of(value))
        except Unreadable as error:
            self._reject(gathered, piece, row, str(error))
            return
        for words in told:
            gathered.tally(words)
        shard = self._shards[piece.shard]
        if shard.split:
            columns["split"] = shard.split
        gathered.add(
            object_id,
            {**seen, **columns},  # the table knows better than the header of an image
            image=image,
            group_id=group_id,
            source=shard.shown(self.source),
            member=self._member(piece, row),
        )

    def _reject(self, gathered: BatchBuilder, piece: Piece, row: int, reason: str) -> None:
        name = self._shards[piece.shard].shown(self.source)
        gathered.reject(name, reason, self._member(piece, row))

    def _member(self, piece: Piece, row: int) -> str:
        return f"row {row - self._first_of[piece.shard]}"

    def _piece_of(self, row: int) -> Piece:
        return self._pieces[bisect.bisect_right(self._starts, row) - 1]

    def _path(self, shard: Shard) -> Path:
        return self.source / shard.path if shard.path else self.source

    @property
    def _stem(self) -> str:
        return re.sub(r"\.(parquet|pq|arrow)\Z", "", self.source.name) or "row"

    def _looked_at(self, schema: pa.Schema) -> tuple[Sample, pa.Table | None]:
        """Some images to judge by, and the first rows with their columns."""
        sample = Sample()
        first: pa.Table | None = None
        whole = [piece for piece in self._pieces if not piece.problem and piece.n_rows]
        step = max(1, len(whole) // _SAMPLE_PIECES)
        for piece in whole[::step][:_SAMPLE_PIECES]:
            names = [f.name for f in schema if f.name == self._image or is_cell_type(f.type)]
            try:
                stop = min(piece.n_rows, MOST_SAMPLE // _SAMPLE_PIECES)
                table = self._table(piece, 0, stop, names)
            except Unreadable as error:
                sample.reason = (
                    sample.reason or f"{self._shards[piece.shard].shown(self.source)} {error}"
                )
                continue
            first = table if first is None else first
            for place, value in enumerate(table.column(self._image)):
                name = self._member(piece, piece.first + place)
                try:
                    sample.add(name, image_of(value))
                except Unreadable as error:
                    sample.reason = sample.reason or f"{name} {error}"
        return sample, first

    def _choose_columns(self, schema: pa.Schema, first: pa.Table | None) -> None:
        options = self.options
        self._id_width = max(6, len(str(self.n_entries - 1)))
        cells = [f.name for f in schema if f.name != self._image and is_cell_type(f.type)]
        left_out = [
            f"{f.name} ({storage(f.type)})" for f in schema if f.name not in (*cells, self._image)
        ]
        if left_out:
            told = ", ".join(words[:80] for words in left_out[:20])
            self.notes.append(
                f"Columns that cannot stand in the catalogue and were left out: {told}."
            )
        given: dict[str, str] = {}
        meant = (
            (options.id_column, options.id_column),
            (options.group_column, options.group_column),
            (options.ra_column, "ra"),
            (options.dec_column, "dec"),
        )
        for wished, name in meant:
            if wished is None:
                continue
            if wished not in cells:
                raise BadInput(
                    f"Columns of {self.source} are {', '.join(cells) or 'none'}, but {wished!r}"
                    " is none of them; choose one of these."
                )
            given[wished] = str(name)
        self._ids_from_paths = False
        self._id_column = options.id_column
        if self._id_column is None and first is not None:
            self._guess_ids(first, cells)
        if self._id_column is not None:
            given[self._id_column] = self._id_column
        self._names = dict(given)
        for name in cells:
            if name not in given:
                self._names[name] = column_name(name, self._names.values())

    def _guess_ids(self, first: pa.Table, cells: list[str]) -> None:
        by_name = {name.lower(): name for name in reversed(cells)}
        for usual in ID_NAMES:
            name = by_name.get(usual)
            if name is not None and name in first.column_names and name not in self._classes:
                ids = [id_text(v) for v in cells_of(first.column(name).combine_chunks())]
                if all(ids) and len(set(ids)) == len(ids):
                    self._id_column = name
                    return
        paths = [stem(path_of(value).replace("\\", "/")) for value in first.column(self._image)]
        self._ids_from_paths = bool(paths) and all(paths) and len(set(paths)) == len(paths)
        if not self._ids_from_paths:
            self.notes.append(
                "No column of ids was found; objects are named by the source and their row,"
                " counted from 0."
            )

    def _column_infos(self) -> dict[str, ColumnInfo]:
        infos: dict[str, ColumnInfo] = {}
        for column, name in self._names.items():
            kind = "categorical" if column in self._classes else ""
            info = ColumnInfo(kind=kind, missing=self.options.missing)
            if info != ColumnInfo():
                infos[name] = info
        return infos


def _wished_splits(text: str | None) -> set[str] | None:
    if text is None or text.strip().lower() in ("", "all"):
        return None
    return {name.strip() for name in text.split(",") if name.strip()}


def chosen_splits(there: list[str], wished: set[str] | None) -> list[str]:
    """Names of the splits to read; raises `BadInput` for one that is not there."""
    if wished is None:
        return there
    unknown = sorted(wished - set(there))
    if unknown:
        raise BadInput(
            f"The splits are {', '.join(there) or 'not named'}, but `split` asks for"
            f" {unknown[0]!r}; choose among them."
        )
    return [name for name in there if name in wished]
