"""Cutouts of any survey that CDS has as a HiPS, made by hips2fits.

Source: https://alasky.cds.unistra.fr/hips-image-services/hips2fits; the list of HiPS is at
https://aladin.cds.unistra.fr/hips/list.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlencode

import numpy as np

from core.errors import BadInput
from core.survey.layout import Layout
from core.survey.options import ImportOptions
from core.survey.readers.fits_image import read_fits
from core.survey.readers.picture import read_picture
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
from core.survey.sky.services.legacy import chosen_format

_LARGEST_PX = 2048
_DEFAULT_SCALE_ARCSEC = 0.5


@register_service("hips", "cutouts of any survey that CDS has as a HiPS, from hips2fits")
class HipsCutouts(Service):
    """One question a HiPS: several of them (FITS only) become the bands."""

    base_url = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"
    own_options: ClassVar = {
        "hips": "name of a HiPS such as CDS/P/DSS2/red; several with commas, one a band",
        "format": "fits (the default) or jpg (one HiPS in colour)",
    }

    def __init__(self, options: ImportOptions, own: Mapping[str, str]) -> None:
        super().__init__(options, own)
        self._at_most(_LARGEST_PX)
        self.hips = tuple(name.strip() for name in own.get("hips", "").split(",") if name.strip())
        self.format = chosen_format(self.name, own)
        if not self.hips:
            raise BadInput(
                "The service hips wants to know which survey, such as hips=CDS/P/DSS2/red (see"
                " https://aladin.cds.unistra.fr/hips/list); name one."
            )
        fits = self.format == "fits"
        if not fits and len(self.hips) > 1:
            raise BadInput(
                f"A jpg shows one HiPS in colour, but {len(self.hips)} were named; name one, or"
                " take the format fits."
            )
        bands = options.bands or _band_names(self.hips)
        if fits and len(bands) != len(self.hips):
            raise BadInput(
                f"Each HiPS is a band, but there are {len(self.hips)} of them and {len(bands)}"
                " names of bands; give one a HiPS."
            )
        self.scale = self._scale(_DEFAULT_SCALE_ARCSEC, 0.01, 3600.0)
        self.questions = len(self.hips)
        self.kind = FITS if fits else JPEG
        self.layout = Layout(
            bands=bands if fits else ("R", "G", "B"),
            cutout_size_px=self.size_px,
            dtype="float32" if fits else "uint8",
            pixel_scale_arcsec=self.scale,
            origin=options.origin or f"hips2fits of CDS, {', '.join(self.hips)}",
            licence=options.licence or "as the survey behind the HiPS says",
        )

    def urls(self, entry: Entry) -> Sequence[str]:
        return [
            f"{self.address}?"
            + urlencode(
                {
                    "hips": hips,
                    "ra": degrees(entry.ra),
                    "dec": degrees(entry.dec),
                    "fov": f"{self.scale * self.size_px / 3600.0:.9g}",
                    "width": self.size_px,
                    "height": self.size_px,
                    "projection": "TAN",
                    "coordsys": "icrs",
                    "format": self.format,
                }
            )
            for hips in self.hips
        ]

    def decode(self, entry: Entry, answers: Sequence[bytes]) -> Made:
        if self.format == "jpg":
            picture = read_picture(io.BytesIO(answers[0]))
            require_size(picture, 3, self.size_px)
            require_sky(picture)
            return Made(picture, columns=picture_wcs(entry, self.size_px, self.scale))
        planes = []
        wcs: dict[str, float] = {}
        for answer in answers:
            found = read_fits(answer)
            require_size(found.image, 1, self.size_px)
            planes.append(found.image[0])
            wcs = wcs or found.wcs
        image = np.stack(planes)
        require_sky(image)
        return Made(image, columns=wcs)

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "hips": list(self.hips), "format": self.format}


def _band_names(hips: Sequence[str]) -> tuple[str, ...]:
    """The last parts of the names, as many as it takes to tell them apart."""
    for n in range(1, 5):
        names = tuple("/".join(name.split("/")[-n:]) for name in hips)
        if len(set(names)) == len(names):
            return names
    raise BadInput("The same HiPS was named twice; name each once.")
