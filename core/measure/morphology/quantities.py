"""The numbers of morphology: their names, units and meanings, and the table that holds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Quantity:
    """One number: its name (letters, digits and _), one line of meaning, and its unit."""

    name: str
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Morphology:
    """Numbers of B objects.

    Attributes
    ----------
    quantities
        F of them, in the order of the columns.
    values
        (B, F), NaN where the number could not be measured.
    mask
        (B, F), True where it was measured.
    """

    quantities: tuple[Quantity, ...]
    values: Floats
    mask: Bools

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(one.name for one in self.quantities)

    def of(self, name: str) -> Floats:
        """(B,) values of one number."""
        found: Floats = self.values[:, self.names.index(name)]
        return found


_WHOLE = (
    Quantity("snr", "signal-to-noise of all bands within the aperture"),
    Quantity("surface_brightness", "mean over r50, in units of the sky's noise in a pixel"),
    Quantity("r20", "radius of 20% of the light within the aperture", "px"),
    Quantity("r50", "radius of half of the light within the aperture", "px"),
    Quantity("r80", "radius of 80% of the light within the aperture", "px"),
    Quantity("petrosian", "radius where the profile falls to 0.2 of the mean within", "px"),
    Quantity("concentration", "5 log10(r80 / r20)"),
    Quantity("asymmetry", "light that the picture turned by 180 degrees does not share"),
    Quantity("shape_asymmetry", "pixels of the region that the turned region does not share"),
    Quantity("smoothness", "light lost by smoothing over a quarter of the Petrosian radius"),
    Quantity("gini", "Gini coefficient of the object's pixels: 1 if all light is in one"),
    Quantity("m20", "log10 of the second moment of the brightest 20% over that of all"),
    Quantity("inner_slope", "d log brightness / d log radius between r20 and r50"),
    Quantity("outer_slope", "d log brightness / d log radius between r50 and r80"),
    Quantity("sersic_n", "Sersic index at which a profile has these two slopes"),
    Quantity("ellipticity", "1 - b / a of the second moments"),
    Quantity("angle", "of the major axis, from the x axis towards y, 0 to 180", "deg"),
    Quantity("semi_major", "root of the larger second moment", "px"),
    Quantity("skewness", "third moment, any direction, over the second: one-sided light"),
    Quantity("kurtosis", "fourth radial moment over the square of the second"),
    Quantity("region_share", "share of the picture that the object covers"),
    Quantity("centre_offset", "from the picture's middle to the centre of symmetry", "px"),
    Quantity("nucleus_offset", "from the brightest nucleus to the light's centroid, in r50"),
    Quantity("nuclei", "peaks after smoothing over 1 px"),
    Quantity("separation", "of the two brightest of these peaks", "px"),
    Quantity("flux_ratio", "of the second to the first of these peaks"),
    Quantity("clumps", "peaks after smoothing over 2 px"),
    Quantity("clump_separation", "of the two brightest of these clumps", "px"),
    Quantity("clump_ratio", "of the second to the first of these clumps"),
    Quantity("residual_peak", "strongest light without a counterpart, over the object's peak"),
    Quantity("residual_snr", "signal-to-noise of the strongest light without a counterpart"),
    Quantity("residual_radius", "where it lies, in r50"),
    Quantity("residual_total", "share of the light in residuals of 3 sigma and more"),
    Quantity("sources", "separate regions brighter than the sky"),
    Quantity("neighbour_ratio", "light of the brightest other region over the object's"),
)
_A_BAND = (
    Quantity("sky", "sky level", "pixel units"),
    Quantity("noise", "noise of the sky in a pixel", "pixel units"),
    Quantity("flux", "light within the aperture", "pixel units"),
    Quantity("brightness", "mean over the object's r50", "pixel units"),
)
_A_BAND_OF_MANY = (
    Quantity("snr", "signal-to-noise within the aperture"),
    Quantity("r50", "radius of half of the light within the aperture", "px"),
    Quantity("concentration", "5 log10(r80 / r20)"),
    Quantity("asymmetry", "light that the picture turned by 180 degrees does not share"),
    Quantity("gini", "Gini coefficient of the object's pixels"),
    Quantity("m20", "log10 of the second moment of the brightest 20% over that of all"),
)
DIRECTIONS = ("angle",)
"""Numbers that change when a picture is turned."""


def quantities(bands: Sequence[str]) -> tuple[Quantity, ...]:
    """What `measure_morphology` measures in pictures of these bands, in the order of its columns.

    Numbers of the whole object first (of the bands' sum, each over its noise); then of each band
    (the name with _BAND); then of each pair of neighbouring bands.
    """
    words = band_words(bands)
    found = list(_WHOLE)
    of_band = _A_BAND + (_A_BAND_OF_MANY if len(words) > 1 else ())
    for band, word in zip(bands, words, strict=True):
        found += [
            Quantity(f"{one.name}_{word}", f"{one.meaning}, band {band}", one.unit)
            for one in of_band
        ]
    for first, second in pairwise(words):
        pair = f"{first}_{second}"
        found += [
            Quantity(f"colour_{pair}", f"{first} - {second} within the aperture", "mag"),
            Quantity(f"gradient_{pair}", f"{first} - {second} within r50 minus outside", "mag"),
        ]
    return tuple(found)


def band_words(bands: Sequence[str]) -> tuple[str, ...]:
    """The bands' names as parts of column names, all different."""
    words: list[str] = []
    for number, band in enumerate(bands, 1):
        word = re.sub(r"[^A-Za-z0-9]+", "_", band).strip("_")[:24] or f"band{number}"
        if word.casefold() in {other.casefold() for other in words}:
            word = f"{word}_{number}"
        words.append(word)
    return tuple(words)
