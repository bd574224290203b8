"""One JPEG or PNG file -> uint8 bands R, G, B, whatever the file holds."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MIN_SIDE_PX = 8
MAX_PIXELS = 64_000_000
"""Decoded size at most: a small file can unpack to more than the memory."""

_FORMATS = ("JPEG", "PNG")


class UnreadablePicture(Exception):
    """Why a file cannot become an image, in a few words."""


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels by the header, turned as EXIF says.

    Raises
    ------
    UnreadablePicture
        The file is no JPEG or PNG, is too small or too large, or cannot be read.
    """
    with _opened(path) as picture:
        width, height = picture.size
        # Orientations 5 to 8 lie on their side.
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (height, width) if turned else (width, height)


def read_picture(path: Path) -> np.ndarray:
    """Decode a file into (3, y, x) uint8, bands R, G, B.

    The rule: turned as EXIF says; transparent pixels laid over black, as the sky is; grey and
    palette pictures spread over the three bands; CMYK and other colour spaces converted by
    Pillow without profiles; of 16 bits the upper eight kept.

    Raises
    ------
    UnreadablePicture
        As `picture_size`, or the file is cut short or damaged.
    """
    with _opened(path) as picture:
        picture.load()
        rgb = _as_rgb(ImageOps.exif_transpose(picture))
        return np.moveaxis(np.asarray(rgb), -1, 0)


def square_cutout(image: np.ndarray, side: int) -> tuple[np.ndarray, bool]:
    """Cut the central square out of (3, y, x) and bring it to `side` pixels (Lanczos).

    Returns the cutout (3, side, side) and whether it had to be resampled.
    """
    height, width = image.shape[1:]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    cut = image[:, top : top + square, left : left + square]
    if square == side:
        return cut, False
    planes = Image.fromarray(np.ascontiguousarray(np.moveaxis(cut, 0, -1)))
    resized = planes.resize((side, side), Image.Resampling.LANCZOS)
    return np.moveaxis(np.asarray(resized), -1, 0), True


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever goes wrong inside the block becomes `UnreadablePicture`."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise UnreadablePicture("is not a plain file")
        if found.st_size == 0:
            raise UnreadablePicture("is empty (zero bytes)")
        with warnings.catch_warnings():
            # Pillow warns of broken EXIF, odd transparency and large pictures: the first two do
            # not matter here, and the size is checked below.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            with Image.open(path, formats=_FORMATS) as picture:
                _check_size(*picture.size)
                yield picture
    except UnreadablePicture:
        raise
    except UnidentifiedImageError:
        raise UnreadablePicture("is not a JPEG or PNG picture, whatever its name says") from None
    except Image.DecompressionBombError:
        raise UnreadablePicture(_too_large("more")) from None
    except PermissionError:
        raise UnreadablePicture("may not be read by this user (permission denied)") from None
    except FileNotFoundError:
        raise UnreadablePicture("is not there (a link that leads nowhere?)") from None
    except Exception as error:
        # Decoders meet hostile bytes and raise anything; the file is named with the reason.
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise UnreadablePicture(f"cannot be read ({error.strerror})") from None
        reason = str(error).replace(str(path), path.name) or type(error).__name__
        raise UnreadablePicture(f"cannot be decoded ({reason[:160]})") from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadablePicture(_too_large(f"{width} x {height}"))
    if min(width, height) < MIN_SIDE_PX:
        raise UnreadablePicture(
            f"is too small ({width} x {height} pixels; at least {MIN_SIDE_PX} a side)"
        )


def _too_large(came: str) -> str:
    return f"is too large ({came} pixels; at most {MAX_PIXELS // 1_000_000} million)"


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        # Pillow would clip 16-bit grey to 255; colour pictures of 16 bits lose their lower byte
        # while loading, and grey ones are treated the same.
        values = np.asarray(picture).astype(np.int64).clip(0, 65_535) >> 8
        picture = Image.fromarray(values.astype(np.uint8))
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        black = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, layered).convert("RGB")
    return picture.convert("RGB")
