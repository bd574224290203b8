"""One decoded image, or the images of its bands, -> one object of the survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.survey.batch import BatchBuilder, CatalogueValue
from core.survey.layout import Layout
from core.survey.readers.bands import band_of_header
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.fits_image import FitsImage
from core.survey.readers.fits_wcs import apart_px, moved, sky_position
from core.survey.readers.shaping import Shaped, shape_image
from core.survey.readers.unreadable import Unreadable

MAX_APART_PX = 1.0
"""Bands of one object whose corners lie farther apart show different patches of the sky."""

_OWN = ("object_id", "group_id", "file_name", "width_px", "height_px", "resampled", "padded")


@dataclass(frozen=True)
class EntryShaper:
    """Shapes images as the survey's layout wants them and tells what was done.

    Attributes
    ----------
    mixed
        "resample", "crop", "reject" or "auto"; see `shaping`.
    header
        Cards that become columns.
    with_filter
        Whether a column names the filter, since it is not the same for all.
    """

    side: int
    scale: float | None
    mixed: str
    header: tuple[str, ...] = ()
    with_filter: bool = False

    @classmethod
    def make(cls, layout: Layout, mixed: str, header: str, with_filter: bool) -> EntryShaper:
        """`header` as a person writes it: "OBJECT,EXPTIME"."""
        cards = tuple(dict.fromkeys(card.strip().upper() for card in header.split(",")))
        for card in cards:
            if len(card) > 70 or not card.isprintable():
                raise BadInput(f"A header card has a name such as EXPTIME, but got {card[:80]!r}.")
        return cls(
            layout.cutout_size_px,
            layout.pixel_scale_arcsec,
            mixed,
            tuple(filter(None, cards)),
            with_filter,
        )

    def add_picture(
        self, gathered: BatchBuilder, object_id: str, path: str, image: np.ndarray
    ) -> None:
        shaped = shape_image(image, self.side, self.mixed)
        columns = _columns(path, image, shaped)
        if self.mixed == "crop":
            columns["padded"] = shaped.padded
        _count(gathered, shaped)
        gathered.add(object_id, columns, image=shaped.image, source=path)

    def add_measured(
        self,
        gathered: BatchBuilder,
        object_id: str,
        path: str,
        parts: Sequence[tuple[FitsImage, np.ndarray] | None],
    ) -> None:
        """Each part is what was decoded and its planes that are wanted; None is a band of NaN.

        Raises
        ------
        Unreadable
            The parts show different patches of the sky, or the rule for sizes and scales turns
            one away.
        """
        whole: list[np.ndarray] = []
        first: tuple[FitsImage, np.ndarray, Shaped, dict[str, float]] | None = None
        for part in parts:
            if part is None:
                whole.append(np.full((1, self.side, self.side), np.nan, dtype=np.float32))
                continue
            found, image = part
            shaped = shape_image(
                image,
                self.side,
                self.mixed,
                scale=found.pixel_scale_arcsec,
                target_scale=self.scale,
                per_pixel=found.per_pixel,
            )
            wcs = moved(found.wcs, shaped.x0, shaped.y0, shaped.zoom)
            whole.append(shaped.image)
            if first is None:
                first = found, image, shaped, wcs
            elif (apart := apart_px(first[3], wcs, self.side)) > MAX_APART_PX:
                raise Unreadable(f"has bands that lie {apart:.1f} pixels apart on the sky")
            elif not (wcs or first[3]) and image.shape != first[1].shape:
                raise Unreadable("has bands of several sizes, and no coordinates to lay them by")
        if first is None:
            raise Unreadable("has none of the bands")
        found, image, shaped, wcs = first
        columns = _columns(path, image, shaped)
        columns["padded"] = shaped.padded
        if wcs:
            middle = (self.side - 1) / 2
            columns["ra"], columns["dec"] = sky_position(wcs, middle, middle)
            columns |= wcs
        if self.with_filter and (name := band_of_header(found.header)):
            columns["filter"] = name
        columns |= _cards(found.header, self.header)
        _count(gathered, shaped)
        if any(part is not None and part[0].lost_digits for part in parts):
            gathered.tally("Images of more digits than float32 keeps")
        if any(part is None for part in parts):
            gathered.tally("Objects that lack a band")
        image = whole[0] if len(whole) == 1 else np.concatenate(whole)
        gathered.add(object_id, columns, image=image, source=path)


def _columns(path: str, image: np.ndarray, shaped: Shaped) -> dict[str, CatalogueValue]:
    return {
        "file_name": path,
        "width_px": image.shape[2],
        "height_px": image.shape[1],
        "resampled": shaped.how == "resampled",
    }


def _count(gathered: BatchBuilder, shaped: Shaped) -> None:
    if shaped.how:
        gathered.tally(f"Images {shaped.how}")


def _cards(header: FitsHeader, names: Sequence[str]) -> dict[str, CatalogueValue]:
    """The cards that there are; text without what cannot be printed."""
    found: dict[str, CatalogueValue] = {}
    for name in names:
        value = header.get(name)
        if isinstance(value, str):
            value = "".join(letter for letter in value if letter.isprintable()).strip() or None
        if value is not None:
            found[f"{name}_" if name.lower() in _OWN else name] = value
    return found
