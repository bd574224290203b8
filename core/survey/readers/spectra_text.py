"""Spectra as text: columns of wavelength, flux and perhaps an error, with or without names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

import numpy as np

from core.survey.readers.spectra_fits import (
    ERRORS,
    FLUXES,
    IVARS,
    LOG_WAVELENGTHS,
    MASKS,
    VARIANCES,
    WAVELENGTHS,
    find,
    inverse_variance,
)
from core.survey.readers.spectra_raw import MAX_PIXELS, Part, RawSpectrum
from core.survey.readers.unreadable import Unreadable

MAX_TEXT_BYTES = 64 * 1024 * 1024
_NAMED, _UNNAMED = 85, 40
_WAVES = (*LOG_WAVELENGTHS, *WAVELENGTHS)
_COMMENTS = "#;!%"
_UNIT = re.compile(r"(.+?)\s*[\[(](.+)[\])]\s*\Z")


def read_text_spectrum(content: bytes, name: str) -> RawSpectrum:
    """The spectrum of a text file by its bytes.

    Columns are known by their names (a unit may follow in brackets); without names the first is
    wavelength, the second flux and the third, if any, the standard deviation of the flux.

    Raises
    ------
    Unreadable
        It is no such table.
    """
    if len(content) > MAX_TEXT_BYTES:
        raise Unreadable(f"is larger than {MAX_TEXT_BYTES // 2**20} MB")
    if b"\0" in content[:4096]:
        raise Unreadable("is not text, whatever its name says")
    if content.lstrip()[:9] == b"# %ECSV 1" or content.lstrip()[:7] == b"# %ECSV":
        columns, units = _of_ecsv(content)
    else:
        columns, units = _of_text(content.decode("utf-8-sig", "replace"))
    wave = find(columns, _WAVES)
    flux = find(columns, FLUXES)
    if wave is None or flux is None:
        names = ", ".join(list(columns)[:6])
        raise Unreadable(f"has no columns of wavelength and flux (it has {names})")
    mask_name = find(columns, MASKS)
    mask = None if mask_name is None else columns[mask_name] != 0
    ivar = inverse_variance(columns.__getitem__, columns)
    part = Part(columns[wave], columns[flux], ivar, mask)
    unit = "loglam" if wave in LOG_WAVELENGTHS else units.get(wave, "")
    air = wave.endswith("_air") if wave.endswith(("_air", "_vac")) else None
    return RawSpectrum(name, (part,), {}, unit, units.get(flux, ""), air)


def how_sure_of_text(head: bytes) -> int:
    """How surely text begins as a spectrum does: with names of wavelength and flux, or (hardly)
    with two to four columns of numbers of which the first rises or falls."""
    if not head or b"\0" in head:
        return 0
    whole = head[: head.rfind(b"\n") + 1] or head
    text = whole.decode("utf-8", "replace")
    if text.lstrip().startswith("# %ECSV"):
        names = [one.strip().lower() for one in re.findall(r"name:\s*['\"]?([^,}'\"]+)", text)]
        return _NAMED if _names_spectrum(names) else 0
    try:
        columns, _units = _of_text(text)
    except Unreadable:
        return 0
    if not _names_spectrum(columns):
        return 0
    wavelength = next(columns[name] for name in _WAVES if name in columns)
    steps = np.diff(wavelength)
    if len(steps) < 3 or not ((steps > 0).all() or (steps < 0).all()):
        return 0
    return _NAMED if re.search("[a-z]", text.splitlines()[0].lower()) else _UNNAMED


def _names_spectrum(names: Iterable[str]) -> bool:
    names = list(names)
    return find(names, _WAVES) is not None and find(names, FLUXES) is not None


def _of_text(text: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    lines = [line.strip() for line in text.splitlines()]
    comments = [line.lstrip(_COMMENTS + " ") for line in lines if line[:1] in _COMMENTS and line]
    rows = [line for line in lines if line and line[0] not in _COMMENTS]
    if not rows:
        raise Unreadable("has no line of numbers")
    separator = next((one for one in (",", ";", "\t") if one in rows[0]), None)
    names: list[str] = []
    if _numbers(rows[0], separator) is None:
        names = [part.strip().strip("'\"") for part in rows.pop(0).split(separator)]
    if not rows:
        raise Unreadable("has no line of numbers")
    if len(rows) > MAX_PIXELS:
        raise Unreadable(f"has {len(rows):,} lines (at most {MAX_PIXELS:,})")
    values: list[list[float]] = []
    for number, line in enumerate(rows, 1):
        one = _numbers(line, separator)
        if one is None or len(one) != len(values[0] if values else one):
            raise Unreadable(f"has a line that fits no table of numbers (row {number})")
        values.append(one)
    table = np.array(values, np.float64)
    n = table.shape[1]
    if not names:  # the last comment may name the columns
        names = next(
            (c.split(separator) for c in comments[::-1] if len(c.split(separator)) == n), []
        )
        if not find([_named(name)[0] for name in names], _WAVES):
            names = ["wavelength", "flux", "error"][:n] + [f"column {k}" for k in range(4, n + 1)]
    if n < 2 or len(names) != n:
        raise Unreadable(f"has {n} columns of numbers for {len(names)} names")
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for place, given in enumerate(names):
        name, unit = _named(given)
        columns.setdefault(name, table[:, place])
        units.setdefault(name, unit)
    return columns, units


def _named(given: str) -> tuple[str, str]:
    """Name and unit of a column as it is headed: "Wavelength (nm)", "flux [Jy]", "lambda_nm"."""
    given = given.strip().strip("'\"")
    found = _UNIT.match(given)
    name, unit = (found[1], found[2]) if found else (given, "")
    name = re.sub(r"[\s\-]+", "_", name.strip().lower())
    for ending, of in (
        ("_angstrom", "Angstrom"),
        ("_aa", "Angstrom"),
        ("_nm", "nm"),
        ("_um", "um"),
    ):
        if name.endswith(ending):
            return name.removesuffix(ending), of
    known = (*LOG_WAVELENGTHS, *WAVELENGTHS, *FLUXES, *IVARS, *ERRORS, *VARIANCES, *MASKS)
    return (name if name in known else given.lower()), unit


def _numbers(line: str, separator: str | None) -> list[float] | None:
    parts = line.split(separator)
    try:
        return [float(part) if part.strip() else float("nan") for part in parts]
    except ValueError:
        return None


def _of_ecsv(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(content.decode("utf-8").splitlines(), format="ascii.ecsv")
        columns, units = {}, {}
        for name in table.colnames:
            column = table[name]
            if column.ndim == 1 and column.dtype.kind in "biuf":
                filled = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
                columns[name.lower()] = np.asarray(filled)
                units[name.lower()] = str(column.unit or "")
    except Exception as error:  # the reader of YAML and tables raises many kinds
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable(f"is a damaged ECSV table ({words})") from None
    return columns, units
