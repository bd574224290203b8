"""Images that come as bytes, from archives and tables: what survey they make, and each of them
as an object of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.layout import Layout
from core.survey.options import MAX_SIDE_PX, ImportOptions
from core.survey.readers.band_choice import BandChoice
from core.survey.readers.bands import from_blue_to_red
from core.survey.readers.decoding import decode
from core.survey.readers.fits_image import FitsImage
from core.survey.readers.fits_wcs import moved, sky_position
from core.survey.readers.shaping import shape_image
from core.survey.readers.unreadable import Unreadable

MAX_PICTURE_SIDE_PX = 256
"""Colour pictures are made to be looked at and can be resampled; measured pixels are kept."""

COLOURS = ("R", "G", "B")


@dataclass(frozen=True)
class _Seen:
    measured: bool
    side: int
    n_bands: int
    names: tuple[str, ...]
    scale: float | None


@dataclass
class Sample:
    """What some of the images are like."""

    seen: list[_Seen] = field(default_factory=list)
    reason: str = ""
    """Of the first that could not be read."""

    n_tried: int = 0

    def add(self, name: str, content: bytes | np.ndarray) -> None:
        self.n_tried += 1
        try:
            image = decoded(content)
        except Unreadable as error:
            self.reason = self.reason or f"{name} {error}"
            return
        pixels = image.image
        measured = pixels.dtype != np.uint8
        names = image.bands if measured else _colours(len(pixels))
        side = min(pixels.shape[1:])
        self.seen.append(_Seen(measured, side, len(pixels), names, image.pixel_scale_arcsec))


@dataclass(frozen=True)
class Encoded:
    """How images become objects of one survey.

    Attributes
    ----------
    measured
        float32 pixels; else 8-bit pictures.
    """

    measured: bool
    choice: BandChoice
    side: int
    scale: float | None
    mixed: str

    @classmethod
    def make(cls, sample: Sample, options: ImportOptions, what: str) -> Encoded:
        """From what most of the sample are; raises `BadInput` if none could be read."""
        if not sample.seen:
            told = f" (for one, {sample.reason})" if sample.reason else ""
            raise BadInput(
                f"None of the images looked at in {what} can be used{told}; check the data."
            )
        measured = sum(one.measured for one in sample.seen) * 2 >= len(sample.seen)
        seen = [one for one in sample.seen if one.measured == measured]
        n_bands = _most_frequent([one.n_bands for one in seen])
        seen = [one for one in seen if one.n_bands == n_bands]
        alike = len({frozenset(one.names) for one in seen}) == 1
        named = from_blue_to_red(seen[0].names) if alike and measured else ()
        if not measured:
            named = _colours(n_bands)
        scales = sorted(one.scale for one in seen if one.scale is not None)
        scale = float(f"{scales[(len(scales) - 1) // 2]:.6g}") if scales else None
        side = _most_frequent([one.side for one in seen])
        most = MAX_SIDE_PX if measured else MAX_PICTURE_SIDE_PX
        return cls(
            measured,
            BandChoice.make(named, n_bands, options.bands),
            options.size_px or min(most, side),
            options.pixel_scale_arcsec or scale,
            options.mixed,
        )

    def layout(self, options: ImportOptions, origin: str) -> Layout:
        return Layout(
            bands=self.choice.bands,
            cutout_size_px=self.side,
            dtype="float32" if self.measured else "uint8",
            pixel_scale_arcsec=self.scale,
            origin=options.origin or origin,
            licence=options.licence or "not stated",
        )

    def settings(self) -> dict[str, object]:
        return {
            "pixels": "measured" if self.measured else "pictures",
            "bands": list(self.choice.bands),
            "size_px": self.side,
        }

    def object_of(
        self, content: bytes | np.ndarray
    ) -> tuple[np.ndarray, dict[str, CatalogueValue], list[str]]:
        """Image, columns, and what is worth to be counted; raises `Unreadable`."""
        found = decoded(content)
        measured = found.image.dtype != np.uint8
        if measured != self.measured:
            raise Unreadable(
                "has measured pixels, and most others are 8-bit pictures"
                if measured
                else "is an 8-bit picture, and most others have measured pixels"
            )
        names = found.bands if measured else _colours(len(found.image))
        image = self.choice.pick(found.image, names)
        shaped = shape_image(
            image,
            self.side,
            self.mixed,
            scale=found.pixel_scale_arcsec,
            target_scale=self.scale,
            per_pixel=found.per_pixel,
        )
        columns: dict[str, CatalogueValue] = {
            "width_px": image.shape[2],
            "height_px": image.shape[1],
            "resampled": shaped.how == "resampled",
        }
        if shaped.padded:
            columns["padded"] = shaped.padded
        if found.wcs:
            wcs = moved(found.wcs, shaped.x0, shaped.y0, shaped.zoom)
            centre = (self.side - 1) / 2
            columns["ra"], columns["dec"] = sky_position(wcs, centre, centre)
            columns |= wcs
        told = [f"Images {shaped.how}"] if shaped.how else []
        if found.lost_digits:
            told.append("Images whose numbers were rounded to 32-bit fractions")
        return shaped.image, columns, told


def decoded(content: bytes | np.ndarray) -> FitsImage:
    """Pixels from the bytes of an image file, or from an array (band, y, x)."""
    from core.survey.readers.fits_header import FitsHeader

    found = decode(content) if isinstance(content, bytes) else content
    if isinstance(found, np.ndarray):
        return FitsImage(found, {}, FitsHeader({}), None)
    return found


def _colours(n: int) -> tuple[str, ...]:
    return COLOURS if n == 3 else ()


def _most_frequent(values: Sequence[int]) -> int:
    """The most frequent value; of several the largest."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value))
