"""One FITS mosaic on the sky: where its pixels lie, and where positions fall on them.

Pixels are counted from 0 at the centre of the first one, x before y; positions are degrees, ICRS.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.survey.mosaics.extensions import (
    Extension,
    file_stamp,
    image_extensions,
    unreadable_for,
)
from core.survey.mosaics.sections import Sections
from core.survey.readers.unreadable import Unreadable

PSF_CARDS = ("PSF_FWHM", "SEEING", "PSFFWHM", "SEEMEAN", "FWHM")
_MAX_PSF_ARCSEC = 120.0
_MAX_SCALE_ARCSEC = 3600.0


class Tile:
    """A celestial FITS image, read by sections. Made by `Tile.open`.

    Attributes
    ----------
    path
        The file.
    extension
        The image HDU in it.
    headers
        Its header, and the first one of the file.
    wcs
        astropy's, of the two celestial axes, with distortions (SIP, TPV, look-up tables).
    n_planes, height, width
        Of the image; planes are leading pixel axes, as of a cube of bands.
    pixel_scale_arcsec
        Square root of the area of a pixel at the middle.
    stamp
        Size and time of change of the file when it was opened.
    centre, cos_radius
        Unit vector to the middle, and the cosine of an angle that holds every pixel.
    """

    def __init__(self, path: Path, extension: Extension) -> None:
        self.path = path
        self.stamp = file_stamp(path)
        self.extension = extension
        self.n_planes, self.height, self.width = extension.shape
        self.headers = (extension.cards, extension.primary)
        with unreadable_for(path):
            self.wcs = _celestial(path, extension)
            self._frame = _frame(self.wcs)
            self._place()
        self._sections = Sections(path, extension)
        self.height_there = self._sections.n_rows_there
        self.loses_digits = self._sections.loses_digits

    @classmethod
    def open(cls, path: str | Path, hdu: int | str | None = None) -> Tile:
        """Open the first celestial image of a FITS file, plain, gzip, bzip2 or fpack.

        Parameters
        ----------
        hdu
            Number (0 is the primary one) or EXTNAME of another one.

        Raises
        ------
        Unreadable
            There is no such image, it has no celestial coordinates, or the file is damaged.
        """
        path = Path(path)
        why = ""
        for extension in image_extensions(path):
            if hdu is not None and not _is_meant(extension, hdu):
                continue
            try:
                return cls(path, extension)
            except Unreadable as error:
                if hdu is not None:
                    raise
                why = why or str(error)
        if hdu is not None:
            raise Unreadable(f"has no image HDU {hdu!r}")
        raise Unreadable(why or "holds no image")

    def card(self, name: str) -> Any:
        """A card of the first of `headers` that has it; None without."""
        for header in self.headers:
            if name in header:
                return header[name]
        return None

    @property
    def psf_fwhm_arcsec(self) -> float | None:
        """The width of the point spread function or the seeing, where the header says it.

        Taken for arcsec, except where the card's comment speaks of pixels.
        """
        for name in PSF_CARDS:
            value = self.card(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if self._is_in_pixels(name):
                value *= self.pixel_scale_arcsec
            if 0.0 < value < _MAX_PSF_ARCSEC:
                return float(value)
        return None

    def near(self, vectors: np.ndarray) -> np.ndarray:
        """Which of (N, 3) unit vectors (see `unit_vectors`) may fall on the tile; (N,) bool."""
        return vectors @ self.centre >= self.cos_radius

    def pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x, y) of (N,) positions near the tile; NaN where there is none.

        As `astropy.nddata.Cutout2D` does, with all distortions, but all at once.
        """
        x, y = np.full(len(ra), np.nan), np.full(len(ra), np.nan)
        near = np.flatnonzero(self.near(unit_vectors(ra, dec)))
        if not len(near):
            return x, y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lon, lat = self._to_frame(ra[near], dec[near])
            found_x, found_y = self.wcs.all_world2pix(lon, lat, 0, quiet=True)
            if self._is_distorted:
                # Far from the image a polynomial can lead anywhere, even back onto it.
                back = self.wcs.all_pix2world(found_x, found_y, 0)
                off = _vectors(lon, lat) - _vectors(*back)
                tolerance = math.radians(0.1 * self.pixel_scale_arcsec / 3600.0)
                lost = ~(np.linalg.norm(off, axis=1) < tolerance)
                found_x[lost] = found_y[lost] = np.nan
        x[near], y[near] = found_x, found_y
        return x, y

    def sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of pixels of any shape; NaN outside the projection."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lon, lat = self.wcs.all_pix2world(x.ravel(), y.ravel(), 0)
            ra, dec = self._from_frame(lon, lat)
        return ra.reshape(x.shape), dec.reshape(x.shape)

    def edge_distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Pixels to the nearest edge, negative outside; what is cut off a file lies outside."""
        low = np.minimum(x, y) + 0.5
        high = np.minimum(self.width - 0.5 - x, self.height_there - 0.5 - y)
        return np.nan_to_num(np.minimum(low, high), nan=-np.inf)

    def read(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """A rectangle within the image, (y1 - y0, x1 - x0) float32, NaN where missing."""
        return self._sections.read(plane, y0, y1, x0, x1)

    def footprint(self) -> tuple[np.ndarray, np.ndarray]:
        """Right ascension and declination of the four outer corners."""
        right, top = self.width - 0.5, self.height - 0.5
        return self.sky(np.array([-0.5, right, right, -0.5]), np.array([-0.5, -0.5, top, top]))

    def changed(self) -> bool:
        """Whether the file is no longer the one that was opened."""
        try:
            return file_stamp(self.path) != self.stamp
        except Unreadable:
            return True

    def close(self) -> None:
        self._sections.close()

    def _place(self) -> None:
        steps = np.linspace(-0.5, 0.5, 9)
        x = (steps + 0.5) * self.width - 0.5
        y = (steps + 0.5) * self.height - 0.5
        grid = unit_vectors(*self.sky(*np.meshgrid(x, y))).reshape(-1, 3)
        grid = grid[np.isfinite(grid).all(axis=1)]
        middle = (self.width - 1) / 2, (self.height - 1) / 2
        cd = local_cd(self, np.array(middle[:1]), np.array(middle[1:]), 1.0)[2]
        scale = 3600.0 * math.sqrt(abs(np.linalg.det(cd[0])))
        if not len(grid) or not 0.0 < scale < _MAX_SCALE_ARCSEC:
            raise Unreadable("has celestial coordinates that lead nowhere")
        self.pixel_scale_arcsec = scale
        length = float(np.linalg.norm(grid.mean(axis=0)))
        self.centre = grid.mean(axis=0) / max(length, 1e-9)
        radius = math.acos(float(np.clip((grid @ self.centre).min(), -1.0, 1.0)))
        radius = 1.1 * radius + math.radians(2 * scale / 3600.0)
        # Around much of the sky, or with parts outside the projection, nothing is ruled out.
        is_whole = len(grid) == 81 and length > 0.2 and radius < 1.5
        self.cos_radius = math.cos(radius) if is_whole else -2.0

    def _is_in_pixels(self, name: str) -> bool:
        try:
            with unreadable_for(self.path):
                comment = str(self.extension.header.comments[name]).lower()
        except Unreadable:
            return False
        return "pix" in comment and "arcsec" not in comment

    @property
    def _is_distorted(self) -> bool:
        wcs = self.wcs
        tables = (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
        return wcs.sip is not None or any(table is not None for table in tables)

    def _to_frame(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._frame is None:
            return ra, dec
        from astropy import units
        from astropy.coordinates import SkyCoord

        there = SkyCoord(ra, dec, unit="deg", frame="icrs").transform_to(self._frame).spherical
        return there.lon.to_value(units.deg), there.lat.to_value(units.deg)

    def _from_frame(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._frame is None:
            return lon % 360.0, lat
        from astropy.coordinates import SkyCoord

        there = SkyCoord(lon, lat, unit="deg", frame=self._frame).icrs
        return there.ra.deg, there.dec.deg


def local_cd(
    tile: Tile, x: np.ndarray, y: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right ascension, declination and (N, 2, 2) CD matrix in degrees at (N,) pixels.

    Linear between `step` pixels to either side, on the tangent plane there.
    """
    nothing = np.zeros_like(x)
    xs = np.stack([x, x - step, x + step, x + nothing, x + nothing])
    ys = np.stack([y, y + nothing, y + nothing, y - step, y + step])
    ra, dec = tile.sky(xs, ys)
    turn, d0, d = np.radians(ra[1:] - ra[0]), np.radians(dec[0]), np.radians(dec[1:])
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(turn)
    xi = np.degrees(np.cos(d) * np.sin(turn) / depth)
    eta = np.degrees((np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(turn)) / depth)
    along_x = np.stack([xi[1] - xi[0], eta[1] - eta[0]], axis=-1)
    along_y = np.stack([xi[3] - xi[2], eta[3] - eta[2]], axis=-1)
    return ra[0], dec[0], np.stack([along_x, along_y], axis=-1) / (2 * step)


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Degrees -> (..., 3) unit vectors."""
    return _vectors(ra, dec)


def _vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _is_meant(extension: Extension, hdu: int | str) -> bool:
    if isinstance(hdu, int):
        return extension.index == hdu
    return extension.name.upper() == hdu.strip().upper()


def _celestial(path: Path, extension: Extension) -> Any:
    from astropy.wcs import WCS

    header = extension.header.copy()
    if extension.is_compressed:
        for axis in range(1, int(header["ZNAXIS"]) + 1):
            header[f"NAXIS{axis}"] = header[f"ZNAXIS{axis}"]
        header["NAXIS"] = header["ZNAXIS"]
    has_tables = any(name.startswith(("CPDIS", "D2IMDIS", "D2IM")) for name in header)
    if has_tables and not extension.is_compressed:
        from astropy.io import fits

        with fits.open(path, memmap=True) as file:
            wcs = WCS(header, fobj=file)
    else:
        wcs = WCS(header)
    if not wcs.has_celestial:
        raise Unreadable("has no celestial coordinates (WCS)")
    return wcs.celestial


def _frame(wcs: Any) -> Any:
    """The frame of the coordinates; None for ICRS, which needs no turning."""
    from astropy.coordinates import ICRS
    from astropy.wcs.utils import wcs_to_celestial_frame

    frame = wcs_to_celestial_frame(wcs)
    return None if isinstance(frame, ICRS) else frame
