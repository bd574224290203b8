"""Reads spectra: SDSS, BOSS, LAMOST and DESI files, archives, tables and text."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.errors import BadInput
from core.spectra import SpectralGrid, fitting_grid
from core.survey.batch import Batch, BatchBuilder, CatalogueValue, Spectrum
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import ImportOptions
from core.survey.readers.cells import column_name, id_text
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.source_file import brief
from core.survey.readers.spectra_files import how_sure, open_many, read_one
from core.survey.readers.spectra_listing import Entry, Listing, list_file, list_folder
from core.survey.readers.spectra_raw import (
    CGS_UNIT,
    FLUX_UNIT,
    UNIT_ASSUMED,
    RawSpectrum,
    Rules,
    converts,
    on_grid,
    tidy,
    with_unit,
)
from core.survey.readers.unreadable import Unreadable

SPECTRUM = "spectrum"
"""Name under which the layout's column information has the unit of the fluxes."""

_SAMPLE = 48
_TRIED = 200
_LOOKED_AT = 20
_NAME_UNIT = (
    "To name it where files do not say it: --set flux_unit=UNIT, or flux_unit=UNIT among the"
    " reader's settings."
)
_CUT = "Spectra that reach beyond the wavelength grid, whose ends were left out"

_COLUMNS = {
    "ra": ColumnInfo("deg", "right ascension (ICRS)"),
    "dec": ColumnInfo("deg", "declination (ICRS)"),
    "z": ColumnInfo("", "redshift"),
    "class": ColumnInfo("", "spectroscopic class", "categorical"),
    "subclass": ColumnInfo("", "spectroscopic subclass", "categorical"),
}


