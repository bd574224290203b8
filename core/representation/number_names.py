"""The numbers that encoders read off the pixels, in words: what each is, in the order of its
columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.measure.morphology import ARTEFACT_NUMBERS, FLAGS, band_words, quantities
from core.representation.encoders.peaks import PEAKS
from core.representation.encoders.structure import SCALES_PX


def _same(value: float) -> float:
    return value


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def _expm1(value: float) -> float:
    return math.expm1(min(value, 700.0))


@dataclass(frozen=True)
class NamedNumber:
    """One number of an object.

    Attributes
    ----------
    title, meaning, unit
        For a person.
    group
        Numbers of one group say nearly the same: another scale, another band.
    is_flag
        1 = yes, 0 = no.
    undo
        From the number as the encoder gives it to one that a person reads (out of a logarithm).
    """

    title: str
    meaning: str
    group: str
    unit: str = ""
    is_flag: bool = False
    undo: Callable[[float], float] = _same


_LOOKS = ("whole picture", "central half")
_BAND = (
    ("brightest light", "highest value"),
    ("faintest light", "lowest value"),
    ("light overall", "root mean square"),
)
_ASYMMETRY = (
    ("light without a counterpart", "highest value of what a half turn does not share"),
    ("light without a counterpart", "lowest value of what a half turn does not share"),
    ("lopsided light overall", "root mean square of what a half turn does not share"),
)
_SHARP = (
    ("sharpest structure", "highest value of the unsharp mask"),
    ("sharpest hollow", "lowest value of the unsharp mask"),
    ("sharp structure overall", "root mean square of the unsharp mask"),
)


def structure_numbers(bands: Sequence[str]) -> tuple[NamedNumber, ...]:
    """The columns of the encoder `structure` in pictures of these bands; values are scaled."""
    seen = three_bands(bands)
    channels = [
        *((words, f" in {band}") for band in seen for words in (_BAND,)),
        *((words, f" in {band}") for band in seen for words in (_ASYMMETRY,)),
        (_SHARP, ""),
    ]
    found = []
    for look in _LOOKS:
        for scale in SCALES_PX:
            smoothed = f", averaged over {scale} px" if scale > 1 else ""
            for statistic in range(len(_BAND)):
                for words, where in channels:
                    title, what = words[statistic]
                    found.append(
                        NamedNumber(
                            f"{title}, {look}",
                            f"{what}{where}{smoothed}",
                            f"structure: {title}, {look}",
                        )
                    )
    return tuple(found)


def three_bands(bands: Sequence[str]) -> tuple[str, str, str]:
    """What stands for red, green and blue, as `core.representation.inputs.scaling.to_bands`."""
    names = [f"band {one}" for one in bands]
    if len(names) == 1:
        return names[0], names[0], names[0]
    if len(names) == 2:
        return names[0], "the mean of both bands", names[1]
    return names[0], names[round((len(names) - 1) / 2)], names[-1]


_TIMES = ("sharpest", "second", "third", "fourth", "fifth", "sixth")


def peaks_numbers(bands: Sequence[str]) -> tuple[NamedNumber, ...]:
    """The columns of the encoder `peaks` in pictures of these bands."""
    first, middle, last = three_bands(bands)
    of_side = "of the picture's side"
    blue = f"({first} - {last}) over the mean of the bands"
    green = f"({first} - {middle}) over the mean of the bands"

    def each(
        title: str,
        meaning: str,
        *,
        unit: str = "",
        undo: Callable[[float], float] = _same,
        others: bool = False,
    ) -> list[NamedNumber]:
        places = _TIMES[1:PEAKS] if others else _TIMES[:PEAKS]
        return [
            NamedNumber(title.format(f"{place} peak"), meaning, f"peaks: {title}", unit, undo=undo)
            for place in places
        ]

    pair = "difference of this colour between the {} and the sharpest"
    apart = "distance of the {} from the sharpest"
    numbers = [
        *each("strength of the {}", "above its surroundings, scaled pixels", undo=_exp),
        *each("signal-to-noise of the {}", "over the noise of sharp light", undo=_expm1),
        *each("sharpness of the {}", "share of the light there that is in the peak alone"),
        *each("distance of the {} from the middle", "how far out it lies", unit=of_side),
        *each("colour of the {}", blue),
        *each("colour of the {} against the light round it", blue),
        *each("middle band in the {}", green),
        *each("strength of the {} beside the sharpest", "ratio", undo=_exp, others=True),
        *each(apart, "how far apart", unit=of_side, others=True),
        *each(apart, "how far apart", unit=of_side, others=True, undo=_from_log_distance),
        *each(pair, blue, others=True),
        *each(pair, f"size of the difference of {blue}", others=True),
        *each("middle band in the {} against the sharpest", green, others=True),
        NamedNumber("number of peaks", "near the middle, above 5 sigma", "peaks", undo=_expm1),
        *each(
            "likeness of the {} to a second nucleus",
            "as strong as the sharpest, near it and of its colour: 1",
            others=True,
        ),
        NamedNumber(
            "likeness to two nuclei",
            "the most that any peak is like a second nucleus, at most 1",
            "peaks: likeness of the {} to a second nucleus",
        ),
    ]
    return tuple(numbers)


def _from_log_distance(value: float) -> float:
    return max(_exp(value) - 0.02, 0.0)  # in this order NaN stays NaN


def morphology_numbers(columns: Sequence[str], bands: Sequence[str]) -> tuple[NamedNumber, ...]:
    """The columns of the encoder `morphology`, by the names that it gives them."""
    measured = {one.name: one for one in (*quantities(tuple(bands)), *ARTEFACT_NUMBERS)}
    flags = {one.name: one.meaning for one in FLAGS}
    of_bands = set(measured) - {one.name for one in (*quantities(()), *ARTEFACT_NUMBERS)}
    words = band_words(tuple(bands))
    found = []
    for name in columns:
        if name in measured:
            one = measured[name]
            stem, band = _stem(name, words) if name in of_bands else (name, "")
            title = stem.replace("_", " ") + (f" ({band})" if band else "")
            found.append(NamedNumber(title, one.meaning, f"morphology: {stem}", one.unit))
        elif name in flags:
            title = f"flag: {name.replace('_', ' ')}"
            found.append(NamedNumber(title, flags[name], title, is_flag=True))
        elif name.startswith("no "):
            stem, band = _stem(name[3:], words) if name[3:] in of_bands else (name[3:], "")
            title = stem.replace("_", " ") + (f" ({band})" if band else "")
            title += " cannot be measured"
            found.append(NamedNumber(title, "a number is missing", _MISSING, is_flag=True))
        else:
            found.append(NamedNumber("numbers missing", "share that cannot be measured", _MISSING))
    return tuple(found)


_MISSING = "morphology: what cannot be measured"


def _stem(name: str, words: Sequence[str]) -> tuple[str, str]:
    """The quantity without its band or pair of bands, and these."""
    for kind in ("colour", "gradient"):
        if name.startswith(f"{kind}_"):
            return kind, name[len(kind) + 1 :].replace("_", " - ")
    for word in sorted(words, key=len, reverse=True):
        if name.endswith(f"_{word}"):
            return name[: -len(word) - 1], word
    return name, ""


__all__ = [
    "NamedNumber",
    "morphology_numbers",
    "peaks_numbers",
    "structure_numbers",
    "three_bands",
]
