"""What the tests of the mosaic reader share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from core.survey.readers.mosaic import MosaicReader

SHAPE = (300, 400)
SIDE = 0.25 / 3600


def catalogue(tmp_path: Path, lines: list[str], header: str = "id,ra,dec,mag") -> str:
    path = tmp_path / "catalogue.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def reader_of(source: Path, catalogue: str | None = None, **more) -> MosaicReader:
    own = {name: more.pop(name) for name in list(more) if name in MosaicReader.own_options}
    options = ImportOptions(reader="mosaic", catalogue=catalogue, more=own, **more)
    made = make_reader(source, options)
    assert isinstance(made, MosaicReader)
    return made


def cutout2d(path: Path, ra: float, dec: float, size: int, hdu: int = 0) -> np.ndarray:
    data, header = fits.getdata(path, hdu, header=True)
    place = SkyCoord(ra, dec, unit="deg")
    return Cutout2D(data, place, size, wcs=WCS(header), mode="partial", fill_value=np.nan).data