@register_reader("spectra", "spectra (SDSS, BOSS, LAMOST, DESI, FITS, NPZ, text; file or folder)")
class SpectraReader(Reader):
    """Spectra of a folder and the folders below it, or of one file, resampled onto one grid.

    - SDSS, BOSS: spec-PLATE-MJD-FIBER.fits; pixels with a bad `and_mask` are masked.
    - DESI: coadd-*.fits (spectra-*.fits where there are none), a row an object, the cameras
      co-added by inverse variance; redshifts from redrock-*.fits beside them.
    - LAMOST, and FITS tables or one-axis images with wavelength and flux; whatever else
      specutils reads.
    - NumPy archives with a row an object (see `spectra_npz`).
    - Text and ECSV with columns of wavelength, flux and perhaps an error.

    The object_id is the name of the file without its ending, DESI's TARGETID, or an archive's
    column of names. Wavelengths become those in vacuum, flux 1e-17 erg / (Angstrom s cm2)
    wherever the file's unit converts to it. Where there are no errors one inverse variance a
    spectrum is estimated from the scatter of its pixels, and counted.

    The grid reaches from the bluest to the reddest wavelength of a sample; spectra that lie on
    its pixels (SDSS on SDSS's) are copied exactly, others rebinned conserving flux.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "wavelengths": "air or vacuum, overriding what the files say; vacuum where none says it",
        "flux_unit": "unit of the fluxes where the files do not say it",
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        said = own.get("wavelengths")
        if said not in (None, "air", "vacuum"):
            raise BadInput(f"wavelengths must be air or vacuum, but is {said!r}; choose one.")
        self._unit_said = own.get("flux_unit", "")
        with np.errstate(over="ignore"):  # -999.9 in single precision is -999.9000244140625
            single = np.asarray(options.missing, np.float32).tolist()
        self._missing = frozenset((*options.missing, *single))
        self._is_file = _checked(source)
        self._found: Listing | None = self._listed()
        self.n_entries = self._found.n_entries
        if not self.n_entries:
            raise BadInput(_nothing(source, self._found))
        self._rules = Rules(air=None if said is None else said == "air")
        self._guess(self._found)
        self.notes += _notes(self._found)

    @classmethod
    def recognises(cls, source: Path) -> int:
        try:
            if source.is_file():
                return how_sure(source)
            if not source.is_dir():
                return 0
            sure = [how_sure(path) for path in _first_files(source, _LOOKED_AT)]
            # One odd file among pictures, such as a list of numbers, makes no set of spectra.
            return min(max(sure), 80) if sum(map(bool, sure)) >= max(1, len(sure) / 2) else 0
        except (OSError, ValueError):
            return 0

    def units(self) -> Iterator[Unit]:
        if self._found is None:
            self._found = self._listed()
        entries = self._found.entries()
        step = self.layout.unit_entries
        for number in itertools.count():
            part = list(itertools.islice(entries, step))
            if not part:
                return
            yield Unit(number, len(part), part)

    def read(self, unit: Unit) -> Iterator[Batch]:
        gathered = BatchBuilder()
        for path, entries in itertools.groupby(unit.what, key=_path_of):
            for rows in _alike(list(entries)):
                if rows is None:
                    self._read_file(path, gathered)
                else:
                    self._read_rows(path, rows, gathered)
        yield gathered.take()

    def __getstate__(self) -> dict[str, Any]:
        # What reads needs no list of files, which may be long.
        return self.__dict__ | {"_found": None}

    def _listed(self) -> Listing:
        if self._is_file:
            return list_file(self.source, self._count)
        catalogue = self.options.catalogue
        besides = None if catalogue is None else Path(catalogue).expanduser()
        return list_folder(self.source, self._count, besides)

    def _count(self, path: Path) -> int | None:
        try:
            with open_many(path) as file:
                return len(file)
        except Exception:  # told when it is read
            return None

    def _place(self, path: str) -> Path:
        return self.source if self._is_file else self.source / path

    def _read_file(self, path: str, gathered: BatchBuilder) -> None:
        place = self._place(path)
        try:
            if place.is_dir():
                raise Unreadable("may not be listed by this user")
            ready = self._ready(read_one(place), path, gathered)
        except Unreadable as error:
            gathered.reject(path, str(error))
        except Exception as error:  # decoders meet hostile bytes and raise anything
            gathered.reject(path, f"cannot be decoded ({brief(error)})")
        else:
            _add(gathered, ready, path)

    def _read_rows(self, path: str, rows: list[int], gathered: BatchBuilder) -> None:
        """Some rows of a file; none of them if the file turns out to have changed meanwhile."""
        done: dict[int, _Ready | str] = {}
        told = BatchBuilder()
        reason = ""
        try:
            with open_many(self._place(path)) as file:
                for words in file.problems if 0 in rows else ():  # once a file
                    told.tally(words)
                for row, raw in file.spectra(rows):
                    try:
                        done[row] = raw if isinstance(raw, str) else self._ready(raw, path, told)
                    except Unreadable as error:
                        done[row] = str(error)
        except Unreadable as error:
            reason = str(error)
        except Exception as error:  # decoders meet hostile bytes and raise anything
            reason = f"cannot be decoded ({brief(error)})"
        for words, n in told.take().tally.items():
            gathered.tally(words, n)
        for row in rows:
            found = reason or done.get(row, "could not be read")
            if isinstance(found, str):
                gathered.reject(path, found, f"row {row}")
            else:
                _add(gathered, found, path, f"row {row}")

    def _ready(self, raw: RawSpectrum, path: str, told: BatchBuilder) -> _Ready:
        """What goes into the survey; raises `Unreadable`."""
        heard: list[str] = []
        said = with_unit(raw, self._unit_said)
        if said.flux_unit == CGS_UNIT and not raw.flux_unit and not self._unit_said:
            heard.append(UNIT_ASSUMED)
        tidied = tidy(said, self._rules, heard.append)
        grid = self.layout.grid
        assert grid is not None
        spectrum = on_grid(tidied, grid)
        low = min(one.wavelength[0] for one in tidied.parts)
        high = max(one.wavelength[-1] for one in tidied.parts)
        slack = 10.0**grid.log10_step
        if low * slack < grid.edges[0] or high > grid.edges[-1] * slack:
            heard.append(_CUT)
        for words in dict.fromkeys(heard):
            told.tally(words)
        columns: dict[str, CatalogueValue] = {}
        for name, value in raw.columns.items():
            is_missing = isinstance(value, (int, float)) and value in self._missing
            columns[name] = None if is_missing else value
        options = self.options
        object_id, group_id = raw.object_id, raw.group_id
        if options.id_column is not None:
            object_id = id_text(columns.pop(options.id_column, None))
            if not object_id:
                raise Unreadable(f"has nothing in its id column {options.id_column}")
        if options.group_column in columns:
            group_id = id_text(columns.pop(options.group_column)) or object_id
        for target, given in (("ra", options.ra_column), ("dec", options.dec_column)):
            if given is not None and given in columns:
                columns[target] = columns[given]
        named = {"file_name": path} | columns
        safe: dict[str, CatalogueValue] = {}
        for name, value in named.items():
            safe[column_name(name, safe)] = value
        return _Ready(object_id, group_id, safe, spectrum)

    def _guess(self, found: Listing) -> None:
        """The grid and the flux unit, from a sample."""
        sample, reason = self._sampled(found)
        if not sample:
            raise BadInput(
                f"None of the spectra looked at in {self.source} can be used (for one,"
                f" {reason}); check the files."
            )
        self._check_columns({name for raw in sample for name in raw.columns})
        units = [raw.flux_unit for raw in sample]
        known = [converts(unit) for unit in units]
        convert = any(known)
        kept = Counter(unit for unit, converted in zip(units, known, strict=True) if not converted)
        most = max(filter(None, kept), key=lambda one: kept[one], default="")
        unit = FLUX_UNIT if convert else most
        self._rules = Rules(convert, self._rules.air, "" if convert else unit)
        differs = len(kept) + convert > 1
        options = self.options
        waves = [part.wavelength for raw in sample for part in raw.parts]
        grid = fitting_grid(
            waves, options.wavelength_min, options.wavelength_max, options.wavelength_step
        )
        self.settings = {
            "grid": _told(grid),
            "flux_unit": "differs" if differs else unit or "not known",
            "files": dict(found.kinds),
            "sampled": len(sample),
        }
        about = dict(_COLUMNS)
        about[SPECTRUM] = ColumnInfo("" if differs else unit, "flux density of the spectra")
        if differs:
            n_known = len(units) - sum(kept.values())
            counts = [f"{FLUX_UNIT} {n_known:,}"] if convert else []
            counts += [f"{one or 'unknown'} {n:,}" for one, n in kept.most_common(6)]
            self.notes.append(
                "The flux of the spectra is not in one unit (of those looked at:"
                f" {', '.join(counts)}). {_NAME_UNIT}"
            )
        else:
            self.notes.append(
                f"The flux of the spectra is in {unit}."
                if unit
                else f"The unit of the fluxes is not known. {_NAME_UNIT}"
            )
        self.layout = Layout(
            grid=grid,
            origin=options.origin or f"spectra {self.source.name}",
            licence=options.licence or "not stated",
            columns=about,
        )

    def _check_columns(self, there: set[str]) -> None:
        options = self.options
        for what in ("id_column", "group_column", "ra_column", "dec_column"):
            name = getattr(options, what)
            if name is not None and name not in there:
                raise BadInput(
                    f"The {what.replace('_', ' ')} (--{what.replace('_', '-')}) must be one of"
                    f" {', '.join(sorted(there)) or 'none'}, but is {name!r}; choose one of these."
                )

    def _sampled(self, found: Listing) -> tuple[list[RawSpectrum], str]:
        """Tidied spectra from all over, and why one could not be used."""
        sample: list[RawSpectrum] = []
        reason = "nothing"
        entries = found.spread(_SAMPLE)
        rest = itertools.islice(found.entries(), _TRIED)
        for number, entry in enumerate(itertools.chain(entries, rest)):
            if number >= len(entries) and sample:
                break
            path, row = (entry, None) if isinstance(entry, str) else (str(entry[0]), entry[1])
            try:
                raw = with_unit(self._one(path, row), self._unit_said)
                sample.append(tidy(raw, self._rules, lambda _words: None))
            except Unreadable as error:
                reason = f"{path} {error}"
            except Exception as error:  # decoders meet hostile bytes and raise anything
                reason = f"{path} cannot be decoded ({brief(error)})"
        return sample, reason

    def _one(self, path: str, row: Any) -> RawSpectrum:
        if row is None:
            return read_one(self._place(path))
        with open_many(self._place(path)) as file:
            raw = next(file.spectra([row]))[1]
        if isinstance(raw, str):
            raise Unreadable(raw)
        return raw


class _Ready:
    """An object that waits for its file to be closed."""

    def __init__(
        self,
        object_id: str,
        group_id: str | None,
        columns: dict[str, CatalogueValue],
        spectrum: Spectrum,
    ) -> None:
        self.object_id, self.group_id = object_id, group_id
        self.columns, self.spectrum = columns, spectrum


def _add(gathered: BatchBuilder, ready: _Ready, source: str, member: str = "") -> None:
    gathered.add(
        ready.object_id,
        ready.columns,
        spectrum=ready.spectrum,
        group_id=ready.group_id,
        source=source,
        member=member,
    )


def _path_of(entry: Entry) -> str:
    return entry if isinstance(entry, str) else str(entry[0])


def _alike(entries: list[Entry]) -> Iterator[list[int] | None]:
    """Entries of one path: None for each that is the whole file, the rows of the others."""
    for is_whole, several in itertools.groupby(entries, key=lambda one: isinstance(one, str)):
        if is_whole:
            yield from (None for _ in several)
        else:
            yield [int(one[1]) for one in several]


def _checked(source: Path) -> bool:
    """Whether the source is a file (else it is a folder); raises `BadInput`."""
    try:
        if source.is_file():
            return True
        if not source.is_dir():
            there = "is no plain file or folder" if source.exists() else "is not there"
            raise BadInput(f"The source of spectra {source} {there}; check the path.")
        if not os.access(source, os.R_OK | os.X_OK):
            raise BadInput(
                f"The folder {source} may not be read by this user; change its permissions."
            )
    except OSError as error:
        raise BadInput(f"{source} cannot be read ({error.strerror}); check the path.") from None
    return False


def _first_files(folder: Path, count: int) -> Iterator[Path]:
    """Some files from the first folders that have any."""
    n = 0
    for place, subfolders, files in os.walk(folder):
        subfolders.sort()
        for name in sorted(files):
            yield Path(place) / name
            n += 1
            if n >= count:
                return


def _nothing(source: Path, found: Listing) -> str:
    there = f"{found.n_others} other files" if found.n_others else "nothing"
    return (
        f"{source} should hold spectra (.fits, .npz, .ecsv, .txt, .csv ...), but holds {there};"
        " name another folder or reader."
    )


def _told(grid: SpectralGrid) -> dict[str, float]:
    return {
        "from_angstrom": round(float(grid.wavelength[0]), 3),
        "to_angstrom": round(float(grid.wavelength[-1]), 3),
        "log10_step": grid.log10_step,
        "pixels": grid.n,
    }


def _notes(found: Listing) -> list[str]:
    counted = (
        ("Files that are no spectra by their endings and were left out", found.n_others),
        ("DESI files of single exposures, left out beside co-added ones", found.n_exposures),
        ("Files of redshifts, used for the spectra they belong to", found.n_redshifts),
        ("Linked folders that were not entered", found.n_linked_folders),
    )
    return [f"{words}: {n}." for words, n in counted if n]
