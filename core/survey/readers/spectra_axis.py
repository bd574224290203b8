"""A spectrum as a FITS image of one axis, with the wavelengths in its header (IRAF and others)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.survey.readers.fits_hdus import Hdu
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.fits_image import scaled
from core.survey.readers.spectra_fits import (
    ERRORS,
    IVARS,
    MASKS,
    VARIANCES,
    header_columns,
    inverse_variance,
    says_air,
)
from core.survey.readers.spectra_raw import MAX_PIXELS, Part, RawSpectrum

_KINDS = ("", "LINEAR", "WAVE", "AWAV", "LAMBDA", "WAVELENGTH", "WAVELEN", "WAVE-LOG", "AWAV-LOG")


def read_axis_spectrum(content: bytes, hdus: Sequence[Hdu], name: str) -> RawSpectrum | None:
    """The spectrum of the first image that has one long axis and says its wavelengths; `None`
    where there is none. Images of the same length named ERR, IVAR, MASK ... go with it."""
    chosen = next((hdu for hdu in hdus if _length(hdu) and _axis(hdu.header, 2) is not None), None)
    if chosen is None:
        return None
    n = _length(chosen)
    wavelength = _axis(chosen.header, n)
    assert wavelength is not None
    beside = {
        hdu.name.lower(): _values(content, hdu)
        for hdu in hdus
        if hdu is not chosen and _length(hdu) == n
    }
    known = {kind: beside[kind] for kind in (*IVARS, *ERRORS, *VARIANCES) if kind in beside}
    mask_name = next((kind for kind in MASKS if kind in beside), None)
    mask = None if mask_name is None else beside[mask_name] != 0
    header = chosen.header.over(hdus[0].header)
    part = Part(
        wavelength,
        _values(content, chosen),
        inverse_variance(known.__getitem__, known),
        mask,
    )
    unit = "loglam" if _is_log10(header) else header.text("CUNIT1") or header.text("WAT1_UNITS")
    columns = header_columns(header)
    return RawSpectrum(name, (part,), columns, unit, header.text("BUNIT"), says_air(header))


def _length(hdu: Hdu) -> int:
    """Pixels of an image with one axis that is longer than 1, else 0."""
    long = [n for n in hdu.shape if n > 1]
    usable = len(long) == 1 and long[0] <= MAX_PIXELS and not hdu.compressed
    return long[0] if usable and 0 not in hdu.shape else 0


def _values(content: bytes, hdu: Hdu) -> np.ndarray:
    return scaled(np.frombuffer(content, hdu.dtype, _length(hdu), hdu.start), hdu.header)


def _is_log10(header: FitsHeader) -> bool:
    return header.get("DC-FLAG") == 1


def _axis(header: FitsHeader, n: int) -> np.ndarray | None:
    """Wavelengths (or log10 of these) of n pixels (FITS standard 4.0, table 25)."""
    step = header.number("CD1_1") or header.number("CDELT1")
    start = header.number("CRVAL1")
    kind = header.text("CTYPE1").upper()
    if not step or start is None or kind not in _KINDS:
        return None
    pixel = header.number("CRPIX1", 1.0)
    assert pixel is not None
    offset = (np.arange(1, n + 1) - pixel) * step
    if kind.endswith("-LOG") and start > 0:
        with np.errstate(over="ignore"):
            return np.asarray(start * np.exp(offset / start))
    return np.asarray(start + offset)
