"""Settings of methods, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput


@dataclass(frozen=True)
class Limits:
    """The range of a setting, both ends allowed; `whole` numbers alone, or any."""

    low: float
    high: float
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} of {self.low:g} to {self.high:g}"


def check_settings(method: str, settings: dict[str, Any], limits: Mapping[str, Limits]) -> None:
    """Check and convert the numbers (or lists of four numbers, for `widths` and `blocks`).

    Raises
    ------
    BadInput
        One is no number or out of its range.
    """
    for name, allowed in limits.items():
        value = settings[name]
        if name in ("widths", "blocks"):
            ok = isinstance(value, list | tuple) and len(value) == 4
            found: Any = [_number(one, allowed) for one in value] if ok else [None]
            if None in found:
                _refuse(method, name, f"four numbers, each {allowed}", value)
        else:
            found = _number(value, allowed)
            if found is None:
                _refuse(method, name, str(allowed), value)
        settings[name] = found


def _number(value: object, allowed: Limits) -> float | int | None:
    """The number, or None where it is none that is allowed; a command line gives text."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        return None
    if isinstance(value, bool) or not allowed.low <= number <= allowed.high:
        return None
    if not allowed.whole:
        return number
    return int(number) if number == int(number) else None


def _refuse(method: str, name: str, allowed: str, came: object) -> None:
    raise BadInput(
        f"The setting {name} of the method {method} must be {allowed}, but is {came!r};"
        " change that setting."
    )
