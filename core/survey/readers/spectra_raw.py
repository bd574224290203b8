"""One spectrum as a file has it, and its way onto the survey's grid."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from core.spectra import SpectralGrid, combine, estimated_ivar, resample, to_vacuum
from core.survey.batch import CatalogueValue, Spectrum
from core.survey.readers.unreadable import Unreadable

FLUX_UNIT = "1e-17 erg / (Angstrom s cm2)"
"""Of the survey, wherever the files' unit converts to it."""

CGS_UNIT = "erg / (Angstrom s cm2)"
_SMALL = 1e-9

MAX_PIXELS = 1_000_000
_MIN_PIXELS = 2

NOISE_ESTIMATED = "Spectra without errors, whose noise was estimated from their scatter (DER_SNR)"
UNIT_UNKNOWN = "Spectra whose flux unit is unknown, kept as they came"
UNIT_OTHER = "Spectra in another flux unit than most, kept as they came"
UNIT_ASSUMED = "Spectra without a flux unit, whose small numbers were taken for erg/s/cm2/Angstrom"
FROM_AIR = "Spectra whose wavelengths were brought from air to vacuum"


@dataclass(frozen=True)
class Part:
    """One stretch of a spectrum: (m,) arrays; `ivar` and `mask` may be unknown."""

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class RawSpectrum:
    """What a file says of one object.

    Attributes
    ----------
    parts
        One for each camera where their pixels do not line up, mostly a single one.
    wavelength_unit, flux_unit
        As the file has them; empty where it does not say.
    air
        Whether wavelengths are those in air; `None` where the file does not say.
    """

    object_id: str
    parts: tuple[Part, ...]
    columns: Mapping[str, CatalogueValue] = field(default_factory=dict)
    wavelength_unit: str = ""
    flux_unit: str = ""
    air: bool | None = None
    group_id: str | None = None


@dataclass(frozen=True)
class Rules:
    """What a survey does with the units of its spectra.

    Attributes
    ----------
    convert
        Whether fluxes are brought to `FLUX_UNIT`; else they stay as they come.
    air
        What the person said of the wavelengths; `None` leaves it to the files.
    unit
        The unit of most fluxes where they stay as they come; empty where no file says one.
    """

    convert: bool = True
    air: bool | None = None
    unit: str = ""


def tidy(raw: RawSpectrum, rules: Rules, tell: Callable[[str], None]) -> RawSpectrum:
    """The spectrum with rising vacuum wavelengths in Angstrom, flux in the survey's unit and an
    inverse variance; `tell` hears of what had to be assumed.

    Raises
    ------
    Unreadable
        It holds no usable spectrum.
    """
    air = raw.air if rules.air is None else rules.air
    if air:
        tell(FROM_AIR)
    if (rules.convert or rules.unit) and not raw.flux_unit:
        tell(UNIT_UNKNOWN)
    elif not rules.convert and raw.flux_unit != rules.unit:
        tell(UNIT_OTHER)
    if any(part.ivar is None for part in raw.parts):
        tell(NOISE_ESTIMATED)
    parts = [_tidied(part, raw, rules, bool(air), tell) for part in raw.parts]
    return replace(raw, parts=tuple(parts))


def on_grid(tidied: RawSpectrum, grid: SpectralGrid) -> Spectrum:
    """Raises `Unreadable` when no good pixel falls onto the grid."""
    found = combine(
        [resample(one.wavelength, one.flux, _known(one), one.mask, grid) for one in tidied.parts]
    )
    spectrum = Spectrum(*found)
    if spectrum.mask.all():
        if not any(_n_good(one) for one in tidied.parts):
            raise Unreadable("has no good pixel (all are masked, not finite or without weight)")
        low, high = grid.wavelength[0], grid.wavelength[-1]
        raise Unreadable(f"has no good pixel between {low:.0f} and {high:.0f} Angstrom")
    return spectrum


def angstrom(wavelength: np.ndarray, unit: str) -> np.ndarray:
    """Wavelengths in Angstrom. Without a unit their size tells: up to 30 they are micrometres,
    up to 1050 nanometres. Raises `Unreadable` where they are no wavelengths."""
    plain = unit.strip().lower()
    if plain in ("angstrom", "angstroms", "ang", "a", "aa", "0.1 nm", "0.1nm"):
        return wavelength
    if plain in ("loglam", "log10(angstrom)", "log(angstrom)", "dex(angstrom)"):
        with np.errstate(over="ignore"):
            return np.asarray(10.0**wavelength)
    if not plain:
        usable = wavelength[np.isfinite(wavelength)]
        largest = float(usable.max()) if usable.size else 0.0
        if largest <= 30:
            return wavelength * 1e4
        return wavelength * 10 if largest <= 1050 else wavelength
    import astropy.units as u

    known = parsed_unit(unit)
    if known is None:
        raise Unreadable(f"has wavelengths in the unknown unit {unit[:40]!r}")
    try:
        with np.errstate(all="ignore"):
            return np.asarray((wavelength * known).to_value(u.AA, u.spectral()), np.float64)
    except u.UnitConversionError:
        raise Unreadable(f"has wavelengths in {unit[:40]!r}, which are none") from None


