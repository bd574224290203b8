"""FITS files -> float32 images (band, y, x) with what their headers say of the sky."""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.survey.readers.bands import band_of_header, is_band
from core.survey.readers.fits_hdus import (
    MAX_VALUES,
    MIN_SIDE_PX,
    NOT_PIXELS,
    FileContent,
    Hdu,
    walk,
)
from core.survey.readers.fits_header import Content, FitsHeader
from core.survey.readers.fits_wcs import apart_px, nominal_scale, read_wcs
from core.survey.readers.tile_process import UNSAFE, decompress_apart
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import MAX_BYTES, read_whole, unpacked

__all__ = ["FitsImage", "Unreadable", "decode_hdu", "read_fits"]

_MAX_APART_PX = 1.0


@dataclass(frozen=True)
class FitsImage:
    """One image of a FITS file.

    Attributes
    ----------
    image
        (band, y, x) float32, native byte order; NaN where the file has BLANK or NaN.
    wcs
        The eight `wcs_*` columns (see core.survey.astrometry), of this image's pixels; empty
        where the header has no usable celestial coordinates.
    header
        Cards of the first image HDU over those of the primary one, by upper-case keyword.
    pixel_scale_arcsec
        Square root of the area of a pixel, but for distortions; None without `wcs`.
    bands
        Names of the bands as headers or extension names tell them; empty where they do not.
    lost_digits
        Whether float32 cannot hold some of the pixels exactly.
    """

    image: np.ndarray
    wcs: dict[str, float]
    header: FitsHeader
    pixel_scale_arcsec: float | None
    bands: tuple[str, ...] = ()
    lost_digits: bool = False

    @property
    def per_pixel(self) -> bool:
        """False where BUNIT is a surface brightness, which does not grow with the pixel."""
        unit = self.header.text("BUNIT").lower().replace(" ", "")
        return not any(word in unit for word in ("/sr", "sr-1", "sr^-1", "arcsec", "/beam", "mag"))


def read_fits(file: str | os.PathLike[str] | bytes, hdu: int | str | None = None) -> FitsImage:
    """Decode the image of a FITS file, or of its bytes (which may be those of gzip or bzip2).

    Parameters
    ----------
    hdu
        Number (0 is the primary one) or EXTNAME of the one to read. When left out all image HDUs
        that are no errors, weights or masks (`NOT_PIXELS`), each a band.

    Raises
    ------
    Unreadable
        It is no FITS image, is damaged, or would unpack to too much.
    """
    content = memoryview(unpacked(file if isinstance(file, bytes) else read_whole(file)))
    hdus = list(walk(content))
    chosen = chosen_hdus(hdus, hdu)
    if sum(one.n_values for one in chosen) > MAX_VALUES:
        raise Unreadable(f"is too large (at most {MAX_VALUES // 2**20} million values)")
    planes, lost = zip(*(decode_hdu(content, one) for one in chosen), strict=True)
    if len({plane.shape[1:] for plane in planes}) > 1:
        shapes = ", ".join(f"{plane.shape[2]} x {plane.shape[1]}" for plane in planes[:4])
        raise Unreadable(
            f"has images of several sizes ({shapes} pixels); name one (--set hdu=NAME)"
        )
    image = planes[0] if len(planes) == 1 else np.concatenate(planes)
    return make_image(image, any(lost), chosen, hdus[0].header)


def make_image(
    image: np.ndarray, lost_digits: bool, hdus: Sequence[Hdu], primary: FitsHeader
) -> FitsImage:
    """Pixels (band, y, x) with what the headers of their HDUs, and the primary one, tell.

    Raises
    ------
    Unreadable
        The HDUs show different patches of the sky.
    """
    first = hdus[0]
    height, width = image.shape[1:]
    wcs = read_wcs(first.header, width, height)
    for one in hdus[1:]:
        apart = apart_px(wcs, read_wcs(one.header, width, height), max(width, height))
        if apart > _MAX_APART_PX:
            raise Unreadable(f"has images that lie {apart:.1f} pixels apart on the sky")
    header = first.header.over(primary) if first.number else first.header
    names = _band_names(hdus, primary, len(image))
    return FitsImage(image, wcs, header, nominal_scale(first.header, wcs), names, lost_digits)


def chosen_hdus(hdus: Sequence[Hdu], hdu: int | str | None) -> list[Hdu]:
    """The ones to read; raises `Unreadable` if there is none."""
    if hdu is not None:
        wanted = str(hdu).strip().upper()
        named = [one for one in hdus if wanted in (str(one.number), one.name.upper())]
        if not named:
            raise Unreadable(f"has no HDU {hdu!r} (it has {len(hdus)})")
        if not named[0].is_image:
            raise Unreadable(f"has no image in its HDU {hdu!r}")
        return named[:1]
    images = [one for one in hdus if one.is_image]
    if not images:
        raise Unreadable(_no_image(hdus))
    return [one for one in images if one.name.upper() not in NOT_PIXELS] or images[:1]


def decode_hdu(content: Content, hdu: Hdu) -> tuple[np.ndarray, bool]:
    """Its pixels (band, y, x) float32, and whether digits were lost."""
    if hdu.compressed:
        return three_axes(decompressed(content, hdu), hdu)
    raw = np.frombuffer(content[hdu.start : hdu.start + hdu.n_bytes], hdu.dtype)
    return three_axes(scaled(raw[: hdu.n_values].reshape(hdu.shape), hdu.header), hdu)


