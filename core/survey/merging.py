"""Joins a catalogue and spectra to the objects of an import, once these are all known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.progress import Progress
from core.survey.astrometry import POSITION_COLUMNS
from core.survey.batch import Batch
from core.survey.catalogue import CatalogueWriter
from core.survey.options import ImportOptions
from core.survey.parallel import in_order
from core.survey.readers import Reader, make_reader
from core.workspace import storage_errors

if TYPE_CHECKING:
    from core.survey.matching.joining import Joiner
    from core.survey.writer import SurveyWriter

Join = Callable[[pa.Table], pa.Table]
"""More columns for the rows of a table; called for all rows in order, first for none."""

CHECKPOINT_SECONDS = 10.0


def position_names(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns of right ascension and declination in degrees, by name."""
    by_fold = {name.casefold(): name for name in names}
    for ra, dec in POSITION_COLUMNS:
        if ra in by_fold and dec in by_fold:
            return by_fold[ra], by_fold[dec]
    return None


def all_joins(joins: Sequence[Join]) -> Join | None:
    """Several joins as one; the first that brings a column has its name."""

    def join(table: pa.Table) -> pa.Table:
        found: dict[str, pa.ChunkedArray] = {}
        for one in joins:
            more = one(table)
            for name in more.column_names:
                found.setdefault(name, more.column(name))
        return pa.table(found)

    return join if joins else None


class CatalogueJoin:
    """A table whose rows belong to the objects by id or by sky position."""

    def __init__(self, joiner: Joiner, options: ImportOptions) -> None:
        self.joiner, self.options = joiner, options

    @classmethod
    def open(cls, options: ImportOptions) -> CatalogueJoin:
        """Raises `BadInput` if the table cannot be used."""
        from core.survey.matching.joining import Joiner

        assert options.catalogue is not None
        return cls(Joiner.open(Path(options.catalogue).expanduser(), options), options)

    def start(self, writer: SurveyWriter) -> Join:
        """The join for the rows of this import; those of an older version keep what they have."""
        self.joiner.rename(set(writer.new_column_names) | {"object_id", "group_id"})
        names = position_names(writer.column_names)
        if self.options.join == "sky" and names is None:
            raise BadInput(
                "A catalogue is joined by sky position to objects with columns ra and dec in"
                f" degrees, but these have {', '.join(writer.column_names)}; join it by id."
            )
        first_new, seen = writer.n_older, 0

        def join(table: pa.Table) -> pa.Table:
            nonlocal seen
            numbers = seen + np.arange(len(table))
            seen += len(table)
            ids = np.array(table.column("object_id").to_pylist(), dtype=object)
            ra = dec = None
            if names is not None:
                ra, dec = (_numbers(table.column(name)) for name in names)
            rows = np.full(len(table), -1, np.int64)
            new = numbers >= first_new
            if new.any():
                places = [None if one is None else one[new] for one in (ra, dec)]
                rows[new] = self.joiner.match(ids[new], *places)
            return self.joiner.take(rows)

        return join

    def report(self) -> list[str]:
        return list(self.joiner.report())


