"""TIFF files of measured pixels (16 bits and more in grey, or floating point) -> float32."""

from __future__ import annotations

import io
import warnings

import numpy as np

from core.survey.readers.fits_hdus import MAX_VALUES, MIN_SIDE_PX
from core.survey.readers.unreadable import Unreadable

_COLOURS = (2, 3, 5, 6, 8)
"""Photometric interpretations of colour pictures: RGB, palette, CMYK, YCbCr, CIELAB."""


def is_measured(content: bytes) -> bool:
    """Whether the pixels of a TIFF file are numbers to keep, not levels to look at."""
    from tifffile import TiffFile

    try:
        with _quiet(), TiffFile(io.BytesIO(content)) as file:
            page = file.pages[0]
            kind, size = page.dtype.kind, page.dtype.itemsize
            return kind == "f" or (size > 1 and int(page.photometric) not in _COLOURS)
    except Exception:  # hostile bytes; whoever decodes them says what is wrong
        return False


def read_tiff(content: bytes) -> np.ndarray:
    """(band, y, x) float32: the pages of the file, or the samples of its only page.

    Raises
    ------
    Unreadable
        It is damaged, too large or too small, or has more than three axes.
    """
    from tifffile import TiffFile

    try:
        with _quiet(), TiffFile(io.BytesIO(content)) as file:
            series = file.series[0]
            if np.prod(series.shape, dtype=object) > MAX_VALUES:
                raise Unreadable(f"is too large (at most {MAX_VALUES // 2**20} million values)")
            values, axes = series.asarray(maxworkers=1), series.axes
    except Unreadable:
        raise
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


def _quiet() -> warnings.catch_warnings:
    return warnings.catch_warnings(action="ignore")
