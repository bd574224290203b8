"""Two nuclei and what lies between them: separation, position angle, flux ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["BRIGHT_TO_FAINT", "FIRST_TO_SECOND", "Pair", "Place", "Sky", "measure_pair"]

BRIGHT_TO_FAINT = "bright to faint"
FIRST_TO_SECOND = "first to second"


class Place(Protocol):
    """A position in pixels with its flux; None where there is none to compare."""

    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def flux(self) -> float | None: ...


class Sky(Protocol):
    """What is known of the sky behind the pixels, as `core.survey.Astrometry` has it."""

    @property
    def scale_arcsec(self) -> float | None: ...
    @property
    def kpc_per_arcsec(self) -> float | None: ...
    def sky(self, x: float, y: float) -> tuple[float, float] | None: ...


@dataclass(frozen=True)
class Pair:
    """Whatever could be told; None where something for it is not known.

    Attributes
    ----------
    separation_px, separation_arcsec, separation_kpc
        kpc is proper and transverse.
    position_angle_deg, position_angle_direction
        From the brighter to the fainter, 0 to 360 from north through east; from the first to the
        second if their fluxes do not say which is brighter. The direction in words, as it is
        kept with marks.
    flux_ratio, delta_mag
        Brighter over fainter (>= 1), and 2.5 log10 of it.
    """

    separation_px: float
    separation_arcsec: float | None
    separation_kpc: float | None
    position_angle_deg: float | None
    position_angle_direction: str | None
    flux_ratio: float | None
    delta_mag: float | None


def measure_pair(a: Place, b: Place, sky: Sky | None) -> Pair:
    """Measure two nuclei against one another."""
    bright, faint, ratio = a, b, None
    if a.flux is not None and b.flux is not None and a.flux > 0 and b.flux > 0:
        bright, faint = (a, b) if a.flux >= b.flux else (b, a)
        assert bright.flux is not None
        assert faint.flux is not None
        ratio = bright.flux / faint.flux
    pixels = float(np.hypot(a.x - b.x, a.y - b.y))
    arcsec = angle = kpc = None
    if sky is not None:
        one, other = sky.sky(bright.x, bright.y), sky.sky(faint.x, faint.y)
        if one is not None and other is not None:
            arcsec, angle = _on_sky(one, other)
            if pixels == 0:
                angle = None
        elif sky.scale_arcsec is not None:
            arcsec = pixels * sky.scale_arcsec
        if arcsec is not None and sky.kpc_per_arcsec is not None:
            kpc = arcsec * sky.kpc_per_arcsec
    direction = None
    if angle is not None:
        direction = FIRST_TO_SECOND if ratio is None else BRIGHT_TO_FAINT
    magnitudes = None if ratio is None else float(2.5 * np.log10(ratio))
    return Pair(pixels, arcsec, kpc, angle, direction, ratio, magnitudes)


def _on_sky(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Separation in arcsec (Vincenty's formula, exact for small angles) and position angle."""
    ra1, dec1, ra2, dec2 = np.radians([*one, *other])
    east = np.cos(dec2) * np.sin(ra2 - ra1)
    turn = np.cos(ra2 - ra1)
    north = np.cos(dec1) * np.sin(dec2) - np.sin(dec1) * np.cos(dec2) * turn
    along = np.sin(dec1) * np.sin(dec2) + np.cos(dec1) * np.cos(dec2) * turn
    separation = np.arctan2(np.hypot(east, north), along)
    return float(np.degrees(separation)) * 3600.0, float(np.degrees(np.arctan2(east, north)) % 360)
