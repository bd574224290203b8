"""How a picture is drawn: one frozen value that browser, addresses and caches share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from core.display.colourmaps import COLOUR_MAPS
from core.errors import BadInput
from core.measure import RESIDUAL_MODES

COLOURS = ("survey", "lupton", "channels", "band")
"""One picture of all bands with the survey's limits; Lupton et al. 2004; each channel stretched on
its own; one band through a colour map."""

STRETCHES = ("asinh", "linear", "log", "power", "sqrt", "squared", "sinh", "histogram")
LIMITS = ("survey", "minmax", "zscale", "percentile", "fixed")

_WORDS = {
    "colour": COLOURS,
    "stretch": STRETCHES,
    "limits": LIMITS,
    "map": COLOUR_MAPS,
    "residual": RESIDUAL_MODES,
}
_BANDS = ("band", "red", "green", "blue")
_NUMBERS = {
    "q": (0.01, 1000.0),
    "soft": (1e-30, 1e30),
    "percent": (50.0, 100.0),
    "low": (-1e30, 1e30),
    "high": (-1e30, 1e30),
    "contrast": (0.0, 10.0),
    "bias": (0.0, 1.0),
    "smooth": (0.0, 10.0),
}


@dataclass(frozen=True)
class Look:
    """How a picture is drawn; the defaults are what a survey looks like untouched.

    Make one from outside by `from_query`, which checks everything; `None` stands for what the
    survey gives by itself.

    Attributes
    ----------
    colour
        One of `COLOURS`.
    band
        Name of the band of `colour="band"`; None is the middle one.
    red, green, blue
        Names of the bands of lupton and channels; None is what `to_rgb` deals to that channel.
    q, soft
        Lupton's Q, and the intensity (data units) that bends the stretch; None follows the noise
        of the survey.
    stretch, limits, percent, low, high
        One of `STRETCHES` between limits by one of `LIMITS`: `percent` of the pixels lie inside
        (percentile), `low` and `high` are data values (fixed).
    map, invert, contrast, bias
        Colour map, its inversion, and DS9's contrast and bias on stretched values v in 0 to 1:
        clip((v - bias) * contrast + 0.5).
    residual
        What is taken off before the stretch, one of `core.measure.RESIDUAL_MODES`.
    smooth
        Sigma in pixels of a Gaussian that smooths the pixels before the stretch.
    """

    colour: str = "survey"
    band: str | None = None
    red: str | None = None
    green: str | None = None
    blue: str | None = None
    q: float = 8.0
    soft: float | None = None
    stretch: str = "asinh"
    limits: str = "survey"
    percent: float = 99.5
    low: float | None = None
    high: float | None = None
    map: str = "gray"
    invert: bool = False
    contrast: float = 1.0
    bias: float = 0.5
    residual: str = "none"
    smooth: float = 0.0

    @classmethod
    def from_query(cls, given: Mapping[str, Any], bands: Sequence[str]) -> Look:
        """Read a look from query parameters or a JSON object; other names are left alone.

        Parameters
        ----------
        given
            Values as text, or as JSON has them (numbers, true and false). None and "" are taken
            for the default.
        bands
            Names of the survey's bands.

        Raises
        ------
        BadInput
            A value is none of those allowed, a band is not of the survey, a number is not finite
            or out of range, or `limits=fixed` lacks an end or has them in the wrong order.
        """
        found: dict[str, Any] = {}
        for name in _NAMES:
            value = given.get(name)
            if value is None or value == "":
                continue
            if name in _WORDS:
                found[name] = _one_of(name, value, _WORDS[name])
            elif name in _BANDS:
                found[name] = _one_of(name, value, bands)
            elif name == "invert":
                found[name] = _yes_or_no(name, value)
            elif name == "soft" and value == "auto":
                continue
            else:
                found[name] = _number(name, value)
        look = cls(**found)
        if look.limits == "fixed":
            if look.low is None or look.high is None:
                lacking = "low" if look.low is None else "high"
                raise BadInput(
                    f"Fixed limits need 'low' and 'high', but {lacking!r} is missing; give both in"
                    " the units of the data."
                )
            if look.low >= look.high:
                raise BadInput(
                    f"'low' must lie below 'high', but they are {look.low:g} and {look.high:g};"
                    " exchange them or choose other limits."
                )
        return look

    def query(self) -> dict[str, str]:
        """The settings that are not the default, as query parameters; `from_query` reads them."""
        changed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                changed[field.name] = _text(value)
        return changed

    @property
    def single(self) -> bool:
        """True if the picture is one plane through a colour map, and not three channels."""
        return self.colour == "band" or self.residual != "none"

    def canonical(self) -> Look:
        """The look without the settings that do not show in it: equal pictures, equal looks."""
        kept = {"colour", "residual", "smooth", "contrast", "bias", "invert"}
        if self.single:
            kept |= {"map", "stretch", "limits"} | ({"band"} if self.colour == "band" else set())
        elif self.colour == "lupton":
            kept |= {"red", "green", "blue", "q", "soft"}
        elif self.colour == "channels":
            kept |= {"red", "green", "blue", "stretch", "limits"}
        if "limits" in kept and self.limits == "percentile":
            kept |= {"percent"}
        if "limits" in kept and self.limits == "fixed":
            kept |= {"low", "high"}
        shown = Look(**{name: getattr(self, name) for name in kept})
        # A residual is that of one band or of all; which colours it was asked beside is no matter.
        whole = shown.residual != "none" and shown.colour != "band"
        return replace(shown, colour="survey") if whole else shown

    def levels(self) -> Look:
        """The canonical look up to the stretch: without contrast, bias, colour map, inversion."""
        plain = Look()
        return replace(
            self.canonical(),
            map=plain.map,
            invert=plain.invert,
            contrast=plain.contrast,
            bias=plain.bias,
        )

    def key(self) -> str:
        """Text that is equal exactly where `canonical` looks are; "" of the default look."""
        return urlencode(sorted(self.canonical().query().items()))


_NAMES = tuple(field.name for field in fields(Look))


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise BadInput(
        f"{name!r} must be one of {', '.join(allowed)}, but is {str(value)[:40]!r}; choose one of"
        " these."
    )


def _yes_or_no(name: str, value: Any) -> bool:
    if value is True or value in ("1", "true", 1):
        return True
    if value is False or value in ("0", "false", 0):
        return False
    raise BadInput(f"{name!r} must be 0 or 1, but is {str(value)[:40]!r}; choose one of these.")


def _number(name: str, value: Any) -> float:
    low, high = _NUMBERS[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:  # NaN is no number either
        raise BadInput(
            f"{name!r} must be a number from {low:g} to {high:g}, but is {str(value)[:40]!r};"
            " choose one in between."
        )
    return number + 0.0  # -0.0 becomes 0.0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return repr(value) if isinstance(value, float) else str(value)