@lru_cache(maxsize=256)
def parsed_unit(text: str) -> Any | None:
    """astropy's unit, also for spellings of spectrum files that it does not know; else `None`."""
    import astropy.units as u

    # "A" is the ampere to astropy, and the Angstrom to who writes spectra.
    spelt = re.sub(r"\b(Angstroms?|angstroms?|Ang|ang|ANGSTROM|AA|A)\b", "Angstrom", text.strip())
    spelt = re.sub(r"\bergs\b", "erg", spelt)
    spelt = re.sub(r"\b(sec|seconds?)\b", "s", spelt).replace("cm^2", "cm2")
    if spelt.lower() in ("flam", "f_lambda", "flambda"):
        spelt = "erg / (s cm2 Angstrom)"
    for each in (spelt, text):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = u.Unit(each)
        except Exception:  # the parser raises several kinds at odd text
            continue
        return None if found == u.dimensionless_unscaled else found
    return None


def with_unit(raw: RawSpectrum, said: str) -> RawSpectrum:
    """The spectrum with a flux unit if the file has none: what the person said, or erg/s/cm2/A
    where the numbers are as small as only these are."""
    if raw.flux_unit:
        return raw
    if said:
        return replace(raw, flux_unit=said)
    sizes = [_typical(part.flux) for part in raw.parts]
    return replace(raw, flux_unit=CGS_UNIT) if 0 < max(sizes, default=0) < _SMALL else raw


def _typical(flux: np.ndarray) -> float:
    if flux.dtype.kind != "f":
        return 1.0
    sizes = np.abs(flux[np.isfinite(flux)])
    return float(np.percentile(sizes, 90)) if len(sizes) else 0.0


def converts(unit: str) -> bool:
    """Whether a flux unit can be brought to `FLUX_UNIT`."""
    return unit == FLUX_UNIT or _factor(unit, np.array([5000.0])) is not None


def _factor(unit: str, wavelength: np.ndarray) -> np.ndarray | None:
    """What brings flux in `unit` to `FLUX_UNIT`, a number a pixel."""
    known = parsed_unit(unit)
    if known is None:
        return None
    import astropy.units as u

    try:
        one = np.ones(len(wavelength)) * known
        target = parsed_unit(FLUX_UNIT)
        with np.errstate(all="ignore"):
            return np.asarray(one.to_value(target, u.spectral_density(wavelength * u.AA)))
    except (u.UnitConversionError, u.UnitTypeError, TypeError):
        return None


def _tidied(
    part: Part, raw: RawSpectrum, rules: Rules, air: bool, tell: Callable[[str], None]
) -> Part:
    part = _checked(part, raw)
    wavelength = part.wavelength
    if air:
        wavelength = to_vacuum(wavelength)
    flux, ivar = part.flux, part.ivar
    if rules.convert and raw.flux_unit not in ("", FLUX_UNIT):
        factor = _factor(raw.flux_unit, wavelength)
        if factor is None:
            tell(UNIT_UNKNOWN)
        else:
            with np.errstate(all="ignore"):
                flux = flux * factor
                ivar = None if ivar is None else ivar / factor**2
    if ivar is None:
        ivar = estimated_ivar(flux if part.mask is None else np.where(part.mask, np.nan, flux))
    return Part(wavelength, flux, ivar, part.mask)


def _checked(part: Part, raw: RawSpectrum) -> Part:
    """Arrays of one length, on usable wavelengths in Angstrom that rise."""
    n = np.size(part.wavelength)
    for name in ("flux", "ivar", "mask"):
        values = getattr(part, name)
        if values is not None and np.shape(values) != (n,):
            came = " x ".join(map(str, np.shape(values))) or "1"
            raise Unreadable(f"has {n} wavelengths, but {came} values of {name}")
    if not n:
        raise Unreadable("has an empty spectrum")
    if n > MAX_PIXELS:
        raise Unreadable(f"has {n:,} pixels (at most {MAX_PIXELS:,})")
    wavelength = np.asarray(part.wavelength, np.float64)
    wavelength = angstrom(wavelength, raw.wavelength_unit)
    usable = np.isfinite(wavelength) & (wavelength > 0)
    if not usable.all():  # padding, mostly
        part = _taken(part, usable)
        wavelength = wavelength[usable]
    if len(wavelength) < _MIN_PIXELS:
        raise Unreadable("has fewer than two pixels with a wavelength")
    if wavelength[-1] < wavelength[0]:
        part = _taken(part, slice(None, None, -1))
        wavelength = wavelength[::-1]
    if not (np.diff(wavelength) > 0).all():
        raise Unreadable("has wavelengths that do not rise from pixel to pixel")
    mask = None if part.mask is None else np.asarray(part.mask, bool)
    return Part(wavelength, _native(part.flux), _native(part.ivar), mask)


def _taken(part: Part, which: np.ndarray | slice) -> Part:
    ivar = None if part.ivar is None else part.ivar[which]
    mask = None if part.mask is None else part.mask[which]
    return Part(part.wavelength[which], part.flux[which], ivar, mask)


def _native(values: np.ndarray | None) -> Any:
    if values is None:
        return None
    if values.dtype.kind not in "biuf":
        raise Unreadable(f"has values that are no numbers ({values.dtype})")
    # Single precision stays single, so that what is copied is copied exactly.
    single = values.dtype.kind == "f" and values.dtype.itemsize == 4
    return values.astype(np.float32 if single else np.float64)


def _known(part: Part) -> np.ndarray:
    assert part.ivar is not None
    return part.ivar


def _n_good(part: Part) -> int:
    good = np.isfinite(part.flux) & np.isfinite(_known(part)) & (_known(part) > 0)
    return int(good.sum() if part.mask is None else (good & ~part.mask).sum())
