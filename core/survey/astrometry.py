"""Where the pixels of an object lie on the sky, as far as its catalogue says.

Pixels are counted from 0 at the centre of the first one; x runs to the right and y along the
rows, downwards on screen. The projection is gnomonic (TAN; Calabretta & Greisen 2002, A&A 395,
1077): (xi, eta) = CD . (x - x_px, y - y_px) in degrees, xi to the east and eta to the north.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from core.survey.store import Survey

__all__ = ["Astrometry", "SkyColumns", "astrometry", "sky_columns", "sky_positions"]

POSITION_COLUMNS = (
    ("ra", "dec"),
    ("ra_deg", "dec_deg"),
    ("radeg", "decdeg"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("_raj2000", "_dej2000"),
    ("ra_j2000", "dec_j2000"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("alpha_j2000", "delta_j2000"),
    ("ra_mean", "dec_mean"),
    ("ramean", "decmean"),
    ("right_ascension", "declination"),
)
"""Names of right ascension and declination in degrees, compared without regard to case."""

PHOTOMETRIC_COLUMNS = ("photo_z", "photoz", "z_phot", "zphot")
REDSHIFT_COLUMNS = (
    *("z_spec", "zspec", "spec_z", "specz", "redshift", "z", "z_best", "zbest"),
    *PHOTOMETRIC_COLUMNS,
)
"""Measured ones before estimated ones; the first that holds any redshift is taken, alone: an
estimate in the gaps of a measured one would look like it."""

_BROAD_BANDS = ("u", "g", "r", "i", "y")
_FLUXES = ("flux_{}", "{}_flux", "flux{}", "{}flux")
_FAINTEST_Z = 12.0
"""A bare z above it is the magnitude of a galaxy: no redshift is known from there to the first
stars, and few galaxies of a survey are brighter."""

WCS_COLUMNS = (
    *("wcs_crval1", "wcs_crval2", "wcs_crpix1", "wcs_crpix2"),
    *("wcs_cd1_1", "wcs_cd1_2", "wcs_cd2_1", "wcs_cd2_2"),
)
"""As in a FITS header: degrees, and a reference pixel that is counted from 1."""

_MAX_REDSHIFT = 20.0
_MAX_SCALE_DEG = 1.0

_FAR_DEG = 45.0
"""A reference point farther off than about this is a damaged header."""


@dataclass(frozen=True)
class Astrometry:
    """What is known of one object's place and scale; at least one of the two.

    Attributes
    ----------
    ra_deg, dec_deg
        ICRS position of the reference point, None where only the scale is known.
    x_px, y_px
        The pixel of that position.
    cd
        ((cd1_1, cd1_2), (cd2_1, cd2_2)) in degrees a pixel; None without a position or scale.
    scale_arcsec
        Side of a pixel (square root of its area), None where unknown.
    assumed
        North up and east left was taken, since the catalogue does not say how it lies.
    z, z_column
        Redshift and the catalogue's name of its column, None where unknown.
    """

    ra_deg: float | None
    dec_deg: float | None
    x_px: float
    y_px: float
    cd: tuple[tuple[float, float], tuple[float, float]] | None
    scale_arcsec: float | None
    assumed: bool
    z: float | None
    z_column: str | None = None

    @property
    def is_z_photometric(self) -> bool:
        """The redshift is an estimate from colours, going by its column's name."""
        return (self.z_column or "").lower() in PHOTOMETRIC_COLUMNS

    @property
    def kpc_per_arcsec(self) -> float | None:
        """Proper kiloparsec an arcsecond (Planck 2018), None without a redshift."""
        # The room's photutils is a second that a survey without redshifts need not pay.
        from core.measure.distances import kpc_per_arcsec

        return None if self.z is None else kpc_per_arcsec(self.z)

    def sky(self, x: float, y: float) -> tuple[float, float] | None:
        """Right ascension (0 to 360) and declination of a pixel position, in degrees."""
        if self.cd is None or self.ra_deg is None or self.dec_deg is None:
            return None
        xi, eta = np.array(self.cd) @ np.array([x - self.x_px, y - self.y_px])
        ra, dec = _from_plane(self.ra_deg, self.dec_deg, xi, eta)
        return float(ra), float(dec)

    def payload(self) -> dict[str, Any]:
        """As JSON for the label page. Without a position ra_deg, dec_deg and cd are null."""
        return {
            "ra_deg": self.ra_deg,
            "dec_deg": self.dec_deg,
            "x_px": self.x_px,
            "y_px": self.y_px,
            "cd": None if self.cd is None else [list(line) for line in self.cd],
            "scale_arcsec": self.scale_arcsec,
            "assumed": self.assumed,
            "z": self.z,
            "z_column": self.z_column,
            "kpc_per_arcsec": self.kpc_per_arcsec,
        }