class SpectraJoin:
    """Spectra that belong to the objects by id or by sky position."""

    def __init__(self, reader: Reader, options: ImportOptions) -> None:
        self.reader, self.options = reader, options

    @classmethod
    def open(cls, options: ImportOptions) -> SpectraJoin:
        """Raises `BadInput` if there are no spectra in it."""
        assert options.spectra is not None
        path = Path(options.spectra).expanduser()
        reader = make_reader(
            path,
            ImportOptions(
                missing=options.missing,
                wavelength_min=options.wavelength_min,
                wavelength_max=options.wavelength_max,
                wavelength_step=options.wavelength_step,
            ),
        )
        if reader.layout.grid is None:
            raise BadInput(
                f"The spectra to join should be files of spectra, but {path} was taken for"
                f" {reader.description}; check the path."
            )
        return cls(reader, options)

    def join(
        self,
        writer: SurveyWriter,
        progress: Progress,
        *,
        workers: int,
        scheduler: str | None,
    ) -> Join:
        """Give the new objects their spectra; the join of the columns that came with these.

        A spectrum that belongs to no object, or to one that has a spectrum, becomes a reject.
        """
        with storage_errors(writer.partial):
            return self._join(writer, progress, workers=workers, scheduler=scheduler)

    def _join(
        self,
        writer: SurveyWriter,
        progress: Progress,
        *,
        workers: int,
        scheduler: str | None,
    ) -> Join:
        journal = writer.journal
        assert journal is not None
        late = writer.late_spectra_into()
        late.go_back(journal.spectra_done)
        find = self._finder(writer)
        folder = writer.partial / "late-columns"
        folder.mkdir(exist_ok=True)
        columns = CatalogueWriter(folder, journal.late_parts)
        done, last = 0, time.monotonic()
        units = (unit for unit in self.reader.units() if unit.index >= journal.spectra_done)
        for unit, batches in in_order(self.reader, units, workers=workers, scheduler=scheduler):
            for batch in batches:
                writer.tally.update(batch.tally)
                for reject in batch.rejects:
                    writer.reject(reject.source, reject.reason, reject.member)
                self._take(writer, batch, find(batch), partial(late.put, unit=unit.index), columns)
            done += unit.n_entries
            if time.monotonic() - last > CHECKPOINT_SECONDS:
                self._checkpoint(writer, columns, unit.index + 1)
                last = time.monotonic()
            progress(0.99, f"Joined {done:,} of {self.reader.n_entries:,} spectra.")
        columns.flush()
        writer.note(f"Spectra joined from {self.options.spectra}: {columns.n_rows:,}.")
        return _joined_columns(columns, folder, writer)

    def _checkpoint(self, writer: SurveyWriter, columns: CatalogueWriter, done: int) -> None:
        journal = writer.journal
        assert journal is not None
        columns.flush()
        journal.spectra_done, journal.late_parts = done, columns.n_parts
        writer.checkpoint(journal.n_units)

    def _take(
        self,
        writer: SurveyWriter,
        batch: Batch,
        rows: np.ndarray,
        put: Callable[..., bool],
        columns: CatalogueWriter,
    ) -> None:
        spectra = [None] * len(rows) if batch.spectra is None else batch.spectra
        sources = batch.object_ids if batch.sources is None else batch.sources
        members = [""] * len(rows) if batch.members is None else batch.members
        for at, (row, spectrum) in enumerate(zip(rows.tolist(), spectra, strict=True)):
            if row < 0:
                writer.reject(
                    sources[at], "its spectrum belongs to no object of the survey", members[at]
                )
            elif spectrum is None:
                writer.reject(sources[at], "has no spectrum", members[at])
            elif not put(row, spectrum):
                writer.reject(sources[at], "its object has another spectrum already", members[at])
            else:
                columns.add(f"{row:020d}", "", batch.columns[at])

    def _finder(self, writer: SurveyWriter) -> Callable[[Batch], np.ndarray]:
        if self.options.join == "id":
            return lambda batch: writer.rows_of(batch.object_ids)
        from scipy.spatial import cKDTree

        names = position_names(writer.column_names)
        if names is None:
            raise BadInput(
                "Spectra are joined by sky position to objects with columns ra and dec in"
                f" degrees, but these have {', '.join(writer.column_names)}; join them by id."
            )
        places = []
        for table in writer.columns(list(names)):
            both = [
                _numbers(table.column(name))
                if name in table.column_names
                else np.full(len(table), np.nan)
                for name in names
            ]
            places.append(np.stack(both, axis=-1))
        vectors = _vectors(np.concatenate(places))
        usable = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        tree = cKDTree(vectors[usable])
        chord = 2 * np.sin(np.radians(self.options.radius_arcsec / 3600) / 2)

        def find(batch: Batch) -> np.ndarray:
            positions = np.array(
                [[c.get("ra"), c.get("dec")] for c in batch.columns], dtype=np.float64
            ).reshape(-1, 2)
            rows = np.full(len(positions), -1, np.int64)
            asked = _vectors(positions)
            good = np.isfinite(asked).all(axis=1)
            if good.any() and len(usable):
                _far, nearest = tree.query(asked[good], distance_upper_bound=chord)
                rows[good] = np.append(usable, -1)[nearest]
            return rows

        return find


def _joined_columns(columns: CatalogueWriter, folder: Path, writer: SurveyWriter) -> Join:
    """The columns that came with the spectra, for the rows that these belong to."""
    if columns.n_rows == 0:
        return lambda _table: pa.table({})
    columns.finish(folder / "columns.parquet")
    table = pq.read_table(folder / "columns.parquet").sort_by("object_id")
    rows = np.array([int(one) for one in table.column("object_id").to_pylist()], np.int64)
    taken = {*writer.column_names, "object_id", "group_id"}
    values = table.drop_columns(["object_id", "group_id"])
    values = values.rename_columns(
        [f"{name}_spectrum" if name in taken else name for name in values.column_names]
    )
    seen = 0

    def join(piece: pa.Table) -> pa.Table:
        nonlocal seen
        wanted = seen + np.arange(len(piece))
        seen += len(piece)
        at = np.searchsorted(rows, wanted)
        found = (at < len(rows)) & (rows[np.minimum(at, len(rows) - 1)] == wanted)
        return values.take(pa.array(at, mask=~found))

    return join


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column as float64, NaN where a cell is missing or no number."""
    try:
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    except pa.ArrowInvalid:
        return np.full(len(column), np.nan)


def _vectors(degrees: np.ndarray) -> np.ndarray:
    """(N, 2) ra, dec in degrees -> (N, 3) unit vectors, NaN where a position is none."""
    ra, dec = np.radians(degrees).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
