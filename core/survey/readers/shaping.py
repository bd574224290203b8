"""Brings an image of any size and pixel scale to the square that the survey holds.

The rule, by the setting `mixed`:

- "crop": the centre is cut out, and what is missing at the edges is padded (NaN in measured
  pixels, 0 in 8-bit pictures). No pixel is changed; an image of another pixel scale is unfit.
- "resample": with both pixel scales known the image is resampled to the survey's scale and then
  cropped or padded; without them its central square is resampled to the survey's side.
- "reject": whatever differs is unfit.
- "auto": as "resample" for 8-bit pictures. Measured pixels are cropped or padded, and resampled
  only where their pixel scale is known to differ.

Pixel scales within `SCALE_TOLERANCE` of each other count as the same.

Measured pixels are taken for flux in a pixel, so that resampling conserves flux: values are
multiplied by the ratio of the areas of the new pixel and the old one. With `per_pixel=False`
they are surface brightness (per steradian, say) and are only averaged. 8-bit pictures are shown,
not measured, and keep their levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.survey.readers.unreadable import Unreadable

SCALE_TOLERANCE = 0.01
"""The smear at the edge of a cutout of 100 pixels is then half a pixel at most."""

_KNOWN_WEIGHT = 0.5
"""A resampled pixel is missing when less than this much of what it covers was known."""


class Unfit(Unreadable):
    """The image differs from the survey's, and the rule says to turn it away."""


@dataclass(frozen=True)
class Shaped:
    """An image brought to the survey's square.

    Attributes
    ----------
    image
        (band, side, side), C-contiguous, of the dtype that came.
    how
        "" (untouched), "resampled", "padded" or "cropped": the first of these that is true.
    x0, y0
        The original pixel coordinates, counted from 0, of the centre of the new pixel (0, 0).
    zoom
        Original pixels a new pixel, along a side.
    padded
        The part of the new image that lies outside the original, 0 to 1.
    """

    image: np.ndarray
    how: str
    x0: float
    y0: float
    zoom: float
    padded: float = 0.0


def shape_image(
    image: np.ndarray,
    side: int,
    mixed: str,
    *,
    scale: float | None = None,
    target_scale: float | None = None,
    per_pixel: bool = True,
) -> Shaped:
    """Bring (band, y, x) uint8 or float32 to (band, side, side) by the rule of this module.

    Parameters
    ----------
    mixed
        "auto", "resample", "crop" or "reject".
    scale, target_scale
        Side of a pixel in arcsec, of the image and of the survey; None where unknown.
    per_pixel
        Whether values grow with the area of the pixel (counts, flux) or not (surface brightness).

    Raises
    ------
    Unfit
        The rule turns the image away.
    """
    height, width = image.shape[1:]
    other_scale = not same_scale(scale, target_scale)
    if mixed == "reject" or (mixed == "crop" and other_scale):
        if other_scale:
            raise Unfit(f'has pixels of {scale:.4g}", and the survey has {target_scale:.4g}"')
        if (height, width) != (side, side):
            raise Unfit(f"is {width} x {height} pixels, and the survey has {side} x {side}")
    if other_scale:
        assert scale is not None
        assert target_scale is not None
        return _to_scale(image, side, target_scale / scale, per_pixel)
    if (height, width) == (side, side):
        return Shaped(np.ascontiguousarray(image), "", 0.0, 0.0, 1.0)
    known = scale is not None and target_scale is not None
    if mixed == "crop" or (image.dtype.kind == "f" and (mixed == "auto" or known)):
        return _placed(image, side)
    return _to_side(image, side, per_pixel)


def same_scale(one: float | None, other: float | None) -> bool:
    """Whether two pixel scales agree as far as is known."""
    return one is None or other is None or abs(one / other - 1.0) <= SCALE_TOLERANCE


