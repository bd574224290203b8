"""NumPy archives of spectra: an array of wavelengths, fluxes with a row an object, and columns.

Known names (without regard to case): `wavelength`, `wave`, `loglam` ...; `flux`; `ivar`, or
`error`, `sigma` ...; `mask`. Where nothing is named flux, every array whose rows are as long as
the wavelengths holds spectra. Arrays with a value an object become columns.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from core.survey.batch import CatalogueValue
from core.survey.readers.cells import ID_NAMES, cells, holds_cells, id_text
from core.survey.readers.spectra_fits import (
    FLUXES,
    LOG_WAVELENGTHS,
    MASKS,
    WAVELENGTHS,
    find,
    inverse_variance,
)
from core.survey.readers.spectra_raw import MAX_PIXELS, Part, RawSpectrum
from core.survey.readers.unreadable import Unreadable

_MAX_MEMBERS = 10_000
_MAX_ROWS = 50_000_000
_MAX_COLUMN_BYTES = 1024**3
_MAX_TRANSPOSED_BYTES = 512 * 1024**2
_ROWS_AT_ONCE = 256
_IDS = ("object_id", "name", "file", "file_name", "filename", *ID_NAMES)


@dataclass(frozen=True)
class _Array:
    """A member of the archive, by its header."""

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int
    fortran: bool = False

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class SpectraArchive:
    """An open archive (see `spectra_many.ManySpectra`).

    Parameters
    ----------
    file
        Open for reading, seekable.
    stem
        Names objects that have no name of their own.
    """

    def __init__(self, file: IO[bytes], stem: str) -> None:
        self._stem = stem
        self._zip, self._arrays = _arrays(file)
        self._kept: dict[str, np.ndarray] = {}
        names = list(self._arrays)
        wave = find(names, (*LOG_WAVELENGTHS, *WAVELENGTHS))
        if wave is None:
            raise Unreadable("has no array of wavelengths (wavelength, wave, loglam)")
        self._is_log = wave in LOG_WAVELENGTHS
        self._air = True if wave.endswith("_air") else None
        shape = self._arrays[wave].shape
        self._wave = wave
        n = shape[-1] if shape else 0
        if len(shape) not in (1, 2) or not 2 <= n <= MAX_PIXELS:
            raise Unreadable(f"has wavelengths of the shape {_by(shape)}; one axis is needed")
        self._flux = self._flux_arrays(names, n)
        self._n_rows = [self._arrays[name].shape[0] for name in self._flux]
        if sum(self._n_rows) > _MAX_ROWS:
            raise Unreadable(f"has {sum(self._n_rows):,} spectra (at most {_MAX_ROWS:,})")
        if len(shape) == 2 and shape[0] != len(self):
            raise Unreadable(f"has {shape[0]} rows of wavelengths for {len(self)} of fluxes")
        self._n = n
        self._whole = len(self._flux) == 1
        self._columns = [name for name in names if self._is_column(name)]
        self._ids = self._found_ids()

    @property
    def problems(self) -> Sequence[str]:
        return ()

    def __len__(self) -> int:
        return sum(self._n_rows)

    def spectra(self, rows: Sequence[int]) -> Iterator[tuple[int, RawSpectrum | str]]:
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[begin : begin + _ROWS_AT_ONCE]
            at = 0
            while at < len(some):  # neighbours of one array
                number, first = self._place(some[at])
                if number < 0:
                    yield some[at], "is not there any more (the file has fewer rows)"
                    at += 1
                    continue
                stop = at + 1
                while stop < len(some) and some[stop] == some[stop - 1] + 1:
                    if self._place(some[stop])[0] != number:
                        break
                    stop += 1
                yield from self._run(some[at:stop], number, first)
                at = stop

    def _run(
        self, rows: Sequence[int], number: int, first: int
    ) -> Iterator[tuple[int, RawSpectrum | str]]:
        name, last = self._flux[number], first + len(rows)
        flux = self._rows(name, first, last)
        beside = {name: flux}
        for other in self._arrays:
            if self._beside(other):
                beside[other] = self._rows(other, first, last)
        mask_name = find(beside, MASKS)
        wave = self._rows(self._wave, 0, self._n)
        if len(self._arrays[self._wave].shape) == 2:
            wave = self._rows(self._wave, first, last)
        columns = {one: cells(self._rows(one, first, last)) for one in self._columns}
        width = max(6, len(str(len(self) - 1)))
        for at, row in enumerate(rows):
            values: dict[str, CatalogueValue] = {
                self._given(name): several[at] for name, several in columns.items()
            }
            if not self._whole:
                values["part"] = self._given(name)
            object_id = id_text(columns[self._ids][at]) if self._ids else ""
            if not object_id:
                middle = "" if self._whole else f"-{values['part']}"
                object_id = (
                    f"{self._stem}{middle}-{rows[at] if self._whole else first + at:0{width}d}"
                )
            one = {kind: several[at] for kind, several in beside.items()}
            ivar = inverse_variance(one.__getitem__, one)
            mask = None if mask_name is None else beside[mask_name][at] != 0
            part = Part(wave if wave.ndim == 1 else wave[at], flux[at], ivar, mask)
            unit = "loglam" if self._is_log else ""
            yield row, RawSpectrum(object_id, (part,), values, unit, "", self._air)

    def _flux_arrays(self, names: list[str], n: int) -> list[str]:
        def fits(name: str) -> bool:
            one = self._arrays[name]
            return len(one.shape) == 2 and one.shape[1] == n and one.dtype.kind in "iuf"

        named = find(names, FLUXES)
        if named is not None:
            if not fits(named):
                shape = _by(self._arrays[named].shape)
                raise Unreadable(f"has {named} of {shape} values for {n} wavelengths")
            return [named]
        found = [name for name in names if fits(name) and name != self._wave]
        found = [name for name in found if not self._is_known(name)]
        if not found:
            raise Unreadable(f"has no array with rows of {n} fluxes")
        return found

    def _is_known(self, name: str) -> bool:
        """Whether an array goes with fluxes, by its name."""
        probe = {name: np.ones(1)}
        return inverse_variance(probe.__getitem__, probe) is not None or name in MASKS

    def _beside(self, name: str) -> bool:
        shape = self._arrays[name].shape
        return self._whole and self._is_known(name) and shape == self._arrays[self._flux[0]].shape

    def _is_column(self, name: str) -> bool:
        one = self._arrays[name]
        if not self._whole or name == self._wave or one.shape != (len(self),):
            return False
        return holds_cells(one.dtype) and one.row_bytes * len(self) <= _MAX_COLUMN_BYTES

    def _found_ids(self) -> str | None:
        for name in _IDS:
            if name in self._columns:
                ids = [id_text(value) for value in cells(self._rows(name, 0, len(self)))]
                if all(ids) and len(set(ids)) == len(ids):
                    return name
        return None

    def _given(self, name: str) -> str:
        """An array's name as the archive spells it."""
        return self._arrays[name].member.removesuffix(".npy")

    def _place(self, row: int) -> tuple[int, int]:
        """Which array of fluxes a row is in, and where there; (-1, 0) for none."""
        for number, n in enumerate(self._n_rows):
            if 0 <= row < n:
                return number, row
            row -= n
        return -1, 0

    def _rows(self, name: str, start: int, stop: int) -> np.ndarray:
        one = self._arrays[name]
        stop = min(stop, one.shape[0])
        if one.fortran and len(one.shape) > 1:
            return self._transposed(name)[start:stop]
        raw = self._bytes(name, start * one.row_bytes, (stop - start) * one.row_bytes)
        return np.frombuffer(raw, one.dtype).reshape(stop - start, *one.shape[1:])

    def _transposed(self, name: str) -> np.ndarray:
        """All of an array whose rows are scattered over the file (Fortran order)."""
        if name not in self._kept:
            one = self._arrays[name]
            n_bytes = one.row_bytes * one.shape[0]
            if n_bytes > _MAX_TRANSPOSED_BYTES:
                raise Unreadable(
                    f"has its array {name} in Fortran order and larger than"
                    f" {_MAX_TRANSPOSED_BYTES // 2**20} MB; save it by numpy.ascontiguousarray"
                )
            values = np.frombuffer(self._bytes(name, 0, n_bytes), one.dtype)
            self._kept[name] = np.ascontiguousarray(values.reshape(one.shape[::-1]).T)
        return self._kept[name]

    def _bytes(self, name: str, start: int, n_bytes: int) -> bytes:
        one = self._arrays[name]
        try:
            with self._zip.open(one.member) as file:
                file.seek(one.begin + start)
                raw = file.read(n_bytes)
        except Exception as error:  # zip files raise several kinds at hostile bytes
            words = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreadable(f"cannot be unpacked ({words})") from None
        if len(raw) < n_bytes:
            raise Unreadable(f"is cut short (its array {name} ends too soon)")
        return raw