def scaled(raw: np.ndarray, header: FitsHeader) -> np.ndarray:
    """The values that raw numbers stand for: BSCALE * raw + BZERO, NaN for BLANK.

    float32 where that is exact, else float64.
    """
    scale, zero = _scaling(header, "BSCALE", 1.0), _scaling(header, "BZERO", 0.0)
    blank = header.get("BLANK")
    # 16-bit numbers with the offset that makes them unsigned are whole and small.
    offsets = (0.0,) if raw.dtype.kind == "f" else (0.0, 32768.0, -128.0)
    narrow = raw.dtype.itemsize <= (4 if raw.dtype.kind == "f" else 2)
    exact = narrow and scale == 1.0 and zero in offsets
    values: np.ndarray = raw.astype(np.float32 if exact else np.float64)
    with np.errstate(all="ignore"):
        if scale != 1.0:
            np.multiply(values, scale, out=values)
        if zero != 0.0:
            np.add(values, zero, out=values)
    if raw.dtype.kind != "f" and isinstance(blank, int):
        values[raw == blank] = np.nan
    return values


def _scaling(header: FitsHeader, name: str, default: float) -> float:
    """A card that scales pixels; raises `Unreadable` where it is none."""
    value = header.number(name)
    if value is None:
        with contextlib.suppress(ValueError):
            value = float(header.written(name))  # the standard has no word for it
        value = default if value is None or math.isfinite(value) else value
    if not math.isfinite(value):
        raise Unreadable(f"has a damaged header ({name} is {value:g}, and a number is needed)")
    return value


def three_axes(values: np.ndarray, hdu: Hdu) -> tuple[np.ndarray, bool]:
    """(band, y, x) float32 and whether digits were lost; axes of length 1 are left out."""
    shape = values.shape
    while len(shape) > 3 and 1 in shape:
        shape = tuple(np.delete(shape, shape.index(1)))
    if len(shape) > 3:
        axes = " x ".join(map(str, reversed(shape)))
        raise Unreadable(f"is an image of {len(shape)} axes ({axes}), and at most 3 are read")
    values = values.reshape(shape if len(shape) == 3 else (1, *shape))
    if values.shape[2] < MIN_SIDE_PX <= min(values.shape[:2]):
        values = np.moveaxis(values, -1, 0)  # (y, x, band), as picture libraries have it
    if min(values.shape[1:]) < MIN_SIDE_PX:
        raise Unreadable(
            f"is too small ({values.shape[2]} x {values.shape[1]} pixels; at least"
            f" {MIN_SIDE_PX} a side)"
        )
    with np.errstate(all="ignore"):
        image = np.ascontiguousarray(values, dtype=np.float32)
    # Numbers of 16 bits with a BSCALE are rounded too, far below their own last digit.
    if values.dtype == np.float32 or abs(hdu.bitpix) <= 16:
        return image, False
    return image, bool(((image != values) & (values == values)).any())


def decompressed(content: Content, hdu: Hdu, planes: slice | None = None) -> np.ndarray:
    """Its pixels, or those of some of its planes, through astropy."""
    _scaling(hdu.header, "BSCALE", 1.0)
    _scaling(hdu.header, "BZERO", 0.0)
    n_planes = len(range(*planes.indices(hdu.shape[0]))) if planes else hdu.shape[0]
    if n_planes * math.prod(hdu.shape[1:]) > MAX_VALUES:  # before room is made for them
        raise Unreadable(f"is too large (at most {MAX_VALUES // 2**20} million values)")
    if hdu.header.text("ZCMPTYPE").upper() in UNSAFE:
        if len(content) > MAX_BYTES:
            raise Unreadable(f"is larger than {MAX_BYTES // 2**20} MB")
        return _as_promised(decompress_apart(bytes(content[:]), hdu.number, planes), n_planes, hdu)
    from astropy.io import fits

    source = content.path if isinstance(content, FileContent) else io.BytesIO(content[:])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            options = {"memmap": False, "lazy_load_hdus": True, "output_verify": "silentfix"}
            with fits.open(source, **options) as file:
                found = file[hdu.number]
                values = np.asarray(found.section[planes] if planes else found.data)
        except MemoryError:
            raise Unreadable("is too large for the memory") from None
        except Exception as error:  # decoders of tiles meet hostile bytes and raise anything
            words = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreadable(f"cannot be decompressed ({words})") from None
    return _as_promised(values, n_planes, hdu)


def _as_promised(values: np.ndarray, n_planes: int, hdu: Hdu) -> np.ndarray:
    if values.shape != (n_planes, *hdu.shape[1:]) or values.dtype.kind not in "iuf":
        raise Unreadable("cannot be decompressed (it is not what its header says)")
    if values.dtype.itemsize <= 2 or values.dtype == np.dtype(">f4"):
        return values.astype(np.float32)
    return values


def _band_names(chosen: Sequence[Hdu], primary: FitsHeader, n_bands: int) -> tuple[str, ...]:
    if len(chosen) == n_bands > 1:
        names = [band_of_header(one.header) or one.name for one in chosen]
    else:
        first = chosen[0]
        by_name = first.name if is_band(first.name) else ""
        names = [band_of_header(first.header) or by_name or band_of_header(primary)]
    whole = all(names) and len(set(names)) == len(names) == n_bands
    return tuple(names) if whole else ()


def _no_image(hdus: Sequence[Hdu]) -> str:
    shapes = [one.shape for one in hdus if one.n_values]
    if shapes:
        axes = " x ".join(map(str, reversed(shapes[0])))
        return f"has no image of at least {MIN_SIDE_PX} pixels a side (it has {axes} values)"
    if len(hdus) > 1:
        return "has no image (it holds tables)"
    return "has no image (its header has no data)"
