"""From an image and a look to planes of stretched values, and from those to a colour picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.display.colourmaps import colour_map
from core.display.look import Look
from core.display.render import SurveyLimits, encode_png, render_png, resized_planes
from core.display.scaling import HUGE, limits_of, scaled, stretched
from core.display.stretch import checked_image, dealt, survey_ends, survey_planes
from core.errors import BadInput
from core.measure import Residual, gaussian_smoothed, residual

_RESIDUAL_REACH_SIGMA = 50.0
"""Sky noises from mid-grey to white of a residual with the survey's limits: with the asinh stretch
five noises are then a third of the way."""

_LUPTON_WHITE_SIGMA = 500.0
"""White of a Lupton composite lies at most this many sky noises above the sky, by itself."""

_LUPTON_EIGHT_BIT_SIGMA = 4.0


class DisplayedSurvey(SurveyLimits, Protocol):
    """What drawing needs to know of a survey; its manifest has it."""

    @property
    def bands(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Planes:
    """Stretched values: (1 or 3, y, x) float from 0 to 1, and a sentence if one is to be told."""

    values: np.ndarray
    note: str = ""


def residual_of(image: np.ndarray, survey: DisplayedSurvey, look: Look) -> Residual:
    """The residual that a look asks for: of its band, or of the mean of all in sky noises."""
    return residual(_one_plane(_smoothed(image, look), survey, look), look.residual)


def stretched_planes(
    image: np.ndarray, survey: DisplayedSurvey, look: Look, taken: Residual | None = None
) -> Planes:
    """Everything up to and with the stretch, in float: no contrast, bias, map or inversion.

    Parameters
    ----------
    image
        (band, y, x), uint8 or float.
    survey
        Bands, sky level, bright limit and sky noise.
    look
        How; its band names are those of the survey.
    taken
        What `residual_of` gave for this image and look, if it is at hand.

    Returns
    -------
    Planes
        One plane for a band or a residual, else R, G, B. Of a residual 0.5 is zero.

    Raises
    ------
    BadInput
        The array is no image of the survey's bands.
    """
    checked_image(image)
    if len(image) != len(survey.bands):
        raise BadInput(
            f"An image of this survey has {len(survey.bands)} bands, but this one has"
            f" {len(image)}; check where it came from."
        )
    if look.residual != "none":
        found = taken if taken is not None else residual_of(image, survey, look)
        return Planes(_about_zero(found.values, survey, look)[None], found.note)
    linear = image.dtype == np.uint8
    smooth = _smoothed(image, look)
    if look.colour == "survey":
        limits = (survey.band_low, survey.band_high, survey.band_sigma)
        return Planes(np.clip(survey_planes(smooth, *limits, linear=linear), 0.0, 1.0))
    black, white = _survey_ends(survey, linear=linear)
    if look.colour == "band":
        index = _band_index(survey, look)
        ends = (float(black[index]), float(white[index]))
        return Planes(_one_stretched(_plain(smooth[index]), look, ends)[None])
    channels = _channels(_plain(smooth), survey, look, linear)
    if look.colour == "lupton":
        return Planes(_lupton(channels, survey, look, linear))
    lows, highs = (_channels(ends, survey, look, linear) for ends in (black, white))
    each = [
        _one_stretched(plane, look, (float(low), float(high)))
        for plane, low, high in zip(channels, lows, highs, strict=True)
    ]
    return Planes(np.stack(each))


def painted(values: np.ndarray, look: Look) -> np.ndarray:
    """Contrast, bias, inversion and colour map on stretched planes; then, last, 8 bits.

    Parameters
    ----------
    values
        (1 or 3, y, x) from 0 to 1.

    Returns
    -------
    array
        (y, x, 3) uint8.
    """
    seen = np.clip((values - look.bias) * look.contrast + 0.5, 0.0, 1.0)
    if look.invert:
        seen = 1.0 - seen
    levels = np.rint(seen * 255.0).astype(np.uint8)
    if len(levels) == 1:
        return colour_map(look.map)[levels[0]]
    return np.ascontiguousarray(np.moveaxis(levels, 0, -1))


def render_look(
    image: np.ndarray,
    survey: DisplayedSurvey,
    look: Look,
    size_px: int | None = None,
    taken: Residual | None = None,
) -> tuple[bytes, str]:
    """A PNG of an image by a look, its longer side `size_px` (None: as it is), and the note.

    The stretched values are resized, not the colours: between two values of a colour map lie its
    colours, and not a mixture.
    """
    if look.key() == "":
        return render_png(image, survey, size_px), ""
    planes = stretched_planes(image, survey, look, taken)
    values = planes.values if size_px is None else resized_planes(planes.values, size_px)
    return encode_png(painted(values, look)), planes.note


def look_levels(
    image: np.ndarray, survey: DisplayedSurvey, look: Look, taken: Residual | None = None
) -> tuple[np.ndarray, str]:
    """The stretched values as (1 or 3, y, x) little-endian uint16, 1 being 65535; and the note."""
    planes = stretched_planes(image, survey, look, taken)
    return np.rint(planes.values * 65535.0).astype("<u2"), planes.note


def _smoothed(image: np.ndarray, look: Look) -> np.ndarray:
    if look.smooth <= 0:
        return image
    return np.stack([gaussian_smoothed(plane, look.smooth) for plane in image])


def _plain(values: np.ndarray) -> np.ndarray:
    """float64 within bounds that keep all arithmetic finite; NaN stay."""
    return np.clip(values.astype(np.float64), -HUGE, HUGE)


def _survey_ends(survey: DisplayedSurvey, *, linear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Black and white a band of `limits="survey"`: those of the survey's own colours."""
    if linear:
        return np.asarray(survey.band_low, np.float64), np.asarray(survey.band_high, np.float64)
    black, span, _ = survey_ends(survey.band_low, survey.band_high, survey.band_sigma)
    return black, black + span


