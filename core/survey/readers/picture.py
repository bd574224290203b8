"""One JPEG, PNG or TIFF file -> uint8 bands R, G, B, whatever the file holds."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_whole

MIN_SIDE_PX = 8
MAX_PIXELS = 64_000_000
"""Decoded size at most: a small file can unpack to more than the memory."""

GREY_KEPT = "Grey pictures are kept as three equal bands."

_FORMATS = ("JPEG", "PNG", "TIFF")
_ORIENTATION = 0x0112

PictureFile = str | os.PathLike[str] | bytes | BinaryIO
"""A path, or the bytes of a picture, or an open file that can seek."""


class UnreadablePicture(Unreadable):
    """Why a file cannot become an image, in a few words."""


def picture_size(file: PictureFile) -> tuple[int, int]:
    """Width and height in pixels by the header, turned as EXIF says.

    Raises
    ------
    UnreadablePicture
        The file is no JPEG, PNG or TIFF, is too small or too large, or cannot be read.
    """
    with _opened(file) as picture:
        width, height = picture.size
        # Orientations 5 to 8 lie on their side.
        turned = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return (height, width) if turned else (width, height)


def read_picture(file: PictureFile) -> np.ndarray:
    """Decode a file into (3, y, x) uint8, bands R, G, B, C-contiguous.

    The rule: turned as EXIF says; transparent pixels laid over black, as the sky is; grey and
    palette pictures spread over the three bands; CMYK and other colour spaces converted by
    Pillow without profiles; of 16 bits the upper eight kept.

    Raises
    ------
    UnreadablePicture
        As `picture_size`, or the file is cut short or damaged.
    """
    with _opened(file) as picture:
        picture.load()
        if picture.getexif().get(_ORIENTATION, 1) != 1:
            picture = ImageOps.exif_transpose(picture)
        rgb = _as_rgb(picture)
        width, height = rgb.size
        # Line by line out of Pillow is twice as quick as moving the colour axis of the whole.
        lines = np.frombuffer(rgb.tobytes("raw", "RGB;L"), dtype=np.uint8)
        return np.ascontiguousarray(lines.reshape(height, 3, width).swapaxes(0, 1))


def is_measured_png(content: bytes) -> bool:
    """Whether it is a grey PNG of 16 bits, whose values are measurements rather than colours."""
    return content[:8] == b"\x89PNG\r\n\x1a\n" and content[24:26] == b"\x10\x00"


def read_measured_png(content: bytes) -> np.ndarray:
    """Decode a grey PNG of 16 bits into (1, y, x) float32, exactly; errors as `read_picture`."""
    with _opened(content) as picture:
        picture.load()
        values = np.asarray(picture)
        if values.ndim != 2:
            raise UnreadablePicture("is not a grey picture, whatever its header says")
        return np.ascontiguousarray(values[None], dtype=np.float32)


@contextmanager
def _opened(file: PictureFile) -> Iterator[Image.Image]:
    """Open a picture; whatever goes wrong inside the block becomes `UnreadablePicture`."""
    try:
        if isinstance(file, (str, os.PathLike)):
            file = read_whole(file)
        stream = io.BytesIO(file) if isinstance(file, bytes) else file
        with warnings.catch_warnings():
            # Pillow warns of broken EXIF, odd transparency and large pictures: the first two do
            # not matter here, and the size is checked below.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            with Image.open(stream, formats=_FORMATS) as picture:
                _check_size(*picture.size)
                yield picture
    except UnreadablePicture:
        raise
    except Unreadable as error:
        raise UnreadablePicture(str(error)) from None
    except UnidentifiedImageError:
        raise UnreadablePicture(
            "is not a JPEG, PNG or TIFF picture, whatever its name says"
        ) from None
    except Image.DecompressionBombError:
        raise UnreadablePicture(
            f"is too large (more than {MAX_PIXELS // 1_000_000} million pixels)"
        ) from None
    except Exception as error:
        # Decoders meet hostile bytes and raise anything; the file is named with the reason.
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise UnreadablePicture(f"cannot be read ({error.strerror})") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        if "object at 0x" in reason:  # an address would make two imports differ
            reason = type(error).__name__
        raise UnreadablePicture(f"cannot be decoded ({reason[:160]})") from None


def is_grey(file: PictureFile) -> bool:
    """Whether a picture has one channel by its header; errors as `picture_size`."""
    with _opened(file) as picture:
        return picture.mode in ("1", "L", "LA", "La") or picture.mode.startswith(("I", "F"))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadablePicture(
            f"is too large ({width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} million)"
        )
    if min(width, height) < MIN_SIDE_PX:
        raise UnreadablePicture(
            f"is too small ({width} x {height} pixels; at least {MIN_SIDE_PX} a side)"
        )


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        # Pillow would clip 16-bit grey to 255; colour pictures of 16 bits lose their lower byte
        # while loading, and grey ones are treated the same.
        with np.errstate(invalid="ignore"):
            values = np.nan_to_num(np.asarray(picture)).clip(0, 65_535).astype(np.int64) >> 8
        picture = Image.fromarray(values.astype(np.uint8))
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        black = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, layered).convert("RGB")
    return picture.convert("RGB")
