"""Checks on what a survey may be: bands, size, kind of pixels, scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import BadInput
from core.survey.batch import Spectrum

DTYPES = ("uint8", "float32")
MAX_CUTOUT_PX = 2048
MAX_BANDS = 64


def checked_bands(bands: Sequence[str]) -> tuple[str, ...]:
    """The bands, each with its own name, else `BadInput`."""
    names = (bands,) if isinstance(bands, str) else tuple(bands)
    usable = all(isinstance(name, str) and 0 < len(name) <= 64 for name in names)
    if not 1 <= len(names) <= MAX_BANDS or not usable or len(set(names)) < len(names):
        raise BadInput(
            f"A survey has 1 to {MAX_BANDS} bands, each with its own name, but got {names!r};"
            " name them differently."
        )
    return names


def checked_side(cutout_size_px: int) -> int:
    """The side of the cutouts in pixels, else `BadInput`."""
    if not 1 <= cutout_size_px <= MAX_CUTOUT_PX:
        raise BadInput(
            f"cutout_size_px must be 1 to {MAX_CUTOUT_PX}, but is {cutout_size_px!r};"
            " choose another size."
        )
    return int(cutout_size_px)


def checked_dtype(dtype: str) -> str:
    """The kind of pixels, else `BadInput`."""
    if dtype not in DTYPES:
        raise BadInput(
            f"Pixels are stored as {' or '.join(DTYPES)}, but the dtype given is {dtype!r};"
            " convert the images."
        )
    return dtype


def checked_scale(pixel_scale_arcsec: float | None) -> float | None:
    """The side of a pixel on the sky, else `BadInput`."""
    if pixel_scale_arcsec is not None and not 0 < pixel_scale_arcsec < np.inf:
        raise BadInput(
            "pixel_scale_arcsec must be above 0 or left out, but is"
            f" {pixel_scale_arcsec!r}; change it."
        )
    return pixel_scale_arcsec


def checked_image(
    image: np.ndarray | None, shape: tuple[int, int, int], dtype: str, of: str
) -> np.ndarray | None:
    """The image (band, y, x) of a survey of such images, else `BadInput`.

    A float image without a single finite pixel is none. `of` names its object.
    """
    if image is None:
        return None
    # "equiv" lets the other byte order through, which FITS files have.
    if image.shape != shape or not np.can_cast(image.dtype, dtype, "equiv"):
        raise BadInput(
            f"Images of this survey are {shape} (band, y, x) of {dtype}, but that of {of} is"
            f" {image.shape} of {image.dtype}; convert the images."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).any():
        return None
    return image


def checked_spectrum(spectrum: Spectrum | None, n_pixels: int, of: str) -> Spectrum | None:
    """The spectrum of a survey whose grid has so many pixels, else `BadInput`."""
    if spectrum is None:
        return None
    if not len(spectrum.flux) == len(spectrum.ivar) == len(spectrum.mask) == n_pixels:
        raise BadInput(
            f"Spectra of this survey have {n_pixels} pixels, but that of {of} has"
            f" {len(spectrum.flux)}; the reader must be mended."
        )
    return spectrum


def gathered(before: str, now: str) -> str:
    """What an older version says of its objects, and what is said of new ones, each once."""
    return "; ".join(dict.fromkeys(one for one in (*before.split("; "), now) if one))
