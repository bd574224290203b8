"""Catalogues of the known: a table of the user's, lenscat, and services that are asked online.

What is written behind `--with`: a path ("lenses.csv", or "NAME=lenses.csv" under another name),
"lenscat", "simbad" or "vizier:TABLE".
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput, NotReady
from core.progress import Progress
from core.survey.batch import CatalogueValue, Reject
from core.survey.matching.crossmatch import Found, KnownCatalogue
from core.survey.matching.known_http import ServiceSettings
from core.survey.matching.known_services import Simbad, VizieR
from core.survey.matching.sphere import Positions, pairs_within
from core.survey.options import ImportOptions

__all__ = ["KnownColumns", "KnownTable", "ServiceSettings", "open_known"]

LENSCAT, SIMBAD, VIZIER = "lenscat", "simbad", "vizier"

TYPE_COLUMNS = (
    *("otype", "main_type", "type", "object_type", "objtype", "obj_type"),
    *("class", "spclass", "spectype", "classification", "category"),
)
"""Columns that say what a known object is, where nobody named one; compared without case."""

NAME_COLUMNS = (
    *("main_id", "name", "iauname", "iau_name", "designation", "object_name", "objname"),
    *("obj_name", "target_name", "source_name", "lens_name"),
)
"""Columns that name a known object, where nobody named one; unlike ids they may come twice."""

_ROWS_AT_ONCE = 50_000
_HASH_BYTES = 1 << 20
_MAX_LABEL = 64


@dataclass(frozen=True)
class KnownColumns:
    """Which columns of the user's tables mean what; found by their names where left out."""

    name: str | None = None
    type: str | None = None
    ra: str | None = None
    dec: str | None = None


def open_known(
    said: str,
    columns: KnownColumns | None = None,
    settings: ServiceSettings | None = None,
) -> KnownCatalogue:
    """The catalogue that somebody named.

    Raises
    ------
    BadInput
        It is neither a file nor one of the names, or the file has no positions.
    NotReady
        lenscat is not installed.
    """
    chosen, service = columns or KnownColumns(), settings or ServiceSettings()
    text = said.strip()
    if text.lower() == LENSCAT:
        return _lenscat()
    if text.lower() == SIMBAD:
        return Simbad(service)
    if text.lower().startswith(f"{VIZIER}:"):
        return VizieR(text.partition(":")[2].strip(), service, chosen.name, chosen.type)
    label, equals, rest = text.partition("=")
    if equals and not Path(text).expanduser().exists():
        return KnownTable(Path(rest.strip()).expanduser(), chosen, label=label.strip())
    path = Path(text).expanduser()
    if not path.exists():
        raise BadInput(
            f"A catalogue of the known is a file, {LENSCAT}, {SIMBAD} or {VIZIER}:TABLE (such as"
            f" {VIZIER}:VII/294/catalog), but {said[:200]!r} is none of these; check the path."
        )
    return KnownTable(path, chosen)


def _lenscat() -> KnownTable:
    # Found without importing it: its package brings in plotting and sky-map libraries.
    spec = importlib.util.find_spec(LENSCAT)
    places = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(places[0]) / "data" / "catalog.csv" if places else None
    if path is None or not path.is_file():
        raise NotReady(
            "The catalogue of lenses lenscat is not installed; run `pip install --no-deps lenscat`"
            " and try again."
        )
    try:
        version = metadata.version(LENSCAT)
    except metadata.PackageNotFoundError:
        version = "unknown"
    columns = KnownColumns("name", None, "RA [deg]", "DEC [deg]")
    return KnownTable(
        path, columns, label=LENSCAT, types=("type", "grading"), word="lens", version=version
    )


