"""Pictures as PNG files in memory, at the size they are shown in."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
from PIL import Image

from core.display.stretch import to_rgb
from core.errors import BadInput

MAX_SIDE_PX = 2048


class SurveyLimits(Protocol):
    """What rendering needs to know of a survey; its manifest has it."""

    @property
    def band_low(self) -> tuple[float, ...]: ...
    @property
    def band_high(self) -> tuple[float, ...]: ...
    @property
    def band_sigma(self) -> tuple[float, ...]: ...


def render_png(image: np.ndarray, limits: SurveyLimits, size_px: int | None = None) -> bytes:
    """Render one object's image (band, y, x) as PNG; see `to_rgb` and `encode_png`."""
    rgb = to_rgb(image, limits.band_low, limits.band_high, limits.band_sigma)
    return encode_png(rgb, size_px)


def encode_png(rgb: np.ndarray, size_px: int | None = None) -> bytes:
    """Encode an (y, x, 3) uint8 picture as PNG, its longer side brought to `size_px`.

    Enlarging is bicubic, which rings less around stars than Lanczos; making smaller is Lanczos.

    Raises
    ------
    BadInput
        The array is no such picture, or the size is not 1 to 2048.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise BadInput(
            f"A picture is (y, x, 3) of uint8, but this is {rgb.shape} of {rgb.dtype};"
            " pass it through to_rgb first."
        )
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    if size_px is not None:
        picture = _resized(picture, size_px)
    target = io.BytesIO()
    # A screenful of cutouts is made while someone waits. Run-length coding (3) was a sixth of
    # the time of zlib's default on noisy sky, and the files were no larger.
    picture.save(target, format="PNG", compress_level=1, compress_type=3)
    return target.getvalue()


def resized_planes(planes: np.ndarray, size_px: int) -> np.ndarray:
    """Bring the longer side of planes (plane, y, x), floats from 0 to 1, to `size_px`.

    As `encode_png` does it, but in float32: enlarging first and colouring after loses nothing.
    Where bicubic or Lanczos swing out of 0 to 1 they are cut.
    """
    sized = [
        np.asarray(_resized(Image.fromarray(plane.astype(np.float32)), size_px))
        for plane in planes
    ]
    return np.clip(np.stack(sized), 0.0, 1.0)


def _resized(picture: Image.Image, size_px: int) -> Image.Image:
    if not 1 <= size_px <= MAX_SIDE_PX:
        raise BadInput(
            f"A picture can be shown at 1 to {MAX_SIDE_PX} pixels a side, but {size_px!r} was"
            " asked for; choose another size."
        )
    longer = max(picture.size)
    if longer == size_px:
        return picture
    scale = size_px / longer
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    method = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS
    return picture.resize(size, method)
