"""Pictures from outside a survey, or parts of its own, brought to what the survey holds."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.survey.readers.decoding import decode
from core.survey.readers.shaping import shape_image
from core.survey.readers.unreadable import Unreadable
from core.survey.store import Survey

__all__ = [
    "LARGEST_BYTES",
    "LEAST_PART_PX",
    "likeness",
    "outside_picture",
    "part_of_picture",
    "twins",
    "twins_among",
]

LARGEST_BYTES = 64 * 2**20
"""Of a file that somebody uploads; decoded pictures are bounded by the readers."""

LEAST_PART_PX = 4
"""Side of the smallest part of a picture that something can be seen in."""

ALIKE, STANDING_OUT, MOST_TWINS = 0.3, 1.5, 5
"""Of the Hubble deep field no two different objects correlate by more than 0.14, and an object
with itself after JPEG compression of quality 60 by 0.5 at least."""

COLOURS = ("R", "G", "B")


def outside_picture(survey: Survey, content: bytes, name: str = "the picture") -> np.ndarray:
    """A file's picture as the survey would hold it: (band, side, side) in its dtype and bands.

    JPEG, PNG and TIFF pictures of 8 bits fit a survey of colour pictures; FITS files and deep TIFF
    or PNG files fit one of measured pixels. Bands that the file names are taken by name, else in
    the survey's order. Shaped as an import shapes by the setting "auto": to the survey's pixel
    scale where both are known.

    Parameters
    ----------
    content
        The bytes of the file.
    name
        Of the file, for errors.

    Raises
    ------
    BadInput
        It is too large, no picture, of another kind than the survey's, or lacks its bands.
    """
    manifest, shown = survey.manifest, name[:80]
    if "images" not in manifest.modalities:
        raise BadInput(
            f"The survey {survey.name} has no pictures, so that a picture cannot be compared with"
            " it; choose an object of it instead."
        )
    if len(content) > LARGEST_BYTES:
        raise BadInput(
            f"{shown} has {len(content) / 2**20:,.0f} MB, and at most"
            f" {LARGEST_BYTES // 2**20} MB are read; cut the object out of it first."
        )
    measured = manifest.dtype != "uint8"
    bands = ", ".join(manifest.bands)
    try:
        found = decode(content)
        if isinstance(found, np.ndarray):
            if measured:
                raise BadInput(
                    f"{shown} is a colour picture of 8 bits, but {survey.name} holds measured"
                    f" pixels of the band{'s' if len(manifest.bands) > 1 else ''} {bands}; give a"
                    " FITS file with these."
                )
            planes = _planes(survey, found, COLOURS, shown)
            return shape_image(planes, manifest.cutout_size_px, "auto").image
        if not measured:
            raise BadInput(
                f"{shown} holds measured pixels, but {survey.name} is made of colour pictures of"
                " 8 bits; give a JPEG or PNG picture that looks like its own."
            )
        planes = _planes(survey, found.image, found.bands, shown)
        if not np.isfinite(planes).any():
            raise BadInput(f"{shown} has no pixel with a value; choose another file.")
        shaped = shape_image(
            planes,
            manifest.cutout_size_px,
            "auto",
            scale=found.pixel_scale_arcsec,
            target_scale=manifest.pixel_scale_arcsec,
            per_pixel=found.per_pixel,
        )
    except Unreadable as error:
        raise BadInput(
            f"{shown} {error}; give a JPEG, PNG, TIFF or FITS picture of one object."
        ) from None
    return shaped.image.astype(manifest.dtype, copy=False)


def part_of_picture(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A part of a picture, enlarged to the whole's side: (band, side, side).

    The square about the box's middle with the box's longer side is taken, moved to lie within the
    picture. Measured pixels keep their surface brightness. So a part looks as if it were an object
    of its own, seen through a stronger lens.

    Parameters
    ----------
    picture
        (band, side, side).
    box
        x0, y0, x1, y1 in pixels, the last ones excluded; array coordinates, y = 0 the first row.

    Raises
    ------
    BadInput
        Nothing of the picture, or too little, lies in the box, or it has no values there.
    """
    side = picture.shape[-1]
    x0, y0, x1, y1 = (min(side, max(0, int(one))) for one in box)
    if min(x1 - x0, y1 - y0) < LEAST_PART_PX:
        raise BadInput(
            f"A part of a picture is at least {LEAST_PART_PX} x {LEAST_PART_PX} of its"
            f" {side} x {side} pixels, but x {box[0]} to {box[2]} and y {box[1]} to {box[3]}"
            f" leaves {max(0, x1 - x0)} x {max(0, y1 - y0)}; draw a larger box."
        )
    size = max(x1 - x0, y1 - y0)
    left = min(max(0, (x0 + x1 - size) // 2), side - size)
    top = min(max(0, (y0 + y1 - size) // 2), side - size)
    cut = picture[:, top : top + size, left : left + size]
    if not np.isfinite(cut).any():
        raise BadInput("That part of the picture has no pixel with a value; draw another box.")
    return shape_image(cut, side, "resample", per_pixel=False).image


def _planes(survey: Survey, image: np.ndarray, names: tuple[str, ...], shown: str) -> np.ndarray:
    """The survey's bands of (plane, y, x): by name where all have one, else one for one."""
    bands = survey.manifest.bands
    if set(bands) <= set(names):
        return image[[names.index(band) for band in bands]]
    named = bool(names) and not _numbered(bands)
    if len(image) != len(bands) or (named and names != COLOURS):
        has = f"{len(image)} ({', '.join(names)})" if names else str(len(image))
        raise BadInput(
            f"{shown} should have the bands {', '.join(bands)} of {survey.name}, but has {has};"
            " give a picture with these bands."
        )
    return image


def _numbered(bands: tuple[str, ...]) -> bool:
    """Whether the survey's bands are only counted: then names say nothing."""
    return all(band.removeprefix("band").isdecimal() for band in bands)


def twins_among(picture: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T,) positions within `others` that show the very same pixels, the likest first; or none.

    By the correlation of fine structure: the mean of the bands less its 5 x 5 px mean, cut at
    three mean deviations, so that the noise of a picture counts for more than the profile that one
    galaxy has in common with others. It outlives JPEG compression, reduction and enlargement; a
    picture that was turned, shifted or stretched otherwise has no twin.

    Parameters
    ----------
    picture, others
        (band, side, side) and (B, band, side, side).
    """
    if not len(others):
        return np.empty(0, np.int64)
    return twins(likeness(others, picture[None])[:, 0])


def likeness(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(B, P) float32 correlations of the fine structure of (B, band, side, side) pictures with
    that of (P, band, side, side) others, as `twins_among` compares them."""
    found: np.ndarray = _structure(pictures) @ _structure(others).T
    return found


def twins(alike: np.ndarray) -> np.ndarray:
    """(T,) positions of those whose likeness to one picture, (B,), says that they are the very
    same, the likest first; or none."""
    if not len(alike):
        return np.empty(0, np.int64)
    order = np.argsort(-alike, kind="stable")[: MOST_TWINS + 1]
    usual = float(np.median(alike))
    best = np.append(alike[order], usual if len(alike) > MOST_TWINS else ALIKE)
    for count in range(1, min(MOST_TWINS, len(alike)) + 1):
        last, following = best[count - 1], best[count]
        stands_out = last - usual > STANDING_OUT * (following - usual)
        nearly_all = 1 - following > 4 * max(1 - last, 1e-3)
        if last >= ALIKE and (stands_out or nearly_all):
            return order[:count]
    return np.empty(0, np.int64)


def _structure(pictures: np.ndarray) -> np.ndarray:
    """(B, side * side) float32 of length 1: what correlates; zeros where there is nothing."""
    from scipy.ndimage import uniform_filter

    there = np.isfinite(pictures)
    bands = there.sum(axis=1)
    known = bands > 0
    light = np.where(there, pictures, 0).sum(axis=1, dtype=np.float32) / np.maximum(bands, 1)
    weight = uniform_filter(known.astype(np.float32), (0, 5, 5))
    around = uniform_filter(light, (0, 5, 5)) / np.where(weight > 0, weight, 1)
    fine = np.where(known, light - around, 0.0)
    deviation = np.abs(fine).mean(axis=(1, 2), keepdims=True)
    fine = np.clip(fine, -3 * deviation, 3 * deviation).reshape(len(fine), -1)
    fine -= fine.mean(axis=1, keepdims=True)
    length = np.linalg.norm(fine, axis=1, keepdims=True)
    found: np.ndarray = np.divide(fine, length, out=np.zeros_like(fine), where=length > 0)
    return found.astype(np.float32)