def looks_like_spectra(path: Path) -> bool:
    """Whether an archive's members are named as spectra are; never raises."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)  # of its first member: an archive of a million takes long
        if head[:4] != b"PK\x03\x04" or b".npy" not in head:
            return False
        with zipfile.ZipFile(path) as archive:
            names = [name.lower().removesuffix(".npy") for name in archive.namelist()[:1000]]
    except Exception:  # a guess must not fail: another reader then says what is wrong
        return False
    return find(names, (*LOG_WAVELENGTHS, *WAVELENGTHS)) is not None


def _arrays(file: IO[bytes]) -> tuple[zipfile.ZipFile, Mapping[str, _Array]]:
    found: dict[str, _Array] = {}
    try:
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise Unreadable(f"has {len(members):,} members (at most {_MAX_MEMBERS:,})")
        for member in members:
            if not member.filename.endswith(".npy"):
                continue
            with archive.open(member) as stream:
                version = npy.read_magic(stream)
                if version == (1, 0):
                    shape, fortran, dtype = npy.read_array_header_1_0(stream)
                else:
                    shape, fortran, dtype = npy.read_array_header_2_0(stream)
                begin = stream.tell()
            if dtype.hasobject or dtype.itemsize == 0:
                continue
            if begin + math.prod(shape) * dtype.itemsize > member.file_size:
                raise Unreadable(f"is damaged (its array {member.filename} is shorter than said)")
            name = member.filename.removesuffix(".npy").lower()
            found.setdefault(name, _Array(member.filename, shape, dtype, begin, fortran))
    except Unreadable:
        raise
    except Exception as error:  # zipfile and numpy raise several kinds at hostile bytes
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable(f"is not a NumPy archive, or damaged ({words})") from None
    return archive, found


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one value"