def _band_index(survey: DisplayedSurvey, look: Look) -> int:
    return _index_of(survey, look.band) if look.band is not None else len(survey.bands) // 2


def _index_of(survey: DisplayedSurvey, band: str) -> int:
    if band not in survey.bands:
        raise BadInput(
            f"The survey has no band {band[:40]!r}; choose one of {', '.join(survey.bands)}."
        )
    return survey.bands.index(band)


def _channels(values: np.ndarray, survey: DisplayedSurvey, look: Look, linear: bool) -> np.ndarray:
    """(band, ...) -> (3, ...) as R, G, B: the bands that were named, the others as `to_rgb`."""
    mixed = dealt(values, as_rgb=linear and len(values) == 3)
    named = (look.red, look.green, look.blue)
    if named == (None, None, None):
        return mixed
    return np.stack(
        [
            plane if band is None else values[_index_of(survey, band)]
            for plane, band in zip(mixed, named, strict=True)
        ]
    )


def _one_stretched(values: np.ndarray, look: Look, survey: tuple[float, float]) -> np.ndarray:
    low, high = limits_of(values, look, survey)
    return stretched(scaled(values, low, high), look.stretch)


def _lupton(channels: np.ndarray, survey: DisplayedSurvey, look: Look, linear: bool) -> np.ndarray:
    from astropy.visualization import ManualInterval, make_lupton_rgb

    lows, highs, sigmas = (
        _channels(np.asarray(ends, dtype=np.float64), survey, look, linear)
        for ends in (survey.band_low, survey.band_high, survey.band_sigma)
    )
    soft = look.soft
    if soft is None:
        span, noise = float(np.median(highs - lows)), float(np.mean(sigmas))
        if not linear:
            span = min(span, _LUPTON_WHITE_SIGMA * noise)
        # The intensity span comes out white: asinh(Q span / soft) = 10 asinh(Q / 10).
        soft = max(span, 1 / HUGE) * look.q / float(np.sinh(10 * np.arcsinh(look.q / 10)))
        if linear:  # eight bits have been through a stretch: a second one is to be mild
            soft = max(soft, _LUPTON_EIGHT_BIT_SIGMA * noise)
    # A pixel that is NaN shows as sky.
    known = np.where(np.isnan(channels), lows[:, None, None], channels)
    with np.errstate(all="ignore"):  # astropy divides by the intensity before it asks if it is 0
        rgb = make_lupton_rgb(
            *known,
            interval=[ManualInterval(float(low), None) for low in lows],
            stretch=max(soft, 1 / HUGE),
            Q=look.q,
            output_dtype=np.float64,
        )
    return np.clip(np.nan_to_num(np.moveaxis(rgb, -1, 0), nan=0.0, posinf=1.0), 0.0, 1.0)


def _one_plane(image: np.ndarray, survey: DisplayedSurvey, look: Look) -> np.ndarray:
    """What a residual is made of: (y, x), the look's band, or the mean of all in sky noises."""
    values = _plain(np.where(np.isfinite(image), image, np.nan))
    if look.colour == "band":
        return np.asarray(values[_band_index(survey, look)])
    low, sigma = np.asarray(survey.band_low), np.asarray(survey.band_sigma)
    noises = (values - low[:, None, None]) / np.maximum(sigma, 1 / HUGE)[:, None, None]
    known = np.isfinite(noises)
    count = known.sum(axis=0)
    total = np.where(known, noises, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _about_zero(values: np.ndarray, survey: DisplayedSurvey, look: Look) -> np.ndarray:
    """Stretch a residual to both sides of zero, which comes to 0.5; NaN too."""
    if look.colour == "band":
        noise = survey.band_sigma[_band_index(survey, look)]
    else:
        noise = len(survey.bands) ** -0.5
    size = np.abs(values)
    if look.limits in ("survey", "minmax", "percentile"):
        low, high = limits_of(size, look, (0.0, _RESIDUAL_REACH_SIGMA * noise))
    else:
        low, high = limits_of(values, look, (0.0, 0.0))
    half = stretched(scaled(size, 0.0, max(abs(low), abs(high))), look.stretch)
    return 0.5 + 0.5 * np.where(np.isnan(values), 0.0, np.sign(values)) * half
