"""Images of any number of bands -> colour pictures for the screen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import BadInput

_KNEE_SIGMA = 2.0
"""Sky noises at which the stretch bends from linear to logarithmic."""

_WHITE_SIGMA = 150.0
"""White lies at most this many sky noises above the sky: with white at the brightest star of a
survey its galaxies would hardly show."""

_HUGE = 1e30


def to_rgb(
    image: np.ndarray,
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    sigma: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Turn an image (band, y, x) into an (y, x, 3) uint8 picture.

    Three bands of uint8 are taken for R, G, B and go through unchanged. Everything else is
    measured and runs from blue to red: one band gives grey; of two the first is blue, the second
    red and their mean green; three give blue, green, red; more are averaged into three groups
    of neighbouring bands. Other uint8 images keep their values, floats go through the asinh
    stretch of Lupton et al. (2004, PASP 116, 133): the brightness, not each band, is stretched,
    so that colours survive, and what is brighter than white keeps its colour.

    The limits are those of the whole survey, so that pictures compare with one another. Pixels
    that are NaN show as sky.

    Parameters
    ----------
    image
        (band, y, x), uint8 or float.
    low, high, sigma
        Sky level, bright limit and sky noise, one a band, in the image's units.

    Raises
    ------
    BadInput
        The image has not three axes, or the limits are not one a band.
    """
    checked_image(image)
    if image.dtype == np.uint8 and len(image) == 3:
        return np.ascontiguousarray(np.moveaxis(image, 0, -1))
    return _as_picture(survey_planes(image, low, high, sigma, linear=image.dtype == np.uint8))


def checked_image(image: np.ndarray) -> None:
    """`BadInput` if the array is no image (band, y, x)."""
    if image.ndim != 3 or 0 in image.shape:
        raise BadInput(
            f"An image to be shown has the axes (band, y, x), but this one is {image.shape};"
            " give one object at a time."
        )


def survey_planes(
    image: np.ndarray,
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    sigma: Sequence[float] | np.ndarray,
    *,
    linear: bool,
) -> np.ndarray:
    """What `to_rgb` rounds to 8 bits: (3, y, x) float as R, G, B, from 0 to 1.

    `linear` is for values that came as uint8: 0 to 255 as they are. See `to_rgb` for the rest.
    """
    if linear:
        return dealt(image.astype(np.float32), as_rgb=len(image) == 3) / 255.0
    limits = [np.asarray(values, dtype=np.float64) for values in (low, high, sigma)]
    if any(values.shape != image.shape[:1] for values in limits):
        raise BadInput(
            f"An image of {len(image)} bands needs as many limits, but got"
            f" {', '.join(str(values.size) for values in limits)} for low, high and sigma;"
            " take those of its survey's manifest."
        )
    return _lupton(image, *limits)


def survey_ends(
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    sigma: Sequence[float] | np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Black, white minus black, and sky noise a band, (B,) float64 each, as a survey's pictures
    are drawn.

    White is the bright limit, or lower where a few stars alone are so bright (see `to_rgb`). All
    are finite and the second is above 0.
    """
    # The bounds lie far beyond any survey's units and keep the arithmetic finite.
    low, high, sigma = (np.asarray(values, dtype=np.float64) for values in (low, high, sigma))
    low = np.clip(np.nan_to_num(low, posinf=0.0, neginf=0.0), -_HUGE, _HUGE)
    high = np.clip(np.where(np.isfinite(high), high, low), -_HUGE, _HUGE)
    noise = np.where(np.isfinite(sigma) & (sigma > 1 / _HUGE), np.minimum(sigma, _HUGE), 0.0)
    span = high - low
    span = np.where(span > 1 / _HUGE, span, np.where(noise > 0, noise, 1.0))
    if (noise > 0).all():
        span = _white_above_sky(span, noise)
    return low, span, noise


def _lupton(image: np.ndarray, low: np.ndarray, high: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    low, span, noise = survey_ends(low, high, sigma)
    # A pixel that is NaN shows as sky, an infinite one as black or white.
    values = np.where(np.isnan(image), low[:, None, None], np.clip(image, -_HUGE, _HUGE))
    scaled = np.clip((values - low[:, None, None]) / span[:, None, None], -1e6, 1e6)
    planes = np.clip(_three_planes(scaled), 0.0, None)
    # A survey without noise still gets a stretch: linear up to a hundredth of white.
    knee = max(_KNEE_SIGMA * float(np.mean(np.minimum(noise / span, 1.0))), 0.01)
    brightness = planes.mean(axis=0)
    stretched = np.arcsinh(brightness / knee) / np.arcsinh(1.0 / knee)
    factor = np.divide(stretched, brightness, out=np.zeros_like(brightness), where=brightness > 0)
    planes = planes * factor
    # Brighter than white: all three are lowered together, which keeps the colour.
    return planes / np.maximum(planes.max(axis=0), 1.0)


def _white_above_sky(span: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Where white lies a band: at its brightest objects, or `_WHITE_SIGMA` if that is less.

    The bands' brightest objects balance the colours (an average galaxy comes out whitish), but
    only within a factor of two of the balance of their noises, which no artefact can upset.
    """
    reach = span / noise
    middle = float(np.median(reach))
    return np.minimum(middle, _WHITE_SIGMA) * noise * np.clip(reach / middle, 0.5, 2.0)


def dealt(values: np.ndarray, *, as_rgb: bool = False) -> np.ndarray:
    """(band, ...) from blue to red -> (3, ...) as R, G, B; as they are if they are R, G, B."""
    if as_rgb:
        return values
    return _three_planes(values)


def _three_planes(values: np.ndarray) -> np.ndarray:
    """(band, ...) from blue to red -> (3, ...) as R, G, B."""
    n_bands = len(values)
    if n_bands == 1:
        return np.repeat(values, 3, axis=0)
    if n_bands == 2:
        return np.stack([values[1], values.mean(axis=0), values[0]])
    groups = np.array_split(values, 3)
    return np.stack([group.mean(axis=0) for group in reversed(groups)])


def _as_picture(planes: np.ndarray) -> np.ndarray:
    levels = np.rint(np.clip(planes, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(levels, 0, -1))
