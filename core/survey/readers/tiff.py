"""TIFF files of measured pixels (16 bits and more in grey, or floating point) -> float32."""

from __future__ import annotations

import io
import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from core.survey.readers.fits_hdus import MAX_VALUES, MIN_SIDE_PX
from core.survey.readers.unreadable import Unreadable

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_COLOURS = (2, 3, 5, 6, 8)
"""Photometric interpretations of colour pictures: RGB, palette, CMYK, YCbCr, CIELAB."""

_DEFLATE = (8, 32946)
_CODECS = (1, 5, 32773, *_DEFLATE)
"""None, LZW, PackBits and deflate: how far the others blow up a file is not checked here."""

_SPARE_BYTES = 65_536


def is_measured(content: bytes) -> bool:
    """Whether the pixels of a TIFF file are numbers to keep, not levels to look at."""
    try:
        with _opened(content) as file:
            page = file.pages[0]
            kind, size = page.dtype.kind, page.dtype.itemsize
            return bool(kind == "f" or (size > 1 and int(page.photometric) not in _COLOURS))
    except Exception:  # hostile bytes; whoever decodes them says what is wrong
        return False


def read_tiff(content: bytes) -> np.ndarray:
    """(band, y, x) float32: the pages of the file, or the samples of its only page.

    Raises
    ------
    Unreadable
        It is damaged, too large or too small, or has more than three axes.
    """
    try:
        with _opened(content) as file:
            series = file.series[0]
            if math.prod(series.shape) > MAX_VALUES:
                raise Unreadable(f"is too large (at most {MAX_VALUES // 2**20} million values)")
            for page in series.pages:
                if page is not None:
                    _check_chunks(content, page.keyframe, page)
            values, axes = series.asarray(maxworkers=1), series.axes
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("is too large for the memory") from None
    except Exception as error:  # decoders meet hostile bytes and raise anything
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable(f"cannot be decoded ({words})") from None
    if values.ndim == 3 and axes.endswith("S"):
        values = np.moveaxis(values, -1, 0)
    values = values.reshape((1, *values.shape)) if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        raise Unreadable("is no image of bands, rows and columns")
    if min(values.shape[1:]) < MIN_SIDE_PX:
        raise Unreadable(
            f"is too small ({values.shape[2]} x {values.shape[1]} pixels; at least"
            f" {MIN_SIDE_PX} a side)"
        )
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def _check_chunks(content: bytes, key: TiffPage, page: TiffPage) -> None:
    """Raise `Unreadable` before a strip or tile is unpacked to more than it should hold."""
    codec = int(key.compression)
    if codec not in _CODECS:
        raise Unreadable(f"is compressed by {key.compression.name}, which is not read here")
    n_bytes = math.prod(key.chunks) * key.dtype.itemsize
    if n_bytes > 8 * MAX_VALUES:
        raise Unreadable("is too large (one of its tiles is larger than an image may be)")
    if codec not in _DEFLATE:
        return
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        unpacker = zlib.decompressobj()
        unpacker.decompress(content[start : start + length], n_bytes + _SPARE_BYTES)
        if unpacker.unconsumed_tail:
            raise Unreadable("unpacks to more than its header says")


@contextmanager
def _opened(content: bytes) -> Iterator[TiffFile]:
    """Without its warnings and its log: what is wrong is told with the file's name."""
    from tifffile import TiffFile

    log = logging.getLogger("tifffile")
    before = log.disabled
    with warnings.catch_warnings(action="ignore"):
        log.disabled = True
        try:
            with TiffFile(io.BytesIO(content)) as file:
                yield file
        finally:
            log.disabled = before