class SkyColumns:
    """The catalogue columns that tell of the sky, as arrays; see `sky_columns`.

    Parameters
    ----------
    catalogue
        The table in row order.

    Attributes
    ----------
    ra, dec
        (N,) float degrees, NaN where unusable; None if the catalogue has no such columns.
    wcs
        The eight `WCS_COLUMNS`, each (N,), NaN where one of them is unusable; or None.
    """

    def __init__(self, catalogue: pd.DataFrame) -> None:
        # Of two names that differ in case only the first counts.
        named = {str(name).lower(): name for name in reversed(list(catalogue.columns))}
        self._names = named
        self._columns = {low: catalogue[name] for low, name in named.items()}
        self.ra, self.dec = self._positions()
        self.wcs = self._wcs()

    @property
    def z(self) -> np.ndarray | None:
        """(N,) redshifts, NaN where unknown; None if no column holds any."""
        return self._redshifts[0]

    @property
    def z_column(self) -> str | None:
        """The name of the column that `z` is read from."""
        return self._redshifts[1]

    @cached_property
    def _redshifts(self) -> tuple[np.ndarray | None, str | None]:
        for name in REDSHIFT_COLUMNS:
            values = self._numbers(name)
            if values is None or (name == "z" and self._is_band_z(values)):
                continue
            most = _FAINTEST_Z if name == "z" else _MAX_REDSHIFT
            good = (values > 0) & (values < most)
            if good.any():
                return np.where(good, values, np.nan), str(self._names[name])
        return None, None

    def _is_band_z(self, values: np.ndarray) -> bool:
        """True if a column named z is likely the brightness in the band z: beside u, g, r, i or y,
        or with the values of magnitudes."""
        if not self._columns.keys().isdisjoint(_BROAD_BANDS):
            return True
        for form in _FLUXES:  # whose values do not tell; those of magnitudes do
            beside = any(form.format(band) in self._columns for band in _BROAD_BANDS)
            if beside and form.format("z") not in self._columns:
                return True
        likely = values[(values > 0) & (values < 3 * _FAINTEST_Z)]
        return likely.size > 0 and float(np.median(likely)) > _FAINTEST_Z

    def _positions(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        for ra_name, dec_name in POSITION_COLUMNS:
            ra, dec = self._numbers(ra_name), self._numbers(dec_name)
            if ra is None or dec is None:
                continue
            good = (ra >= -180) & (ra <= 360) & (dec >= -90) & (dec <= 90)
            if good.any():
                ra = np.where(good, ra, np.nan) % 360.0
                return ra, np.where(good, dec, np.nan)
        return None, None

    def _wcs(self) -> list[np.ndarray] | None:
        found = [self._numbers(name) for name in WCS_COLUMNS]
        columns = [column for column in found if column is not None]
        if len(columns) < len(WCS_COLUMNS):
            return None
        whole = np.isfinite(columns).all(axis=0)
        ra, dec, *rest = (np.where(whole, column, np.nan) for column in columns)
        cd11, cd12, cd21, cd22 = rest[2:]
        area = np.abs(cd11 * cd22 - cd12 * cd21)
        longest = np.max(np.abs(rest[2:]), axis=0)
        good = (ra >= -180) & (ra <= 360) & (np.abs(dec) <= 90)
        good &= (longest > 0) & (longest < _MAX_SCALE_DEG)
        # A sliver a billion times longer than wide is a damaged header, no pixel.
        good &= area >= 1e-9 * longest**2
        good &= np.max(np.abs(rest[:2]), axis=0) * longest < _FAR_DEG
        if not good.any():
            return None
        return [np.where(good, column, np.nan) for column in (ra % 360.0, dec, *rest)]

    def _numbers(self, name: str) -> np.ndarray | None:
        """A column as (N,) floats; None if it is missing or holds no numbers."""
        column = self._columns.get(name)
        if column is None or pd.api.types.is_bool_dtype(column.dtype):
            return None
        try:
            return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
        except (TypeError, ValueError):
            return None


_known: WeakKeyDictionary[Survey, SkyColumns] = WeakKeyDictionary()
_lock = threading.Lock()


def sky_columns(survey: Survey) -> SkyColumns:
    """The survey's sky columns, looked up once and kept while the survey is open."""
    with _lock:
        columns = _known.get(survey)
        if columns is None:
            columns = _known[survey] = SkyColumns(survey.catalogue)
        return columns


def sky_positions(survey: Survey) -> tuple[np.ndarray, np.ndarray] | None:
    """Right ascension and declination of every object, (N,) degrees, NaN where unknown.

    From the position columns; else the cutouts' centres by the columns of `WCS_COLUMNS`. None
    if the catalogue has neither.
    """
    columns = sky_columns(survey)
    if columns.ra is not None and columns.dec is not None:
        return columns.ra, columns.dec
    if columns.wcs is None:
        return None
    ra, dec, crpix1, crpix2, cd11, cd12, cd21, cd22 = columns.wcs
    middle = (survey.manifest.cutout_size_px + 1) / 2
    x, y = middle - crpix1, middle - crpix2
    return _from_plane(ra, dec, cd11 * x + cd12 * y, cd21 * x + cd22 * y)


def astrometry(survey: Survey, row: int) -> Astrometry | None:
    """What is known of the place and scale of an object, None if nothing is.

    From the columns of `WCS_COLUMNS` where all eight are usable; else from right ascension and
    declination, taken for the centre of the cutout, and the manifest's pixel scale with north
    up and east left (`assumed`); else from the one of the two that there is.
    """
    columns = sky_columns(survey)
    z = _at(columns.z, row)
    z_column = None if z is None else columns.z_column
    size_px = survey.manifest.cutout_size_px
    whole = _from_wcs(columns, row, size_px, z)
    if whole is not None:
        return replace(whole, z_column=z_column)
    scale = survey.manifest.pixel_scale_arcsec
    if scale is None or not 0.0 < scale < _MAX_SCALE_DEG * 3600.0:
        scale = None
    ra, dec = _at(columns.ra, row), _at(columns.dec, row)
    if ra is None and scale is None:
        return None
    middle = (size_px - 1) / 2
    cd = None
    if ra is not None and scale is not None:
        step = scale / 3600.0
        cd = ((-step, 0.0), (0.0, -step))  # x to the west, y to the south
    return Astrometry(ra, dec, middle, middle, cd, scale, cd is not None, z, z_column)


def _from_wcs(columns: SkyColumns, row: int, size_px: int, z: float | None) -> Astrometry | None:
    if columns.wcs is None:
        return None
    ra, dec, crpix1, crpix2, *cd = (float(column[row]) for column in columns.wcs)
    if np.isnan(ra):
        return None
    scale = float(np.sqrt(abs(cd[0] * cd[3] - cd[1] * cd[2]))) * 3600.0
    lines = ((cd[0], cd[1]), (cd[2], cd[3]))
    found = Astrometry(ra, dec, crpix1 - 1.0, crpix2 - 1.0, lines, scale, False, z)
    # Cut out of a large image, an object lies far from the reference point, which is then no
    # place to look it up at.
    middle = (size_px - 1) / 2
    off = max(abs(found.x_px - middle), abs(found.y_px - middle))
    return found if off <= middle + 1 else _recentred(found, middle)


def _recentred(there: Astrometry, middle: float) -> Astrometry:
    """The same with the cutout's centre for reference point, linear around it.

    For a reference 5 degrees away the corners of a cutout of 100 arcsec move by 0.001 arcsec.
    """
    centre = there.sky(middle, middle)
    assert centre is not None

    def offset(dx: float, dy: float) -> np.ndarray:
        place = there.sky(middle + dx, middle + dy)
        assert place is not None
        return np.array(_to_plane(*centre, *place))

    a, c = (offset(0.5, 0.0) - offset(-0.5, 0.0)).tolist()
    b, d = (offset(0.0, 0.5) - offset(0.0, -0.5)).tolist()
    return replace(
        there, ra_deg=centre[0], dec_deg=centre[1], x_px=middle, y_px=middle, cd=((a, b), (c, d))
    )


def _from_plane(ra0: Any, dec0: Any, xi: Any, eta: Any) -> tuple[np.ndarray, np.ndarray]:
    """Degrees on the tangent plane at (ra0, dec0) -> degrees on the sky."""
    dec0, xi, eta = np.radians(dec0), np.radians(xi), np.radians(eta)
    # Cartesian axes: towards the reference point's meridian, east of it, north.
    ahead = np.cos(dec0) - eta * np.sin(dec0)
    up = np.sin(dec0) + eta * np.cos(dec0)
    ra = (ra0 + np.degrees(np.arctan2(xi, ahead))) % 360.0
    return ra, np.degrees(np.arctan2(up, np.hypot(xi, ahead)))


def _to_plane(ra0: float, dec0: float, ra: float, dec: float) -> tuple[float, float]:
    """The reverse of `_from_plane`, for points in the hemisphere around (ra0, dec0)."""
    turn, d0, d = np.radians([ra - ra0, dec0, dec])
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(turn)
    xi = np.cos(d) * np.sin(turn) / depth
    eta = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(turn)) / depth
    return float(np.degrees(xi)), float(np.degrees(eta))


def _at(column: np.ndarray | None, row: int) -> float | None:
    if column is None or not np.isfinite(column[row]):
        return None
    return float(column[row])
