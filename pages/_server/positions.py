"""Reading a sky position that somebody typed."""

from __future__ import annotations

import re

from core.errors import BadInput

__all__ = ["looks_like_position", "read_position"]

_LOOKS = re.compile(r"J?[\d\s.,;:hmsd°'\"′″+-]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_IAU = re.compile(
    r"J?(\d{2})(\d{2})(\d{2}(?:\.\d*)?)([+-]\d{2})(\d{2})(\d{2}(?:\.\d*)?)", re.ASCII
)
_DASHES = str.maketrans({"−": "-", "–": "-"})


def _plain(text: str) -> str:
    plain = text.strip().translate(_DASHES)
    short = _IAU.fullmatch(plain)
    return "{}:{}:{} {}:{}:{}".format(*short.groups()) if short else plain


def looks_like_position(text: str) -> bool:
    """Whether this can only have been meant as two coordinates."""
    plain = _plain(text)
    return bool(_LOOKS.fullmatch(plain)) and len(_NUMBER.findall(plain)) > 1


def read_position(text: str) -> tuple[float, float]:
    """Right ascension and declination in degrees (ICRS).

    Read are degrees ("185.7 15.8"), sexagesimal hours and degrees ("12:22:54 +15:49:20",
    "12h22m54s +15d49m20s") and short names ("J122254+154920").

    Raises
    ------
    BadInput
        It is none of these, or no place on the sky.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    plain = _plain(text)
    found = list(_NUMBER.finditer(plain))
    numbers, half = [one.group() for one in found], len(found) // 2
    parts = [one for place, one in enumerate(numbers) if place not in (0, half)]
    if (
        not _LOOKS.fullmatch(plain)
        or len(numbers) not in (2, 4, 6)
        or any(one[0] in "+-" for one in (numbers[0], *parts))
        or any(float(one) >= 60 for one in parts)
    ):
        raise BadInput(
            "A position is two numbers in degrees such as '185.7 15.8', or hours and degrees such"
            f" as '12:22:54 +15:49:20', but is {text.strip()[:60]!r}; correct it."
        )
    first = plain[: found[half].start()]
    in_hours = "h" in first or ":" in first or (half > 1 and "d" not in first)
    ra, dec = ":".join(numbers[:half]), ":".join(numbers[half:])
    if float(numbers[0]) > (24 if in_hours else 360):
        most = "24 hours" if in_hours else "360 degrees"
        raise BadInput(
            f"A right ascension is 0 to {most}, but {text.strip()[:60]!r} says {numbers[0]};"
            " correct it."
        )
    try:
        place = SkyCoord(ra, dec, unit=(u.hourangle if in_hours else u.deg, u.deg), frame="icrs")
    except ValueError:
        raise BadInput(
            f"A declination is -90 to 90 degrees, but {text.strip()[:60]!r} says {dec}; correct"
            " it."
        ) from None
    return float(place.ra.deg), float(place.dec.deg)
