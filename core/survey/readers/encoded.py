"""Images that come as bytes, from archives and tables: what survey they make, and each of them
as an object of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.errors import BadInput
from core.survey.batch import BatchBuilder, CatalogueValue
from core.survey.layout import Layout
from core.survey.options import MAX_SIDE_PX, ImportOptions
from core.survey.readers.band_choice import BandChoice
from core.survey.readers.bands import from_blue_to_red
from core.survey.readers.decoding import decode
from core.survey.readers.fits_image import FitsImage
from core.survey.readers.image_entry import EntryShaper
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
    grey: bool = False


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
        grey = not measured and len(pixels) > 1 and bool((pixels == pixels[:1]).all())
        scale = image.pixel_scale_arcsec
        self.seen.append(_Seen(measured, side, len(pixels), names, scale, grey))


@dataclass(frozen=True)
class Encoded:
    """How images become objects of one survey.

    Attributes
    ----------
    measured
        float32 pixels; else 8-bit pictures.
    with_filter
        Whether a column names the filter, since it is not the same for all.
    grey
        Whether all pictures looked at have equal bands.
    """

    measured: bool
    choice: BandChoice
    side: int
    scale: float | None
    mixed: str
    with_filter: bool = False
    grey: bool = False

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
            measured and not alike,
            all(one.grey for one in seen),
        )

    def of_bands(self, bands: tuple[str, ...]) -> Encoded:
        """For objects whose bands are a file each; raises `BadInput` for 8-bit pictures."""
        if not self.measured:
            raise BadInput(
                "A pattern of names is for FITS images of one band each, but most of the images"
                " are 8-bit pictures; set pattern to none (--set pattern=none)."
            )
        choice = BandChoice(bands, tuple(range(len(bands))), len(bands), False)
        return replace(self, choice=choice, with_filter=False)

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
        found = self._of_this_kind(content)
        gathered = BatchBuilder()
        if self.measured:
            image = self.choice.pick(found.image, found.bands)
            self._shaper.add_measured(gathered, "", "", [(found, image)])
        else:
            image = self.choice.pick(found.image, _colours(len(found.image)))
            self._shaper.add_picture(gathered, "", "", image)
        return _only(gathered)

    def object_of_bands(
        self, contents: Sequence[bytes]
    ) -> tuple[np.ndarray, dict[str, CatalogueValue], list[str]]:
        """As `object_of`, from a file for each band of the choice."""
        parts: list[tuple[FitsImage, np.ndarray] | None] = []
        for content in contents:
            found = self._of_this_kind(content)
            if len(found.image) != 1:
                raise Unreadable(f"has {len(found.image)} bands, where one was expected")
            parts.append((found, found.image))
        gathered = BatchBuilder()
        self._shaper.add_measured(gathered, "", "", parts)
        return _only(gathered)

    @property
    def _shaper(self) -> EntryShaper:
        return EntryShaper(self.side, self.scale, self.mixed, with_filter=self.with_filter)

    def _of_this_kind(self, content: bytes | np.ndarray) -> FitsImage:
        found = decoded(content)
        measured = found.image.dtype != np.uint8
        if measured != self.measured:
            raise Unreadable(
                "holds measured pixels, and most others are 8-bit pictures"
                if measured
                else "is an 8-bit picture, and most others hold measured pixels"
            )
        return found


def decoded(content: bytes | np.ndarray) -> FitsImage:
    """Pixels from the bytes of an image file, or from an array (band, y, x)."""
    from core.survey.readers.fits_header import FitsHeader

    found = decode(content) if isinstance(content, bytes) else content
    if isinstance(found, np.ndarray):
        return FitsImage(found, {}, FitsHeader({}), None)
    return found


def _only(
    gathered: BatchBuilder,
) -> tuple[np.ndarray, dict[str, CatalogueValue], list[str]]:
    batch = gathered.take()
    assert batch.images is not None
    image = batch.images[0]
    assert image is not None
    columns = {name: v for name, v in batch.columns[0].items() if name != "file_name"}
    return image, columns, list(batch.tally)


def _colours(n: int) -> tuple[str, ...]:
    return COLOURS if n == 3 else ()


def _most_frequent(values: Sequence[int]) -> int:
    """The most frequent value; of several the largest."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value))
