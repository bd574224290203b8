"""Which kind of spectrum file a path is, by its first bytes, and how each kind is read."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.survey.readers.fits_hdus import walk
from core.survey.readers.spectra_axis import read_axis_spectrum
from core.survey.readers.spectra_desi import DesiFile
from core.survey.readers.spectra_fits import (
    FLUXES,
    LOG_WAVELENGTHS,
    WAVELENGTHS,
    FitsTable,
    find,
    read_fits_spectrum,
    says_air,
)
from core.survey.readers.spectra_many import ManySpectra, head_of, sliced
from core.survey.readers.spectra_npz import SpectraArchive, looks_like_spectra
from core.survey.readers.spectra_raw import Part, RawSpectrum
from core.survey.readers.spectra_text import how_sure_of_text, read_text_spectrum
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import MAX_BYTES, read_whole, unpacked

FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.bz2")
TEXT_ENDINGS = (".ecsv", ".txt", ".dat", ".csv", ".tsv", ".asc", ".ascii", ".spec")
NPZ_ENDINGS = (".npz",)

_FITS_BEGIN = b"SIMPLE  ="
_ZIP_BEGIN = b"PK\x03\x04"
_SDSS_NAME = re.compile(r"spec-(lite-)?\d+-\d+-\w+\.fits(\.gz)?\Z")


def stem_of(name: str) -> str:
    """A file's name without the endings of its kind."""
    for ending in (*FITS_ENDINGS, *TEXT_ENDINGS, *NPZ_ENDINGS):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def is_sdss_name(name: str) -> bool:
    return _SDSS_NAME.match(name) is not None


def how_sure(path: Path) -> int:
    """How surely a file holds spectra, 0 to 100; never raises."""
    head = head_of(path)
    try:
        if head.startswith(_FITS_BEGIN):
            return _how_sure_fits(head)
        if head.startswith(_ZIP_BEGIN):
            return 85 if looks_like_spectra(path) else 0
        if path.name.lower().endswith(TEXT_ENDINGS):
            return how_sure_of_text(head[:8192])
    except Exception:  # whatever the bytes are, they are not surely a spectrum
        return 0
    return 0


def holds_many(path: Path) -> bool:
    """Whether a file is of a kind that holds many spectra; never raises."""
    head = head_of(path)
    if head.startswith(_ZIP_BEGIN):
        return True
    return head.startswith(_FITS_BEGIN) and _is_desi(head)


@contextmanager
def open_many(path: Path) -> Iterator[ManySpectra]:
    """A file of many spectra, open; raises `Unreadable`, also at the end if it changed."""
    if head_of(path, 16).startswith(_ZIP_BEGIN):
        before = os.stat(path)
        with open(path, "rb") as file:
            yield SpectraArchive(file, stem_of(path.name))
        now = os.stat(path)
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise Unreadable("changed while it was being read")
        return
    with sliced(path) as content:
        yield DesiFile(content, path)


def read_one(path: Path) -> RawSpectrum:
    """The spectrum of a file that holds one; raises `Unreadable`."""
    if holds_many(path):
        with open_many(path):  # says what is wrong with it
            raise Unreadable("holds many spectra, which could not be counted")
    content = unpacked(read_whole(path))
    return decode_one(content, stem_of(path.name), path)


def decode_one(content: bytes, name: str, path: Path | None = None) -> RawSpectrum:
    """The spectrum in the (unpacked) bytes of a file. With its path, layouts that are not known
    here are tried with specutils; raises `Unreadable`."""
    if content.startswith(_FITS_BEGIN):
        found = read_fits_spectrum(content, name)
        if found is None:
            found = read_axis_spectrum(content, list(walk(content)), name)
        if found is not None:
            return found
        if path is None:
            raise Unreadable("holds no spectrum in a layout that is known")
        return _with_specutils(path, name)
    endings = path is None or path.name.lower().endswith(FITS_ENDINGS)
    if path is not None and endings:
        raise Unreadable("is not a FITS file, whatever its name says")
    return read_text_spectrum(content, name)


def _with_specutils(path: Path, name: str) -> RawSpectrum:
    from astropy.nddata import InverseVariance
    from specutils import Spectrum

    if os.stat(path).st_size > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES // 2**20} MB")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = Spectrum.read(str(path))
            axis, flux = found.spectral_axis, found.flux
            ivar = None
            if found.uncertainty is not None:
                ivar = np.asarray(found.uncertainty.represent_as(InverseVariance).array)
            mask = None if found.mask is None else np.asarray(found.mask, bool)
    except Exception:  # loaders raise many kinds at what they do not know
        raise Unreadable("holds no spectrum in a layout that is known") from None
    if flux.ndim != 1:
        raise Unreadable(f"holds {' x '.join(map(str, flux.shape[:-1]))} spectra, and one is read")
    part = Part(np.asarray(axis.value), np.asarray(flux.value), ivar, mask)
    header = next(walk(unpacked(read_whole(path)))).header
    return RawSpectrum(name, (part,), {}, str(axis.unit), str(flux.unit), says_air(header))


def _is_desi(head: bytes) -> bool:
    try:
        for number, hdu in enumerate(walk(head, whole=False)):
            if number and hdu.name == "FIBERMAP":
                return True
    except Unreadable:  # the rest lies beyond the first bytes
        pass
    return False


def _how_sure_fits(head: bytes) -> int:
    try:
        for number, hdu in enumerate(walk(head, whole=False)):
            if hdu.name == "FIBERMAP":
                return 90
            if hdu.header.text("XTENSION") == "BINTABLE" and not hdu.compressed:
                names = FitsTable(head, hdu).names
                waves = find(names, (*LOG_WAVELENGTHS, *WAVELENGTHS))
                return 90 if waves and find(names, FLUXES) else 0
            if number == 0 and hdu.header.text("TELESCOP").upper() == "LAMOST" and hdu.shape:
                return 85
            if read_axis_spectrum_likely(hdu.shape, hdu.header.text("CTYPE1").upper()):
                return 75
    except Unreadable:
        pass
    return 0


def read_axis_spectrum_likely(shape: tuple[int, ...], kind: str) -> bool:
    """Whether an image has one long axis, which its header calls a wavelength or leaves open."""
    long = [n for n in shape if n > 1]
    return len(long) == 1 and kind.split("-")[0] in ("", "LINEAR", "WAVE", "AWAV", "LAMBDA")
