"""Colour pictures of SDSS, drawn by SkyServer's ImgCutout."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from core.survey.layout import Layout
from core.survey.options import ImportOptions
from core.survey.readers.picture import read_picture
from core.survey.sky.kinds import JPEG
from core.survey.sky.services.base import (
    Entry,
    Made,
    Service,
    central,
    degrees,
    picture_wcs,
    register_service,
    require_size,
    require_sky,
)

NATIVE_SCALE_ARCSEC = 0.396127
_SMALLEST_PX, _LARGEST_PX = 64, 2048


@register_service("sdss", "colour pictures (i, r, g as R, G, B) of SDSS imaging, from SkyServer")
class SdssPictures(Service):
    """Answers are JPEG. The service draws 64 pixels at least: smaller cutouts are the centre."""

    base_url = "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg"
    kind = JPEG

    def __init__(self, options: ImportOptions, own: Mapping[str, str]) -> None:
        super().__init__(options, own)
        self._at_most(_LARGEST_PX)
        self.scale = self._scale(NATIVE_SCALE_ARCSEC, 0.015, 60.0)
        small = self.size_px < _SMALLEST_PX
        self.asked_px = _SMALLEST_PX + self.size_px % 2 if small else self.size_px
        self.layout = Layout(
            bands=("R", "G", "B"),
            cutout_size_px=self.size_px,
            pixel_scale_arcsec=self.scale,
            origin=options.origin or "SDSS images, drawn by SkyServer",
            licence=options.licence or "public; acknowledge SDSS (www.sdss.org)",
        )

    def urls(self, entry: Entry) -> Sequence[str]:
        question = {
            "ra": degrees(entry.ra),
            "dec": degrees(entry.dec),
            "scale": f"{self.scale:.7g}",
            "width": self.asked_px,
            "height": self.asked_px,
        }
        return (f"{self.address}?{urlencode(question)}",)

    def decode(self, entry: Entry, answers: Sequence[bytes]) -> Made:
        image = read_picture(io.BytesIO(answers[0]))
        require_size(image, 3, self.asked_px)
        require_sky(image)
        image = central(image, self.size_px)
        return Made(image, columns=picture_wcs(entry, self.size_px, self.scale))