def _to_side(image: np.ndarray, side: int, per_pixel: bool) -> Shaped:
    """The central square, resampled to `side` where it has another one."""
    height, width = image.shape[1:]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    if square == side:
        return _placed(image, side)
    cut = image[:, top : top + square, left : left + square]
    zoom = square / side
    start = 0.5 * zoom - 0.5
    resampled = _resample(cut, (side, side), (0, 0, square, square), zoom, per_pixel)
    return Shaped(resampled, "resampled", left + start, top + start, zoom)


def _to_scale(image: np.ndarray, side: int, zoom: float, per_pixel: bool) -> Shaped:
    """Resampled to `zoom` original pixels a new one, around the same centre, then placed."""
    height, width = image.shape[1:]
    # A hair is added so that 100 pixels of a half become 50, whatever the division says.
    columns, rows = (min(side, math.floor(n / zoom + 1e-9)) for n in (width, height))
    if min(columns, rows) < 1:
        raise Unfit("is smaller than one pixel of the survey")
    left, top = (width - columns * zoom) / 2, (height - rows * zoom) / 2
    left, top = max(0.0, left), max(0.0, top)
    box = (left, top, min(width, left + columns * zoom), min(height, top + rows * zoom))
    resampled = _resample(image, (columns, rows), box, zoom, per_pixel)
    placed = _placed(resampled, side)
    x0 = left + (placed.x0 + 0.5) * zoom - 0.5
    y0 = top + (placed.y0 + 0.5) * zoom - 0.5
    return Shaped(placed.image, "resampled", x0, y0, zoom, placed.padded)


def _placed(image: np.ndarray, side: int) -> Shaped:
    """The centre of the image in a square of `side`: cropped, padded, or one along each axis."""
    n_bands, height, width = image.shape
    if (height, width) == (side, side):
        return Shaped(np.ascontiguousarray(image), "", 0.0, 0.0, 1.0)
    top, left = (height - side) // 2, (width - side) // 2
    inner = image[:, max(0, top) : top + side, max(0, left) : left + side]
    if inner.shape[1:] == (side, side):
        return Shaped(np.ascontiguousarray(inner), "cropped", float(left), float(top), 1.0)
    nothing = np.nan if image.dtype.kind == "f" else 0
    square = np.full((n_bands, side, side), nothing, dtype=image.dtype)
    y, x = max(0, -top), max(0, -left)
    square[:, y : y + inner.shape[1], x : x + inner.shape[2]] = inner
    padded = 1.0 - inner.shape[1] * inner.shape[2] / side**2
    return Shaped(square, "padded", float(left), float(top), 1.0, padded)


def _resample(
    image: np.ndarray,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    zoom: float,
    per_pixel: bool,
) -> np.ndarray:
    """The box (left, top, right, bottom) of the image in `size` (columns, rows) pixels."""
    if image.dtype.kind != "f":
        lanczos = Image.Resampling.LANCZOS
        if image.shape[0] == 3:
            colours = Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1)))
            resized = np.asarray(colours.resize(size, lanczos, box=box))
            return np.ascontiguousarray(np.moveaxis(resized, -1, 0))
        planes = (Image.fromarray(np.ascontiguousarray(plane)) for plane in image)
        return np.stack([np.asarray(plane.resize(size, lanczos, box=box)) for plane in planes])
    area = zoom**2 if per_pixel else 1.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        bands = [_resample_measured(plane, size, box) * np.float32(area) for plane in image]
    return np.stack(bands)


def _resample_measured(
    plane: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    """Weighted mean over each new pixel, with a triangle as wide as the larger of the two pixels.

    Its weights are positive: a bright star gets no dark ring, as with Lanczos. Missing pixels
    have no weight.
    """
    known = np.isfinite(plane)
    if known.all():
        return _triangle(plane, size, box)
    weight = _triangle(known.astype(np.float32), size, box)
    total = _triangle(np.where(known, plane, np.float32(0)), size, box)
    missing = weight < _KNOWN_WEIGHT
    weight[missing] = 1
    mean = total / weight
    mean[missing] = np.nan
    return mean


def _triangle(
    plane: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.array(picture.resize(size, Image.Resampling.BILINEAR, box=box))
