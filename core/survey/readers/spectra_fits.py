"""FITS files of one spectrum each: SDSS and BOSS spec files, LAMOST, and plain tables.

Parsed by hand because a survey has millions of them and astropy needs some ten milliseconds for
the 250 columns of a BOSS file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from core.survey.batch import CatalogueValue
from core.survey.readers.cells import cells
from core.survey.readers.fits_hdus import Hdu, walk
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.spectra_raw import FLUX_UNIT, MAX_PIXELS, Part, RawSpectrum
from core.survey.readers.unreadable import Unreadable

LOG_WAVELENGTHS = ("loglam", "log_lambda", "loglambda", "log_wave", "logwave")
WAVELENGTHS = (
    *("wavelength", "wave", "lambda", "lam", "wavelengths", "wl", "wave_vac", "wave_air"),
    *("wavelength_air", "wavelength_vac", "lambda_air", "spectral_axis", "wavelength_rest"),
)
FLUXES = (
    "flux",
    "flam",
    "f_lambda",
    "flux_lambda",
    "flambda",
    "fluxes",
    "spectrum",
    "flux_reduced",
)
IVARS = ("ivar", "inverse_variance", "invvar", "inv_var", "flux_ivar", "ivars")
ERRORS = (
    *("error", "err", "sigma", "flux_err", "fluxerr", "flux_error", "e_flux", "uncertainty"),
    *("std", "noise", "errors", "flux_sigma", "err_reduced", "flux_uncertainty", "dflux"),
)
VARIANCES = ("var", "variance", "flux_var")
MASKS = ("and_mask", "andmask", "mask", "quality", "qual", "dq")

SDSS_BAD_BITS = 0b1_0101_1100_0100 << 16
"""Of SPPIXMASK: FULLREJECT 18, NOSKY 22, BRIGHTSKY 23, NODATA 24, BADFLUXFACTOR 26 and
REDMONSTER 28. The lower bits speak of whole fibres and are warnings mostly; a pixel that was
rejected has no weight anyway."""

_SDSS_COLUMNS = {
    "ra": ("PLUG_RA", "RACAT", "FIBER_RA", "RA"),
    "dec": ("PLUG_DEC", "DECCAT", "FIBER_DEC", "DEC"),
    "plate": ("PLATE", "FIELD"),
    "mjd": ("MJD",),
    "fiberid": ("FIBERID", "CATALOGID"),
    "z": ("Z",),
    "z_err": ("Z_ERR",),
    "zwarning": ("ZWARNING",),
    "class": ("CLASS",),
    "subclass": ("SUBCLASS",),
    "sn_median": ("SN_MEDIAN_ALL", "SN_MEDIAN"),
}
_HEADER_COLUMNS = {
    "ra": ("PLUG_RA", "RA_OBJ", "RAOBJ", "OBJRA", "RA_TARG", "TARG_RA", "RA"),
    "dec": ("PLUG_DEC", "DEC_OBJ", "DECOBJ", "OBJDEC", "DEC_TARG", "TARG_DEC", "DEC"),
    "plate": ("PLATEID",),
    "mjd": ("MJD",),
    "fiberid": ("FIBERID",),
    "z": ("Z", "REDSHIFT"),
    "z_err": ("Z_ERR",),
    "class": ("CLASS",),
    "subclass": ("SUBCLASS",),
    "object_name": ("OBJECT", "OBJNAME"),
}
_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")
_DTYPES = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_WIDTHS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "A": 1, "C": 8}
_WIDTHS |= {"M": 16, "P": 8, "Q": 16}


class FitsTable:
    """The columns of a binary table, by lower-case name.

    Parameters
    ----------
    content
        Bytes of the file (or of something that is sliced as bytes are).
    """

    def __init__(self, content: Any, hdu: Hdu) -> None:
        self._content, self._hdu = content, hdu
        header = hdu.header
        self.width, self.n_rows = _whole(header, "NAXIS1"), _whole(header, "NAXIS2")
        n_fields = _whole(header, "TFIELDS")
        if n_fields > 999:
            raise Unreadable("has a damaged table (more than 999 columns)")
        self._columns: dict[str, tuple[int, int, str, int]] = {}  # number, place, code, repeat
        place = 0
        for number in range(1, n_fields + 1):
            form = _TFORM.match(header.text(f"TFORM{number}"))
            if form is None:
                raise Unreadable(f"has a damaged table (column {number} has no format)")
            repeat, code = int(form[1] or 1), form[2]
            name = header.text(f"TTYPE{number}").lower()
            self._columns.setdefault(name, (number, place, code, repeat))
            place += -(-repeat // 8) if code == "X" else repeat * _WIDTHS[code]
        if place != self.width:
            raise Unreadable("has a damaged table (its columns and rows differ in length)")

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    def unit(self, name: str) -> str:
        return self._hdu.header.text(f"TUNIT{self._columns[name][0]}")

    def column(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """(rows,) or (rows, repeat) values, scaled as the header says; text as bytes."""
        number, place, code, repeat = self._columns[name]
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        rows = max(0, stop - start)
        if code not in _DTYPES and code != "A":
            raise Unreadable(f"has a column {name} of a kind that is not read ({code})")
        first = self._hdu.start + start * self.width
        block = self._content[first : first + rows * self.width]
        if len(block) < rows * self.width:
            raise Unreadable("is cut short")
        size = _WIDTHS[code] * repeat
        parts = np.frombuffer(block, np.uint8).reshape(rows, self.width)[:, place : place + size]
        if code == "A":
            return (
                np.ascontiguousarray(parts).view(f"S{max(1, size)}")[:, 0] if size else _no(rows)
            )
        values = np.ascontiguousarray(parts).view(_DTYPES[code]).reshape(rows, repeat)
        if code == "L":
            values = values == ord("T")
        scale = self._hdu.header.number(f"TSCAL{number}", 1.0)
        zero = self._hdu.header.number(f"TZERO{number}", 0.0)
        if scale != 1.0 or zero != 0.0:
            values = _scaled(values, scale or 0.0, zero or 0.0)
        return values[:, 0] if repeat == 1 else values


def read_fits_spectrum(content: bytes, name: str) -> RawSpectrum | None:
    """The spectrum of a FITS file by its bytes; `None` where it is laid out in a way that is not
    known here. `name` becomes the object_id.

    Raises
    ------
    Unreadable
        It is damaged.
    """
    hdus = list(walk(content))
    tables = [(hdu, FitsTable(content, hdu)) for hdu in hdus if _is_table(hdu)]
    primary = hdus[0].header
    for place, (hdu, table) in enumerate(tables):
        if find(table.names, FLUXES) and _wavelength_name(table.names):
            is_sdss = "loglam" in table.names and "and_mask" in table.names
            columns = header_columns(primary, hdu.header)
            if is_sdss:
                columns |= _object_columns(other for _hdu, other in tables[place + 1 :])
            return _of_table(table, primary, hdu.header, name, columns, is_sdss)
    if primary.text("TELESCOP").upper() == "LAMOST" and hdus[0].shape[:1] >= (3,):
        return _of_lamost(content, hdus[0], name)
    return None


def find(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of `wanted` that is among `names` (both lower case)."""
    there = set(names)
    return next((name for name in wanted if name in there), None)


