"""Joins a catalogue to objects, by their ids or by their places on the sky."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.ids import id_hashes
from core.survey.layout import ColumnInfo
from core.survey.matching.joining_store import RowStore
from core.survey.options import ImportOptions
from core.survey.positions.columns import PositionColumns, find_positions
from core.survey.tables import open_table
from core.survey.tables.base import TableSource, UnreadableRows, listed
from core.survey.tables.ids import ID_NAMES, id_candidates, id_texts

SEPARATION = "separation_arcsec"
_SUFFIX = "_cat"
_RESERVED = ("object_id", "group_id")
_KNOWN_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".fits", ".fit", ".fts", ".fz", ".gz", ".bz2")
)


class Joiner:
    """Rows of a catalogue for objects that come some at a time.

    `match` says which row belongs to which object, `take` hands over the columns of these rows,
    `report` tells at the end what was joined. What an object gets does not depend on which
    others it came with. It holds an open temporary file and is not pickled.

    Attributes
    ----------
    columns
        What will come, by the name under which it comes.
    notes
        Sentences about the catalogue itself.
    separation_arcsec
        (N,) distances of the last `match` by sky, NaN where nothing matched.
    """

    def __init__(self, table: TableSource, options: ImportOptions) -> None:
        self._table = table
        self._by_sky = options.join == "sky"
        self._radius = options.radius_arcsec
        self.notes = list(table.notes)
        self._names = {name: name for name in table.columns if name not in table.truth}
        self._used = np.zeros(table.n_rows, np.uint8)
        self._n_objects = self._n_matched = self._n_by_stem = 0
        self._n_without_place = self._n_second = self._n_places_bad = 0
        self._last = np.empty(0, np.int64)
        self.separation_arcsec = np.empty(0)
        self._store = RowStore(table)
        self._match_by: _ById | _BySky
        if self._by_sky:
            self._match_by = _BySky(self._store, table, _places(table, options), self._radius)
            self._n_places_bad = self._match_by.n_bad
        else:
            self._match_by = _ById(self._store, table, _id_column(table, options))
            self._names.pop(self._match_by.name, None)
        self.rename(set())

    @classmethod
    def open(cls, path: Path, options: ImportOptions) -> Joiner:
        """Open a catalogue; raises `BadInput` if it cannot be joined as `options` say."""
        try:
            return cls(open_table(path, missing=options.missing), options)
        except UnreadableRows as error:
            raise BadInput(f"The catalogue {path} {error}; check the file.") from None

    def rename(self, existing: set[str]) -> dict[str, str]:
        """Let columns that are named like `existing` ones come as NAME_cat; says which do."""
        changed = {}
        taken = existing | set(_RESERVED) | ({SEPARATION} if self._by_sky else set())
        names: dict[str, str] = {}
        for name in self._names:
            new = name
            while new in taken or new in names.values() or (new != name and new in self._names):
                new += _SUFFIX
            names[name] = new
            if new != name:
                changed[name] = new
        self._names = names
        self.columns = {new: self._table.columns[name] for name, new in names.items()}
        self._separation = SEPARATION
        while self._by_sky and self._separation in existing:
            self._separation += _SUFFIX
        if self._by_sky:
            self.columns[self._separation] = ColumnInfo(
                "arcsec", f"Distance to the row of {self._table.path.name}"
            )
        return changed

    def match(
        self,
        object_ids: Sequence[str] | np.ndarray,
        ra: np.ndarray | None = None,
        dec: np.ndarray | None = None,
    ) -> np.ndarray:
        """(N,) int64 row of the catalogue for each object, -1 where there is none.

        `ra` and `dec` in degrees (NaN where unknown) are needed for a join by sky.
        """
        n = len(object_ids)
        if isinstance(self._match_by, _BySky):
            if ra is None or dec is None:
                ra = dec = np.full(n, np.nan)
            ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
            rows, self.separation_arcsec, seconds = self._match_by.rows(ra, dec)
            self._n_without_place += int((~(np.isfinite(ra) & np.isfinite(dec))).sum())
            self._n_second += int(seconds.sum())
        else:
            rows, by_stem = self._match_by.rows([str(one) for one in object_ids])
            self._n_by_stem += by_stem
        hit = rows[rows >= 0]
        self._n_objects += n
        self._n_matched += len(hit)
        if len(hit):
            different, counts = np.unique(hit, return_counts=True)
            total = self._used[different].astype(np.int64) + counts
            self._used[different] = np.minimum(total, 2)
        self._last = rows
        return rows

    def take(self, rows: np.ndarray) -> pa.Table:
        """The columns of the rows that `match` just gave; null where a row is -1.

        More rows that are -1 may stand between them.
        """
        rows = np.asarray(rows, np.int64)
        table = self._store.take(rows, list(self._names))
        table = table.rename_columns([self._names[name] for name in table.column_names])
        if self._by_sky:
            there, known = rows >= 0, self._last >= 0
            if there.any() and not np.array_equal(rows[there], self._last[known]):
                raise ValueError("take wants the rows that match gave last")
            far = np.full(len(rows), np.nan)
            if there.any():
                far[there] = self.separation_arcsec[known]
            table = table.append_column(self._separation, pa.array(far, mask=~there))
        return table

    def report(self) -> list[str]:
        """What was joined, in sentences."""
        table = self._table
        how = f"within {self._radius:g} arcsec" if self._by_sky else "by id"
        without = self._n_objects - self._n_matched
        told = [
            f"Catalogue {table.path.name}: {self._n_matched} of {self._n_objects} objects have a"
            f" row ({how}), {without} have none."
        ]
        counted = (
            ("Objects without a usable position", self._n_without_place),
            ("Objects with a second row of the catalogue within the radius", self._n_second),
            ("Objects matched by file name without its ending", self._n_by_stem),
            ("Rows of the catalogue that belong to several objects", int((self._used > 1).sum())),
            ("Rows of the catalogue that no object has", int((self._used == 0).sum())),
            ("Rows of the catalogue without a usable position", self._n_places_bad),
        )
        told += [f"{words}: {n}." for words, n in counted if n]
        if isinstance(self._match_by, _ById):
            told += self._match_by.notes
        if table.n_bad:
            where, why = table.bad(0, 1)[0]
            told.append(
                f"Entries of the catalogue that could not be read: {table.n_bad} (the first, at"
                f" {where}, {why})."
            )
        told += [
            f"Cells of the catalogue's column {name!r} that stood for 'not measured': {n}."
            for name, n in sorted(self._store.n_missing.items())
        ]
        told += [f"Catalogue {table.path.name}: {note}" for note in self.notes]
        changed = [f"{name!r} as {new!r}" for name, new in self._names.items() if name != new]
        if self._n_objects and not self._n_matched and isinstance(self._match_by, _ById):
            told.append(
                f"No object was matched by the catalogue's column {self._match_by.name!r}; name"
                " another with id_column."
            )
        if changed:
            told.append(f"Columns of the catalogue whose names were taken: {listed(changed)}.")
        return told


class _ById:
    """Hash of every id, sorted; a hit is looked up in full."""

    def __init__(self, store: RowStore, table: TableSource, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._store = store
        hashes, stems, stem_rows = [], [], []
        n_empty = 0
        for start, piece in store.pieces([name]):
            texts = [normal_id(text) for text in id_texts(piece.column(name))]
            n_empty += sum(not text for text in texts)
            hashes.append(id_hashes(texts))
            short = [(row, stem(text)) for row, text in enumerate(texts, start)]
            short = [(row, one) for row, one in short if one != texts[row - start]]
            stems += [one for _row, one in short]
            stem_rows += [row for row, _one in short]
        self._whole = _Hashes(np.concatenate(hashes), np.arange(table.n_rows))
        self._stems = _Hashes(id_hashes(stems), np.array(stem_rows, np.int64))
        n_doubled = self._whole.n_doubled - max(0, n_empty - 1)
        if n_empty:
            self.notes.append(f"Rows of the catalogue without an id: {n_empty}.")
        if n_doubled > 0:
            self.notes.append(
                f"Rows of the catalogue whose id stands above them already: {n_doubled}; the"
                " first row of an id was taken."
            )

    def rows(self, object_ids: Sequence[str]) -> tuple[np.ndarray, int]:
        """Row of each id or -1, and how many were found by their stem."""
        plain = [normal_id(one) for one in object_ids]
        rows = self._found(self._whole, plain, False)
        missing: list[int] = np.flatnonzero(rows < 0).tolist()
        # The id with its ending cut may be the catalogue's, or the other way round.
        for hashes, as_stem in ((self._whole, False), (self._stems, True)):
            left = [at for at in missing if rows[at] < 0]
            if left:
                rows[left] = self._found(hashes, [stem(plain[at]) for at in left], as_stem)
        return rows, int((rows[missing] >= 0).sum())

    def _found(self, hashes: _Hashes, wanted: Sequence[str], as_stem: bool) -> np.ndarray:
        first, last = hashes.spans(id_hashes(list(wanted)))
        rows = np.full(len(wanted), -1, np.int64)
        known = np.array([bool(one) for one in wanted], bool)
        asked: list[int] = np.flatnonzero((last > first) & known).tolist()
        if not asked:
            return rows
        candidates = hashes.rows[first[asked]]
        texts = self._texts(candidates, as_stem)
        for at, row, text in zip(asked, candidates, texts, strict=True):
            if text == wanted[at]:
                rows[at] = row
                continue
            # Another id has the same hash; what belongs here stands behind it.
            for other in hashes.rows[first[at] + 1 : last[at]]:
                if self._texts(np.array([other]), as_stem)[0] == wanted[at]:
                    rows[at] = other
                    break
        return rows

    def _texts(self, rows: np.ndarray, as_stem: bool) -> list[str]:
        column = self._store.take(rows, [self.name]).column(self.name)
        texts = [normal_id(text) for text in id_texts(column)]
        return [stem(text) for text in texts] if as_stem else texts


class _Hashes:
    """Sorted 64-bit hashes with the rows that have them; equal ones in the order of rows."""

    def __init__(self, hashes: np.ndarray, rows: np.ndarray) -> None:
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self.rows = rows[order]

    @property
    def n_doubled(self) -> int:
        return int((self._hashes[1:] == self._hashes[:-1]).sum())

    def spans(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each hash begins and ends."""
        first = np.searchsorted(self._hashes, hashes, side="left")
        return first, np.searchsorted(self._hashes, hashes, side="right")