class KnownTable:
    """A table of known objects: CSV, Parquet, FITS, VOTable, ECSV ...; read in pieces.

    Parameters
    ----------
    columns
        Which column means what, where the names do not say.
    label
        How it is called; the file's name without its ending when left out.
    types
        Columns of which the type is made, in place of `columns.type`.
    word
        Put before the type.
    version
        Of the package that it came with.
    """

    def __init__(
        self,
        path: Path,
        columns: KnownColumns,
        *,
        label: str | None = None,
        types: Sequence[str] = (),
        word: str = "",
        version: str | None = None,
    ) -> None:
        from core.survey.positions import open_positions

        self.path = path
        self.label = _checked_label(path.stem if label is None else label)
        self.notes: list[str] = []
        self._word, self._version = word, version
        self._n_rows = self._n_unusable = 0
        options = ImportOptions(
            id_column=columns.name, ra_column=columns.ra, dec_column=columns.dec
        )
        self._before = _stat(path)
        self._source = open_positions(path, options)
        name = _first_of(NAME_COLUMNS, self._source.columns)
        if columns.name is None and name is not None:
            self._source = open_positions(path, replace(options, id_column=name))
        self.types = tuple(types) or self._type_columns(columns.type)

    def _type_columns(self, named: str | None) -> tuple[str, ...]:
        there = list(self._source.columns)
        if named is not None:
            if named not in there:
                raise BadInput(
                    f"{self.path} has no column {named!r} (there: {', '.join(there)[:300]}); name"
                    " one of these for the type."
                )
            return (named,)
        found = _first_of(TYPE_COLUMNS, there)
        return () if found is None else (found,)

    def near(
        self, positions: Positions, radius_arcsec: float, progress: Progress
    ) -> Iterator[Found]:
        """What lies within the radius of the survey's objects, a piece of the table at a time."""
        n = self._source.n_entries
        self._n_rows, self._n_unusable = n, 0
        for start in range(0, n, _ROWS_AT_ONCE):
            progress(start / n, f"{start:,} of {n:,} rows looked through")
            ra, dec, names, types = self._piece(start, min(start + _ROWS_AT_ONCE, n))
            for rows, points, sep in pairs_within(positions, ra, dec, radius_arcsec):
                chosen = points.tolist()
                yield Found(rows, sep, [names[p] for p in chosen], [types[p] for p in chosen])
        if _stat(self.path) != self._before:
            raise BadInput(
                f"{self.path} was changed while it was being read; run the cross-match again."
            )
        # What is odd about a package's table is not the user's to mend.
        # Nor does it matter here what an import could be told of missing values and ids.
        own = () if self._version else self._source.notes
        import_only = ("--missing=", "--id-column")
        self.notes = [
            f"{self.label}: {note}" for note in own if not any(one in note for one in import_only)
        ]
        if self._n_unusable:
            self.notes.append(
                f"{self._n_unusable:,} of the {n:,} rows of {self.label} have no usable position"
                " or no name and were passed over."
            )

    def _piece(
        self, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, list[str], list[str | None]]:
        ra, dec = [], []
        names: list[str] = []
        types: list[str | None] = []
        for one in self._source.rows(start, stop):
            if isinstance(one, Reject):
                self._n_unusable += 1
                continue
            ra.append(one.ra)
            dec.append(one.dec)
            names.append(one.object_id)
            types.append(self._type(one.columns))
        return np.array(ra, np.float64), np.array(dec, np.float64), names, types

    def _type(self, columns: dict[str, CatalogueValue]) -> str | None:
        said = [columns.get(name) for name in self.types]
        words = [str(one).strip() for one in said if one is not None and one == one]
        return ", ".join(word for word in (self._word, *words) if word) or None

    def provenance(self) -> dict[str, Any]:
        """Path, hash and counts, for the record."""
        return {
            "source": str(self.path),
            "sha256": _hash(self.path),
            "rows": self._n_rows,
            "rows_without_position": self._n_unusable,
            **({"version": self._version} if self._version else {}),
        }


def _first_of(wanted: Sequence[str], there: Iterable[str]) -> str | None:
    """The first of `wanted` that is there, as it is written there."""
    lowered = {name.lower(): name for name in reversed(list(there))}
    return next((lowered[one] for one in wanted if one in lowered), None)


def _checked_label(label: str) -> str:
    clean = "".join(c if c.isprintable() and c not in "()" else " " for c in label).strip()
    if not clean:
        raise BadInput(f"A catalogue has a name, but {label!r} is none; write NAME=PATH.")
    return clean[:_MAX_LABEL]


def _files(path: Path) -> list[Path]:
    """The file, or those of a folder of Parquet shards."""
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _stat(path: Path) -> list[tuple[str, int, int]]:
    found = []
    for one in _files(path):
        try:
            about = os.stat(one)
        except OSError as error:
            raise BadInput(f"{one} cannot be read ({error.strerror}); check it.") from None
        found.append((str(one), about.st_size, about.st_mtime_ns))
    return found


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for one in _files(path):
        with open(one, "rb") as handle:
            while block := handle.read(_HASH_BYTES):
                digest.update(block)
    return digest.hexdigest()