def inverse_variance(get: Callable[[str], np.ndarray], names: Iterable[str]) -> np.ndarray | None:
    """From whichever column tells of errors; 0 where those are not above 0."""
    names = list(names)
    ivar, error, variance = (find(names, kind) for kind in (IVARS, ERRORS, VARIANCES))
    if ivar is not None:
        return get(ivar)
    other = error or variance
    if other is None:
        return None
    values = np.asarray(get(other), np.float64)
    with np.errstate(all="ignore"):
        inverse = 1 / (values**2 if error is not None else values)
    return np.where(np.isfinite(inverse) & (values > 0), inverse, 0.0)


def says_air(header: FitsHeader) -> bool | None:
    """Whether a header calls its wavelengths those in air."""
    vacuum = header.get("VACUUM")
    if isinstance(vacuum, (bool, int)):
        return not vacuum
    said = header.text("AIRORVAC").lower() or header.text("WAVETYPE").lower()
    if said[:3] in ("air", "vac"):
        return said.startswith("air")
    if header.text("CTYPE1").upper().startswith("AWAV"):
        return True
    return False if header.text("CTYPE1").upper().startswith("WAVE") else None


def header_columns(*headers: FitsHeader) -> dict[str, CatalogueValue]:
    """What headers say of the object; the later ones win."""
    found: dict[str, CatalogueValue] = {}
    for header in headers:
        for column, names in _HEADER_COLUMNS.items():
            value = next((header[name] for name in names if name in header), None)
            if column in ("ra", "dec") and isinstance(value, str):
                value = _degrees(value, 15.0 if column == "ra" else 1.0)
            if value is not None and value != "":
                found[column] = value
    ra, dec = found.get("ra"), found.get("dec")
    if not _is_position(ra, dec):
        found.pop("ra", None)
        found.pop("dec", None)
    return found


def _is_position(ra: object, dec: object) -> bool:
    numbers = isinstance(ra, (int, float)) and isinstance(dec, (int, float))
    return numbers and 0 <= ra <= 360 and -90 <= dec <= 90  # type: ignore[operator]


