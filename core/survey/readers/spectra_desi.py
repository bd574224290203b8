"""DESI's files of many spectra: coadd-*.fits, and spectra-*.fits with a row an exposure.

HDUs: FIBERMAP, a row an object, and for each camera B, R and Z a wavelength array in vacuum
(X_WAVELENGTH) and images with a row an object (X_FLUX, X_IVAR, X_MASK). Redshifts are in the file
of redrock beside it (redrock-*.fits; zbest-*.fits in early releases).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.survey.batch import CatalogueValue
from core.survey.readers.cells import cells
from core.survey.readers.fits_hdus import Hdu, walk
from core.survey.readers.fits_image import scaled
from core.survey.readers.spectra_fits import FitsTable
from core.survey.readers.spectra_many import sliced
from core.survey.readers.spectra_raw import FLUX_UNIT, MAX_PIXELS, Part, RawSpectrum
from core.survey.readers.unreadable import Unreadable

_FLUX = re.compile(r"([A-Z0-9]+)_FLUX\Z")
REDSHIFTS_UNREADABLE = "Redshift files that could not be read"
_ROWS_AT_ONCE = 64
_MAX_REDSHIFT_ROWS = 2_000_000
_COLUMNS = {
    "target_ra": "ra",
    "target_dec": "dec",
    "objtype": "objtype",
    "coadd_fiberstatus": "coadd_fiberstatus",
    "fiberstatus": "fiberstatus",
    "morphtype": "morphtype",
    "ebv": "ebv",
    "flux_g": "flux_g",
    "flux_r": "flux_r",
    "flux_z": "flux_z",
    "desi_target": "desi_target",
    "tileid": "tileid",
    "night": "night",
    "expid": "expid",
}
_REDSHIFT_COLUMNS = {
    "z": "z",
    "zerr": "z_err",
    "zwarn": "zwarning",
    "spectype": "class",
    "subtype": "subclass",
    "deltachi2": "deltachi2",
}


class DesiFile:
    """An open file of DESI (see `spectra_many.ManySpectra`).

    Parameters
    ----------
    content
        Its bytes, or what is sliced as these.
    path
        Where it lies, to find redshifts beside it and to name it.
    """

    def __init__(self, content: Any, path: Path) -> None:
        self._content, self._path = content, path
        self._hdus = {hdu.name: hdu for hdu in walk(content)}
        if "FIBERMAP" not in self._hdus:
            raise Unreadable("has no FIBERMAP, which says what its spectra are of")
        self._map = FitsTable(content, self._hdus["FIBERMAP"])
        if "targetid" not in self._map.names:
            raise Unreadable("has a FIBERMAP without TARGETID")
        self._cameras = [found[1] for name in self._hdus if (found := _FLUX.match(name))]
        if not self._cameras:
            raise Unreadable("has no image of fluxes (B_FLUX, R_FLUX, Z_FLUX)")
        for kind in ("IVAR", "MASK"):
            lacking = [one for one in self._cameras if f"{one}_{kind}" not in self._hdus]
            if 0 < len(lacking) < len(self._cameras):
                raise Unreadable(f"is cut short, or lacks {lacking[0]}_{kind}")

    def __len__(self) -> int:
        return self._map.n_rows

    @property
    def problems(self) -> Sequence[str]:
        return () if self._by_target is not None else (REDSHIFTS_UNREADABLE,)

    def spectra(self, rows: Sequence[int]) -> Iterator[tuple[int, RawSpectrum | str]]:
        waves = [self._wavelength(camera) for camera in self._cameras]
        merge = _Merge(waves)
        redshifts = self._by_target or {}
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[begin : begin + _ROWS_AT_ONCE]
            first, last = min(some), max(some) + 1
            if last - first > 4 * _ROWS_AT_ONCE:
                for row in some:
                    yield from self._some([row], row, row + 1, merge, redshifts)
            else:
                yield from self._some(some, first, last, merge, redshifts)

    def _some(
        self,
        rows: Sequence[int],
        first: int,
        last: int,
        merge: _Merge,
        redshifts: dict[int, dict[str, CatalogueValue]],
    ) -> Iterator[tuple[int, RawSpectrum | str]]:
        ids = self._map.column("targetid", first, last)
        columns = {
            column: cells(self._map.column(name, first, last))
            for name, column in _COLUMNS.items()
            if name in self._map.names
        }
        cameras = [
            tuple(self._rows(f"{camera}_{kind}", first, last) for kind in ("FLUX", "IVAR", "MASK"))
            for camera in self._cameras
        ]
        for row in rows:
            at = row - first
            if not 0 <= at < len(ids):
                yield row, "is not there any more (the file has fewer rows)"
                continue
            target = int(ids[at])
            values = {name: several[at] for name, several in columns.items()}
            values |= redshifts.get(target, {})
            try:
                parts = merge([[None if a is None else a[at] for a in one] for one in cameras])
            except Unreadable as error:
                yield row, str(error)
                continue
            yield row, self._named(target, row, values, parts)

    def _named(
        self,
        target: int,
        row: int,
        values: dict[str, CatalogueValue],
        parts: tuple[Part, ...],
    ) -> RawSpectrum:
        name, group = str(target), None
        if "expid" in values or "fiberstatus" in values:  # a row an exposure: a view of the target
            name, group = f"{target}-{values.get('expid', row)}", str(target)
            if "expid" not in values:
                name = f"{target}-row{row}"
        return RawSpectrum(name, parts, values, "Angstrom", FLUX_UNIT, False, group)

    def _wavelength(self, camera: str) -> np.ndarray:
        hdu = self._hdus.get(f"{camera}_WAVELENGTH")
        if hdu is None or len(hdu.shape) != 1 or not 2 <= hdu.shape[0] <= MAX_PIXELS:
            raise Unreadable(f"has no usable {camera}_WAVELENGTH")
        n = hdu.shape[0]
        raw = self._content[hdu.start : hdu.start + hdu.n_bytes]
        if len(raw) < hdu.n_bytes:
            raise Unreadable("is cut short")
        values = scaled(np.frombuffer(raw, hdu.dtype, n), hdu.header).astype(np.float64)
        shape = (len(self), n)
        for kind in ("FLUX", "IVAR", "MASK"):
            other = self._hdus.get(f"{camera}_{kind}")
            if other is not None and other.shape != shape:
                came = " x ".join(map(str, other.shape)) or "no image"
                raise Unreadable(
                    f"has {camera}_{kind} of {came} values, and {shape[0]} x {n} are needed"
                )
        return values

    def _rows(self, name: str, first: int, last: int) -> np.ndarray | None:
        hdu = self._hdus.get(name)
        if hdu is None:
            return None
        last = min(last, hdu.shape[0])
        if hdu.compressed:
            return self._compressed_rows(hdu, first, last)
        row_bytes = hdu.shape[1] * hdu.dtype.itemsize
        start = hdu.start + first * row_bytes
        raw = self._content[start : start + (last - first) * row_bytes]
        if len(raw) < (last - first) * row_bytes:
            raise Unreadable("is cut short")
        values = np.frombuffer(raw, hdu.dtype).reshape(last - first, hdu.shape[1])
        return values != _zero(hdu) if name.endswith("_MASK") else scaled(values, hdu.header)

    def _compressed_rows(self, hdu: Hdu, first: int, last: int) -> np.ndarray:
        from astropy.io import fits

        # Tiles lie a row each, so that a section reads just these rows.
        try:
            with fits.open(self._path, memmap=False) as file:
                values = np.asarray(file[hdu.number].section[first:last])
        except Exception as error:  # decoders of tiles meet hostile bytes and raise anything
            words = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreadable(f"cannot be decompressed ({words})") from None
        return values != 0 if hdu.name.endswith("_MASK") else values

    @cached_property
    def _by_target(self) -> dict[int, dict[str, CatalogueValue]] | None:
        return self._redshifts()

    def _redshifts(self) -> dict[int, dict[str, CatalogueValue]] | None:
        """Redshifts by TARGETID, where there is a file of them; None where that is broken."""
        beside = redshift_file(self._path)
        if beside is None:
            return {}
        try:
            with sliced(beside) as content:
                for hdu in walk(content):
                    if hdu.name not in ("REDSHIFTS", "ZBEST"):
                        continue
                    table = FitsTable(content, hdu)
                    if table.n_rows > _MAX_REDSHIFT_ROWS:
                        return None
                    columns = {
                        column: cells(table.column(name))
                        for name, column in _REDSHIFT_COLUMNS.items()
                        if name in table.names
                    }
                    ids = table.column("targetid").tolist()
                    return {
                        target: {name: several[row] for name, several in columns.items()}
                        for row, target in enumerate(ids)
                    }
        except (Unreadable, KeyError, ValueError):
            return None
        return None


def redshift_file(path: Path) -> Path | None:
    """The file of redrock that belongs to a coadd file."""
    for begin in ("coadd-", "spectra-"):
        if path.name.startswith(begin):
            for other in ("redrock-", "zbest-"):
                beside = path.with_name(other + path.name.removeprefix(begin))
                if beside.is_file():
                    return beside
    return None


class _Merge:
    """Cameras of one object -> parts. Where the pixels of all cameras lie on one ladder, as DESI
    makes them, they are co-added there by inverse variance: a pixel of the survey's grid that
    lies half in each of two cameras would else belong to neither."""

    def __init__(self, waves: Sequence[np.ndarray]) -> None:
        self._waves = waves
        joined = np.unique(np.round(np.concatenate(waves), 4))
        steps = np.diff(joined)
        usable = np.isfinite(joined).all() and len(steps) > 0
        self._joined = None
        if usable and steps.min() > 0.5 * np.median(steps):
            self._joined = joined
            self._places = [np.searchsorted(joined, np.round(one, 4)) for one in waves]

    def __call__(self, cameras: list[list[np.ndarray | None]]) -> tuple[Part, ...]:
        if any(flux is None for flux, _ivar, _mask in cameras):
            raise Unreadable("has a camera without fluxes")
        if self._joined is None or any(ivar is None for _flux, ivar, _mask in cameras):
            return tuple(
                Part(wave, flux, ivar, mask)  # type: ignore[arg-type]
                for wave, (flux, ivar, mask) in zip(self._waves, cameras, strict=True)
            )
        total = np.zeros(len(self._joined))
        summed = np.zeros(len(self._joined))
        for place, (flux, ivar, mask) in zip(self._places, cameras, strict=True):
            assert flux is not None
            assert ivar is not None
            with np.errstate(invalid="ignore"):
                good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
            if mask is not None:
                good &= ~mask
            weight = np.where(good, ivar, 0.0).astype(np.float64)
            total[place] += weight
            summed[place] += weight * np.where(good, flux, 0.0)
        mean = np.divide(summed, total, out=np.zeros_like(total), where=total > 0)
        return (Part(self._joined, mean, total),)


def _zero(hdu: Hdu) -> int:
    """The raw number that stands for 0 in an array of unsigned integers."""
    return -int(hdu.header.number("BZERO", 0.0) or 0.0)
