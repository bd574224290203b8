"""The seam for services: one file makes one new place in the sky's archives to ask."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from core.errors import BadInput
from core.survey.batch import CatalogueValue, Spectrum
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import ImportOptions
from core.survey.sky.client import Client, Unavailable, checked_url
from core.survey.sky.kinds import Kind

DEFAULT_SIZE_PX = 64

_ONE_COLOUR = 0.8
"""Part of a picture's pixels of exactly one colour above which it shows no sky. Of 1,023 SDSS
cutouts the emptiest has 0.19."""


@dataclass(frozen=True)
class Entry:
    """One thing to ask for. Without a position (`nan`) only services that go by columns serve."""

    object_id: str
    ra: float
    dec: float
    columns: Mapping[str, CatalogueValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What an answer becomes: an image (band, y, x), a spectrum, columns of its own."""

    image: np.ndarray | None = None
    spectrum: Spectrum | None = None
    columns: Mapping[str, CatalogueValue] = field(default_factory=dict)
    tally: Sequence[str] = ()


class Service(abc.ABC):
    """Where pictures or spectra come from.

    Attributes
    ----------
    name, description
        Set by `register_service`.
    base_url
        The documented address, up to the question mark or the part that differs by object.
    own_options
        Settings that it takes beside those of every service: name to meaning.
    by_position
        Whether it is asked by right ascension and declination.
    kind
        Of its answers.
    layout
        Of the survey that comes out.
    questions
        That one object takes.
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    base_url: ClassVar[str] = ""
    own_options: ClassVar[Mapping[str, str]] = {}
    by_position: ClassVar[bool] = True

    kind: Kind
    layout: Layout
    questions: int = 1

    def __init__(self, options: ImportOptions, own: Mapping[str, str]) -> None:
        self.options = options
        self.address = checked_url(own.get("base_url", self.base_url).rstrip("/"))
        self.size_px = options.size_px or DEFAULT_SIZE_PX

    @abc.abstractmethod
    def urls(self, entry: Entry) -> Sequence[str]:
        """What to ask for one object; raises `Unavailable` where its columns do not tell."""

    @abc.abstractmethod
    def decode(self, entry: Entry, answers: Sequence[bytes]) -> Made:
        """The answers of `urls`; raises `Unreadable`."""

    def object_id(self, entry: Entry) -> str:
        """The entry's id; services that go by columns make one where the list has none."""
        return entry.object_id

    def layout_with(self, columns: Mapping[str, ColumnInfo]) -> Layout:
        """The layout, with what the list says of its columns."""
        return replace(self.layout, columns={**columns, **self.layout.columns})

    def fetch(self, client: Client, entry: Entry) -> tuple[Sequence[str], Sequence[bytes]]:
        """Addresses and answers for one object."""
        urls = self.urls(entry)
        return urls, [client.get(url, self.kind) for url in urls]

    def settings(self) -> dict[str, object]:
        """For the preview and the records; JSON."""
        return {"service": self.name, "base_url": self.address}

    def _scale(self, native: float, low: float, high: float) -> float:
        scale = self.options.pixel_scale_arcsec or native
        if not low <= scale <= high:
            raise BadInput(
                f"The service {self.name} draws pixels of {low:g} to {high:g} arcsec, but"
                f" {scale:g} were asked for; change pixel_scale_arcsec."
            )
        return scale

    def _at_most(self, largest_px: int) -> None:
        if self.size_px > largest_px:
            raise BadInput(
                f"The service {self.name} sends at most {largest_px} pixels a side, but"
                f" {self.size_px} were asked for; change size_px."
            )


SERVICES: dict[str, type[Service]] = {}
"""Every registered service by its name."""


def register_service(name: str, description: str) -> Callable[[type[Service]], type[Service]]:
    """Register a service class under a new name; refuses a name that is taken."""

    def register(service: type[Service]) -> type[Service]:
        if name in SERVICES:
            raise ValueError(f"there is already a service {name!r}; choose another name")
        service.name, service.description = name, description
        SERVICES[name] = service
        return service

    return register


def make_service(name: str, options: ImportOptions, own: Mapping[str, str]) -> Service:
    """The service of that name with the settings that are for it.

    Raises
    ------
    BadInput
        There is no such service, or it has no such setting.
    """
    if name not in SERVICES:
        raise BadInput(
            f"There is no service {name!r} (there: {', '.join(sorted(SERVICES))}); choose one of"
            " these with the setting service."
        )
    service = SERVICES[name]
    unknown = sorted(set(own) - set(service.own_options) - {"base_url"})
    if unknown:
        raise BadInput(
            f"The service {name} has no setting {unknown[0]!r} (its settings:"
            f" {', '.join(sorted({*service.own_options, 'base_url'}))}); leave it out."
        )
    return service(options, own)


def picture_wcs(entry: Entry, size_px: int, scale_arcsec: float) -> dict[str, float]:
    """`wcs_*` columns of a picture around a position, north up and east left.

    Rows of a picture run down, so both axes run against the sky's.
    """
    step = -scale_arcsec / 3600.0
    centre = (size_px + 1) / 2
    return {
        "wcs_crval1": entry.ra,
        "wcs_crval2": entry.dec,
        "wcs_crpix1": centre,
        "wcs_crpix2": centre,
        "wcs_cd1_1": step,
        "wcs_cd1_2": 0.0,
        "wcs_cd2_1": 0.0,
        "wcs_cd2_2": step,
    }


def require_sky(image: np.ndarray) -> None:
    """Raises `Unavailable` for an image (band, y, x) on which there is no sky.

    Services answer a position that they do not cover with zeros, with one colour, or with a
    sentence drawn on black.
    """
    if image.dtype.kind == "f":
        if not np.any(np.isfinite(image) & (image != 0)):
            raise Unavailable("has no data there: every pixel is blank")
        return
    weights = (256 ** np.arange(image.shape[0])).reshape(-1, 1, 1)
    colours = (image * weights).ravel()
    counts = np.unique(colours, return_counts=True)[1]
    if counts.max() > _ONE_COLOUR * colours.size:
        raise Unavailable("has no data there: the picture is of one colour")


def central(image: np.ndarray, size_px: int) -> np.ndarray:
    """The central square of (band, y, x), whose sides have the same parity."""
    height, width = image.shape[1:]
    top, left = (height - size_px) // 2, (width - size_px) // 2
    return np.ascontiguousarray(image[:, top : top + size_px, left : left + size_px])


def require_size(image: np.ndarray, n_bands: int, side: int) -> None:
    """Raises `Unavailable` unless the service sent what it was asked for."""
    bands, height, width = image.shape
    if (bands, height, width) != (n_bands, side, side):
        raise Unavailable(
            f"came as {width} x {height} pixels in {bands} band(s), and {side} x {side} in"
            f" {n_bands} were asked for"
        )


def degrees(value: float) -> str:
    """For an address: seven decimals are 0.4 milliarcsec, and always look the same."""
    if not math.isfinite(value):
        raise Unavailable("has no usable position")
    return f"{value:.7f}"