def _degrees(text: str, factor: float) -> float | None:
    """Sexagesimal text as degrees."""
    parts = re.split(r"[:\s]+", text.strip())
    try:
        numbers = [abs(float(part)) for part in parts]
    except ValueError:
        return None
    if len(numbers) != 3:
        return numbers[0] if len(numbers) == 1 else None
    size = numbers[0] + numbers[1] / 60 + numbers[2] / 3600
    return factor * (-size if text.strip().startswith("-") else size)


def _is_table(hdu: Hdu) -> bool:
    return hdu.header.text("XTENSION") == "BINTABLE" and not hdu.compressed


def _wavelength_name(names: Iterable[str]) -> str | None:
    return find(names, (*LOG_WAVELENGTHS, *WAVELENGTHS))


def _of_table(
    table: FitsTable,
    primary: FitsHeader,
    header: FitsHeader,
    name: str,
    columns: dict[str, CatalogueValue],
    is_sdss: bool,
) -> RawSpectrum:
    """A row a pixel, or one row whose cells are whole arrays."""
    if table.n_rows > MAX_PIXELS:
        raise Unreadable(f"has {table.n_rows:,} pixels (at most {MAX_PIXELS:,})")
    wave_name, flux_name = _wavelength_name(table.names), find(table.names, FLUXES)
    assert wave_name is not None
    assert flux_name is not None

    def get(column: str) -> np.ndarray:
        values = table.column(column)
        if values.ndim == 2:
            if len(values) != 1:
                raise Unreadable(f"holds {len(values):,} spectra in one table, and one is read")
            values = values[0]
        return values

    mask_name = find(table.names, MASKS)
    mask = None
    if mask_name is not None:
        bits = get(mask_name)
        if bits.dtype.kind in "biu":
            mask = (bits.astype(np.int64) & SDSS_BAD_BITS if is_sdss else bits) != 0
    wavelength = get(wave_name).astype(np.float64)
    is_log = wave_name in LOG_WAVELENGTHS
    air = says_air(header)
    air = says_air(primary) if air is None else air
    if air is None and wave_name.endswith(("_air", "_vac")):
        air = wave_name.endswith("_air")
    flux_unit = table.unit(flux_name) or header.text("BUNIT") or primary.text("BUNIT")
    if is_sdss:
        flux_unit = FLUX_UNIT
    part = Part(wavelength, get(flux_name), inverse_variance(get, table.names), mask)
    wave_unit = "loglam" if is_log else table.unit(wave_name)
    return RawSpectrum(name, (part,), columns, wave_unit, flux_unit, air)


def _object_columns(tables: Iterable[FitsTable]) -> dict[str, CatalogueValue]:
    """Columns of the SPECOBJ (SPALL) row behind the spectrum."""
    found: dict[str, CatalogueValue] = {}
    for table in tables:
        if table.n_rows != 1 or not {"z", "class"} & set(table.names):
            continue
        for column, names in _SDSS_COLUMNS.items():
            name = find(table.names, (each.lower() for each in names))
            if name is None:
                continue
            values = table.column(name)
            if values.ndim == 2:
                values = np.median(values, axis=1)
            found[column] = cells(values)[0]
        if not _is_position(found.get("ra"), found.get("dec")):
            found.pop("ra", None)
            found.pop("dec", None)
        break
    return found


def _of_lamost(content: bytes, hdu: Hdu, name: str) -> RawSpectrum:
    """Rows flux, inverse variance, wavelength (vacuum), and-mask, or-mask, up to release 7."""
    if len(hdu.shape) != 2 or hdu.shape[1] > MAX_PIXELS:
        raise Unreadable("is no LAMOST spectrum, whatever its header says")
    n_rows, n = min(4, hdu.shape[0]), hdu.shape[1]
    raw = np.frombuffer(content, hdu.dtype, n_rows * n, hdu.start).reshape(n_rows, n)
    mask = None
    if n_rows > 3:
        with np.errstate(invalid="ignore"):
            mask = (np.nan_to_num(raw[3]).astype(np.int64) & SDSS_BAD_BITS) != 0
    part = Part(raw[2].astype(np.float64), raw[0], raw[1], mask)
    columns = header_columns(hdu.header)
    # Relative fluxes: LAMOST's calibration gives shapes.
    return RawSpectrum(name, (part,), columns, "Angstrom", "", False)


def _scaled(values: np.ndarray, scale: float, zero: float) -> np.ndarray:
    if scale == 1.0 and values.dtype.kind in "iu" and zero.is_integer() and abs(zero) < 2**62:
        return values.astype(np.int64) + int(zero)
    with np.errstate(all="ignore"):
        return values.astype(np.float64) * scale + zero


def _whole(header: FitsHeader, name: str) -> int:
    value = header.get(name)
    if not isinstance(value, int) or value < 0:
        raise Unreadable(f"has a damaged header ({name} is {value!r})")
    return value


def _no(rows: int) -> np.ndarray:
    return np.full(rows, b"", "S1")
