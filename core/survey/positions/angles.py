"""Angles as text: decimal and sexagesimal, with and without letters, into degrees."""

from __future__ import annotations

import math
import re

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"([+-]?)({_NUMBER})(e[+-]?\d+)?\s*(d|deg|degrees?|°|h|hr|hours?)?", re.I)
_PARTS = re.compile(
    rf"""([+-]?)\s*(\d+)
         \s*(:|\s|h|hr|d|deg|°|º)\s*(\d+(?:\.\d*)?)
         (?:\s*(?::|\s|m|min|'|′)\s*({_NUMBER}))?
         \s*(?:m|s|sec|'|′|''|"|″)?""",
    re.I | re.X,
)
_MINUS = str.maketrans({"−": "-", "–": "-", "‐": "-", "‑": "-"})

HOUR_WORDS = frozenset(("h", "hr", "hrs", "hour", "hours", "hourangle", "h:m:s", "hms"))


class NotAnAngle(Exception):
    """Why a text is no right ascension or declination; a few words."""


def right_ascension(text: str, in_hours: bool = False, in_degrees: bool = False) -> float:
    """Degrees, as they come out (0 to 360 is not looked at).

    A plain number is degrees, unless `in_hours`; a sexagesimal one is hours, unless its letters
    or `in_degrees` say otherwise.
    """
    value, parts, letter = _read(text)
    if letter == "h" or (letter == "" and (in_hours or (parts and not in_degrees))):
        if not abs(value) < 24:
            raise NotAnAngle(f"the right ascension {_shown(text)} is 24 hours or more")
        return value * 15.0
    return value


def declination(text: str) -> float:
    """Degrees, as they come out."""
    value, _parts, letter = _read(text)
    if letter == "h":
        raise NotAnAngle(f"the declination {_shown(text)} is in hours")
    return value


def is_angle(text: str) -> bool:
    try:
        _read(text)
    except NotAnAngle:
        return False
    return True


def is_sexagesimal(text: str) -> bool:
    try:
        return _read(text)[1]
    except NotAnAngle:
        return False


def _read(text: str) -> tuple[float, bool, str]:
    """The number, whether it has parts, and "h", "d" or "" for its unit."""
    plain = text.strip().translate(_MINUS)
    found = _PLAIN.fullmatch(plain)
    if found:
        sign, digits, power, unit = found.groups()
        value = float(sign + digits + (power or ""))
        if not math.isfinite(value):
            raise NotAnAngle(f"{_shown(text)} is not an angle")
        return value, False, _letter(unit or "")
    found = _PARTS.fullmatch(plain) if len(plain) < 64 else None
    if not found:
        raise NotAnAngle(f"{_shown(text)} is not an angle")
    sign, first, mark, minutes, seconds = found.groups()
    small = float(minutes), float(seconds or 0)
    if seconds is not None and "." in minutes.rstrip("."):
        raise NotAnAngle(f"{_shown(text)} is not an angle")
    if max(small) >= 60:
        raise NotAnAngle(f"{_shown(text)} has 60 minutes or seconds or more")
    value = float(first) + small[0] / 60 + small[1] / 3600
    return (-value if sign == "-" else value), True, _letter(mark.strip(": \t"))


def _letter(unit: str) -> str:
    low = unit.lower()
    return "h" if low.startswith("h") else "d" if low else ""


def _shown(text: str) -> str:
    return repr(text.strip()[:40])