class _BySky:
    """The nearest row within a radius, by a tree of unit vectors."""

    def __init__(
        self, store: RowStore, table: TableSource, where: PositionColumns, radius_arcsec: float
    ) -> None:
        from scipy.spatial import cKDTree

        vectors = np.empty((table.n_rows, 3))
        for start, piece in store.pieces(list(where.names)):
            degrees = where.degrees(piece)
            vectors[start : start + len(piece)] = unit_vectors(degrees.ra, degrees.dec)
        usable = np.isfinite(vectors[:, 0])
        self.n_bad = int((~usable).sum())
        if not usable.any():
            raise BadInput(
                f"No row of {table.path} has a position that can be used; check its columns"
                f" {listed(list(where.names))}."
            )
        self._rows = np.flatnonzero(usable)
        self._tree = cKDTree(vectors[usable] if self.n_bad else vectors, leafsize=32)
        self._radius = radius_arcsec

    def rows(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row or -1, separation in arcsec, and whether a second row lies within the radius."""
        n = len(ra)
        rows = np.full(n, -1, np.int64)
        far = np.full(n, np.nan)
        seconds = np.zeros(n, bool)
        known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90))
        if not len(known):
            return rows, far, seconds
        # A hair more than the radius: the distance itself decides below.
        chord = 2 * np.sin(min(np.radians(self._radius / 3600), np.pi) / 2) * (1 + 1e-9) + 1e-15
        chords, found = self._tree.query(
            unit_vectors(ra[known], dec[known]), k=[1, 2], distance_upper_bound=chord
        )
        # The chord of unit vectors in double precision is good to 1e-10 arcsec.
        near = 3600 * np.degrees(2 * np.arcsin(np.minimum(chords, 2.0) / 2))
        within = np.isfinite(chords) & (near <= self._radius)
        # Of two at one distance the upper row, whatever the tree says first.
        pick = found[:, 0].copy()
        equal = within.all(axis=1) & (near[:, 0] == near[:, 1])
        pick[equal] = found[equal].min(axis=1)
        good = within[:, 0]
        rows[known[good]] = self._rows[pick[good]]
        far[known[good]] = near[good, 0]
        seconds[known] = within[:, 1]
        return rows, far, seconds


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """(N, 3) from degrees."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def normal_id(text: str | None) -> str:
    """An id as it is compared: stripped, composed (NFC), whole numbers without a point."""
    if text is None:
        return ""
    plain = unicodedata.normalize("NFC", text.strip())
    whole, point, zeros = plain.partition(".")
    if point and zeros.strip("0") == "" and whole.lstrip("+-").isdecimal():
        return whole
    return plain


def stem(text: str) -> str:
    """A file name without its folders and without the endings of pictures and FITS files."""
    name = PurePosixPath(text.replace("\\", "/")).name if "/" in text or "\\" in text else text
    while True:
        bare, point, ending = name.rpartition(".")
        if not point or not bare or f".{ending.lower()}" not in _KNOWN_ENDINGS:
            return name
        name = bare


def _id_column(table: TableSource, options: ImportOptions) -> str:
    """The column of the ids; twice the same id is no hindrance here."""
    names = list(table.columns)
    if options.id_column in names:
        return str(options.id_column)
    candidates = id_candidates(names)
    if candidates:
        return candidates[0]
    if options.id_column is not None:
        raise BadInput(
            f"The catalogue {table.path} has no column {options.id_column!r} (there:"
            f" {listed(names)}); choose one of these."
        )
    raise BadInput(
        f"The catalogue {table.path} should have a column of ids to be joined by, named such as"
        f" {', '.join(ID_NAMES[:4])}, but has {listed(names)}; name its column."
    )


def _places(table: TableSource, options: ImportOptions) -> PositionColumns:
    if not {options.ra_column, options.dec_column} & set(table.columns):
        # The names are those of what the objects come from.
        options = replace(options, ra_column=None, dec_column=None)
    where = find_positions(table, options)
    if where is None:
        raise BadInput(
            f"The catalogue {table.path} should have positions to be joined by, in columns such"
            f" as ra and dec, but has {listed(list(table.columns))}; name its columns."
        )
    return where
