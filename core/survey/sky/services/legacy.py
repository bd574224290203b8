"""Cutouts of the DESI Legacy Imaging Surveys and the other layers of their viewer."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlencode

from core.errors import BadInput
from core.survey.layout import Layout
from core.survey.options import ImportOptions
from core.survey.readers.fits_image import read_fits
from core.survey.readers.picture import read_picture
from core.survey.sky.client import Unavailable
from core.survey.sky.kinds import FITS, JPEG
from core.survey.sky.services.base import (
    Entry,
    Made,
    Service,
    degrees,
    picture_wcs,
    register_service,
    require_size,
    require_sky,
)

NATIVE_SCALE_ARCSEC = 0.262
_LARGEST_PX = 2048
FORMATS = ("fits", "jpg")


@register_service(
    "legacy", "cutouts of the DESI Legacy Imaging Surveys (FITS in nanomaggies, or JPEG)"
)
class LegacyCutouts(Service):
    """FITS cutouts have a band a plane; JPEG ones are drawn by the viewer."""

    base_url = "https://www.legacysurvey.org/viewer/cutout"
    own_options: ClassVar = {
        "layer": "layer of the viewer (ls-dr10)",
        "format": "fits (measured pixels; the default) or jpg",
    }

    def __init__(self, options: ImportOptions, own: Mapping[str, str]) -> None:
        super().__init__(options, own)
        self._at_most(_LARGEST_PX)
        self.layer = own.get("layer", "ls-dr10")
        self.format = chosen_format(self.name, own)
        self.scale = self._scale(NATIVE_SCALE_ARCSEC, 0.05, 60.0)
        fits = self.format == "fits"
        bands = options.bands or (("g", "r", "z") if fits else ("R", "G", "B"))
        if fits and not all(re.fullmatch(r"[A-Za-z0-9]", band) for band in bands):
            raise BadInput(
                "The bands of the service legacy are single letters such as g, r, i, z, but got"
                f" {', '.join(bands)}; change bands."
            )
        self.kind = FITS if fits else JPEG
        self.layout = Layout(
            bands=tuple(bands) if fits else ("R", "G", "B"),
            cutout_size_px=self.size_px,
            dtype="float32" if fits else "uint8",
            pixel_scale_arcsec=self.scale,
            origin=options.origin or f"Legacy Surveys viewer, layer {self.layer}",
            licence=options.licence
            or "public; acknowledge the DESI Legacy Imaging Surveys (www.legacysurvey.org)",
        )

    def urls(self, entry: Entry) -> Sequence[str]:
        question: dict[str, object] = {
            "ra": degrees(entry.ra),
            "dec": degrees(entry.dec),
            "layer": self.layer,
            "pixscale": f"{self.scale:.7g}",
            "size": self.size_px,
        }
        if self.format == "fits":
            question["bands"] = "".join(self.layout.bands)
        return (f"{self.address}.{self.format}?{urlencode(question)}",)

    def decode(self, entry: Entry, answers: Sequence[bytes]) -> Made:
        if self.format == "jpg":
            picture = read_picture(io.BytesIO(answers[0]))
            require_size(picture, 3, self.size_px)
            require_sky(picture)
            return Made(picture, columns=picture_wcs(entry, self.size_px, self.scale))
        found = read_fits(answers[0], 0)
        image = found.image
        require_size(image, len(self.layout.bands), self.size_px)
        sent = str(found.header.get("BANDS", "")).strip()
        if sent and tuple(sent) != self.layout.bands:
            if sorted(sent) != sorted(self.layout.bands):
                asked = "".join(self.layout.bands)
                raise Unavailable(f"came in the bands {sent}, and {asked} were asked for")
            image = image[[sent.index(band) for band in self.layout.bands]]
        require_sky(image)
        return Made(image, columns=found.wcs)

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "layer": self.layer, "format": self.format}


def chosen_format(service: str, own: Mapping[str, str]) -> str:
    """The setting `format`; `BadInput` for another than fits and jpg."""
    format = own.get("format", "fits")
    if format not in FORMATS:
        raise BadInput(
            f"The format of the service {service} is fits or jpg, but got {format!r}; choose one"
            " of these."
        )
    return format
