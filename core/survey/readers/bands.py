"""Names of bands: which words are some, from blue to red, and where headers and file names have
them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.survey.readers.fits_header import FitsHeader

MAX_NAME = 64

_NANOMETRES = {
    "FUV": 154,
    "UVW2": 203,
    "UVM2": 224,
    "NUV": 230,
    "UVW1": 260,
    "u": 355,
    "U": 365,
    "B": 440,
    "g": 475,
    "G": 475,
    "V": 550,
    "r": 622,
    "R": 658,
    "VIS": 715,
    "i": 763,
    "I": 806,
    "z": 900,
    "Z": 880,
    "y": 980,
    "Y": 1020,
    "J": 1240,
    "H": 1650,
    "Ks": 2150,
    "K": 2190,
    "W1": 3400,
    "W2": 4600,
    "W3": 12_000,
    "W4": 22_000,
    "IRAC1": 3600,
    "IRAC2": 4500,
    "IRAC3": 5800,
    "IRAC4": 8000,
}
"""Effective wavelengths, good enough to put bands in order."""

_WEBB = frozenset(
    (
        *("F200W", "F210M", "F212N", "F250M", "F277W", "F300M", "F322W2", "F323N", "F335M"),
        *("F356W", "F360M", "F405N", "F410M", "F430M", "F444W", "F460M", "F466N", "F470N"),
        *("F480M", "F560W", "F770W"),
    )
)
"""Filters of JWST whose number could be one of Hubble's."""

_NUMBERED = re.compile(r"F(\d{3,4})(?:W2?|M|N|LP|X)\Z", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9]+")
_CARDS = ("FILTER", "BAND", "FILTNAM", "FILTNAM1", "FILTER1", "FILTER2", "FILTERS")


def wavelength_nm(name: str) -> float | None:
    """About where a band lies, None where the name is no band's known here."""
    for form in (name, name.upper(), name.capitalize(), name.lower()):
        if form in _NANOMETRES:
            return _NANOMETRES[form]
    numbered = _NUMBERED.match(name)
    if numbered:
        number = int(numbered[1])
        # Hubble's infrared and Webb's filters count in hundredths of a micrometre.
        tens = number < 200 or number >= 1000 or name.upper() in _WEBB
        return number * 10.0 if tens else float(number)
    return None


def is_band(word: str) -> bool:
    """Whether a word by itself is the name of a band."""
    return wavelength_nm(word) is not None


def from_blue_to_red(names: Iterable[str]) -> tuple[str, ...]:
    """In the order of their wavelengths; unknown ones behind, by name."""

    def place(name: str) -> tuple[float, str]:
        words = [name, *reversed(_WORD.findall(name))]
        known = (
            wavelength_nm(form) for word in words for form in (word, word.rstrip("0123456789"))
        )
        return next((nm for nm in known if nm is not None), float("inf")), name

    return tuple(sorted(names, key=place))


def band_of_header(header: FitsHeader) -> str:
    """What FILTER, BAND or FILTNAM names; empty where none does.

    Of a description ("g DECam SDSS c0001 4720.0 1520.0") the word that is a band's name.
    """
    for card in _CARDS:
        text = header.text(card)
        if not text or not text.isprintable() or text.upper().startswith(("CLEAR", "N/A")):
            continue
        words = text.split()
        known = [word for word in words if is_band(word)]
        return (known[0] if len(words) > 1 and known else text)[:MAX_NAME]
    return ""
