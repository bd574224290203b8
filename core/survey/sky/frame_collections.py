"""Collections of survey frames that objects are cut out of locally: which frame an object lies
on, and where the frame is to be had."""

from __future__ import annotations

import abc
import math
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.sky.client import Unavailable, checked_url
from core.survey.sky.kinds import BZ2_FRAME, FITS_FRAME, Kind
from core.survey.sky.services.base import Entry

_BRICK_DEG = 0.25


class Collection(abc.ABC):
    """Frames of one survey.

    Attributes
    ----------
    name, description
        As in the setting `collection`.
    base_url
        The documented address above what differs by frame.
    bands, default_bands
        Letters that it has, and those that are taken when none are named.
    pixel_scale_arcsec
        Of its frames.
    needs
        Columns that say which frame an object lies on; they may be any of several.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    base_url: ClassVar[str]
    bands: ClassVar[str]
    default_bands: ClassVar[tuple[str, ...]]
    pixel_scale_arcsec: ClassVar[float]
    needs: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[Kind]
    origin: ClassVar[str]
    licence: ClassVar[str]

    def __init__(self, address: str | None = None) -> None:
        self.address = checked_url((address or self.base_url).rstrip("/"))

    @abc.abstractmethod
    def frame(self, entry: Entry) -> str:
        """A key that sorts the frames; raises `Unavailable` where the columns do not tell."""

    @abc.abstractmethod
    def url(self, frame: str, band: str) -> str:
        """Where a frame is to be had in one band."""

    @classmethod
    def tells(cls, names: Sequence[str]) -> bool:
        """Whether a table with these columns says which frame its objects lie on."""
        there = {name.lower().rstrip("_") for name in names}
        return all(name in there for name in cls.needs)

    def checked_bands(self, bands: tuple[str, ...]) -> tuple[str, ...]:
        chosen = bands or self.default_bands
        unknown = [band for band in chosen if len(band) != 1 or band not in self.bands]
        if unknown:
            raise BadInput(
                f"The frames of {self.name} have the bands {', '.join(self.bands)}, but"
                f" {unknown[0]!r} was asked for; change bands."
            )
        return chosen


class SdssFrames(Collection):
    """Corrected frames of SDSS imaging (Blanton et al. 2011, AJ 142, 31): calibrated, sky
    subtracted, in nanomaggies; 2048 x 1489 pixels.

    Source: https://data.sdss.org/datamodel/files/BOSS_PHOTOOBJ/frames/RERUN/RUN/CAMCOL/frame.html.
    """

    name = "sdss"
    description = "SDSS corrected frames; wants columns run, camcol and field"
    base_url = "https://data.sdss.org/sas/dr17/eboss/photoObj/frames"
    bands = "ugriz"
    default_bands = ("g", "r", "i")
    pixel_scale_arcsec = 0.396127
    needs = ("run", "camcol", "field")
    kind = BZ2_FRAME
    origin = "SDSS corrected frames (nanomaggies), cut out locally"
    licence = "public; acknowledge SDSS (www.sdss.org)"

    def frame(self, entry: Entry) -> str:
        run, camcol, field = (
            _whole(entry, name, low, high)
            for name, low, high in (("run", 1, 999_999), ("camcol", 1, 6), ("field", 0, 9_999))
        )
        rerun = _cell(entry.columns, "rerun")
        chosen = 301 if rerun is None else _whole(entry, "rerun", 1, 9_999)
        return f"{chosen}-{run:06d}-{camcol}-{field:04d}"

    def url(self, frame: str, band: str) -> str:
        rerun, run, camcol, field = frame.split("-")
        name = f"frame-{band}-{run}-{camcol}-{field}.fits.bz2"
        return f"{self.address}/{rerun}/{int(run)}/{camcol}/{name}"


class LegacyBricks(Collection):
    """Coadded images of the DESI Legacy Imaging Surveys: 3600 x 3600 pixels, nanomaggies.

    Source: https://www.legacysurvey.org/dr10/files/#image-stacks-region-coadd.
    """

    name = "legacy"
    description = "bricks of the DESI Legacy Imaging Surveys; found by position"
    base_url = "https://portal.nersc.gov/cfs/cosmo/data/legacysurvey/dr10/south/coadd"
    bands = "grizY"
    default_bands = ("g", "r", "z")
    pixel_scale_arcsec = 0.262
    needs = ()
    kind = FITS_FRAME
    origin = "Legacy Surveys coadded images (nanomaggies), cut out locally"
    licence = "public; acknowledge the DESI Legacy Imaging Surveys (www.legacysurvey.org)"

    def frame(self, entry: Entry) -> str:
        named = _cell(entry.columns, "brickname")
        name = brick_name(entry.ra, entry.dec) if named is None else str(named).strip()
        if not re.fullmatch(r"\d{4}[mp]\d{3}", name):
            raise Unavailable(f"has no usable brickname ({name[:40]!r})")
        return name

    def url(self, frame: str, band: str) -> str:
        file = f"legacysurvey-{frame}-image-{band}.fits.fz"
        return f"{self.address}/{frame[:3]}/{frame}/{file}"


COLLECTIONS: Mapping[str, type[Collection]] = {one.name: one for one in (LegacyBricks, SdssFrames)}


def brick_name(ra: float, dec: float) -> str:
    """The brick of the Legacy Surveys that a position lies in: rows of 0.25 degrees around whole
    quarters of a degree, each cut into an even number of bricks that are at most as wide.

    Source: desiutil.brick (https://github.com/desihub/desiutil), the survey's own rule.
    """
    if not (math.isfinite(ra) and -90.0 <= dec <= 90.0):
        raise Unavailable("has no usable position")
    row = int((dec + 90.0 + _BRICK_DEG / 2) / _BRICK_DEG)
    centre_dec = -90.0 + row * _BRICK_DEG
    widest = math.cos(math.radians(abs(centre_dec) - _BRICK_DEG / 2))
    n = math.ceil(360.0 / _BRICK_DEG * widest / 2) * 2
    if abs(centre_dec) == 90.0:
        n = 1
    column = min(int(ra % 360.0 / 360.0 * n), n - 1)
    centre_ra = (column + 0.5) * 360.0 / n
    # The survey cuts the tenths off a number with four decimals rather than rounding.
    ra_part = f"{centre_ra * 10_000:07.0f}"[:4]
    dec_part = f"{abs(centre_dec) * 10_000:06.0f}"[:3]
    return f"{ra_part}{'p' if centre_dec >= 0 else 'm'}{dec_part}"


def _cell(columns: Mapping[str, CatalogueValue], name: str) -> CatalogueValue:
    for other, value in columns.items():
        if other.lower() == name:
            return value
    return None


def _whole(entry: Entry, name: str, low: int, high: int) -> int:
    value = _cell(entry.columns, name)
    try:
        number = float(value)  # type: ignore[arg-type]
        if low <= number <= high and number.is_integer():
            return int(number)
    except (TypeError, ValueError):
        pass
    raise Unavailable(f"has no usable {name} ({str(value)[:40]!r})")
