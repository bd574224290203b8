"""The bytes of one image file -> 8-bit colours or measured pixels, whatever format they are."""

from __future__ import annotations

import numpy as np

from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.fits_image import FitsImage, read_fits
from core.survey.readers.picture import is_measured_png, read_measured_png, read_picture
from core.survey.readers.sniffing import kind_of
from core.survey.readers.unreadable import Unreadable


def decode(content: bytes, hdu: int | str | None = None) -> FitsImage | np.ndarray:
    """(3, y, x) uint8 of a picture; a `FitsImage` of FITS, of TIFF files of 16 bits and more, and
    of grey PNG files of 16 bits.

    Raises
    ------
    Unreadable
        It is none of these, or damaged.
    """
    kind = kind_of(content)
    if kind == "fits":
        return read_fits(content, hdu)
    if kind == "tiff":
        from core.survey.readers.tiff import is_measured, read_tiff

        if is_measured(content):
            image = read_tiff(content)
            return FitsImage(image, {}, FitsHeader({}), None)
    elif kind != "picture":
        raise Unreadable("is not a JPEG, PNG, TIFF or FITS image, whatever its name says")
    elif is_measured_png(content):
        return FitsImage(read_measured_png(content), {}, FitsHeader({}), None)
    return read_picture(content)
