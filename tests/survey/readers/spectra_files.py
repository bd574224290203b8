"""Files of spectra as the surveys make them, and reading them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from tests.survey.readers.reading import read_all

BRIGHTSKY, NEARWHOPPER = 1 << 23, 1 << 10


def sdss_file(path: Path, seed: int = 0, n: int = 400, first: float = 3.5801, **about) -> Table:
    """A spec-PLATE-MJD-FIBER file as BOSS makes it; returns its COADD table."""
    rng = np.random.default_rng(seed)
    coadd = Table(
        {
            "flux": rng.normal(3, 1, n).astype("f4"),
            "loglam": (first + 1e-4 * np.arange(n)).astype("f4"),
            "ivar": rng.uniform(0.5, 2, n).astype("f4"),
            "and_mask": np.zeros(n, "i4"),
            "or_mask": np.ones(n, "i4"),
        }
    )
    coadd["ivar"][5:8] = 0
    coadd["and_mask"][20] = BRIGHTSKY
    coadd["and_mask"][21] = NEARWHOPPER
    row = {"PLATE": 4055, "MJD": 55359, "FIBERID": 1 + seed, "Z": np.float32(0.25), "ZWARNING": 0}
    row |= {"CLASS": "GALAXY", "SUBCLASS": "STARFORMING", "Z_ERR": np.float32(1e-5)}
    row |= {"PLUG_RA": 241.1, "PLUG_DEC": 37.2, "SN_MEDIAN": np.array([1.0, 5, 3, 4, 2], "f4")}
    row |= about
    primary = fits.PrimaryHDU()
    primary.header["RA"] = 100.0  # of the plate, not of the object
    primary.header["DEC"] = 10.0
    primary.header["VACUUM"] = True
    hdus = [primary, fits.BinTableHDU(coadd, name="COADD")]
    hdus.append(fits.BinTableHDU(Table([row]), name="SPECOBJ"))
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path)
    return coadd


def desi_file(path: Path, n: int = 3, **replaced) -> dict[str, np.ndarray]:
    """A coadd file with cameras that overlap, as desispec writes it."""
    rng = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for camera, low, m in (("B", 3600.0, 300), ("R", 3600 + 0.8 * 250, 300), ("Z", 4000.0, 200)):
        arrays[f"{camera}_WAVELENGTH"] = low + 0.8 * np.arange(m)
        arrays[f"{camera}_FLUX"] = rng.normal(2, 1, (n, m)).astype("f4")
        arrays[f"{camera}_IVAR"] = rng.uniform(0.5, 2, (n, m)).astype("f4")
        arrays[f"{camera}_MASK"] = (rng.random((n, m)) < 0.05).astype("u4") * 512
    arrays |= replaced
    about = Table(
        {
            "TARGETID": 39627866878511337 + np.arange(n),
            "TARGET_RA": 10.0 + np.arange(n),
            "TARGET_DEC": np.full(n, -5.0),
            "OBJTYPE": ["TGT"] * n,
            "COADD_FIBERSTATUS": np.zeros(n, "i4"),
        }
    )
    hdus: list[fits.hdu.base.ExtensionHDU] = [fits.BinTableHDU(about, name="FIBERMAP")]
    for name, values in arrays.items():
        kind = fits.CompImageHDU if name == "Z_MASK" else fits.ImageHDU
        hdus.append(kind(values, name=name))
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return arrays


def read(source: Path, **more) -> Any:
    reader = make_reader(source, ImportOptions(**more))
    assert reader.name == "spectra"
    found: Any = read_all(reader)
    grid: Any = reader.layout.grid
    for spectrum in found.spectra:
        assert [a.shape for a in (spectrum.flux, spectrum.ivar, spectrum.mask)] == [(grid.n,)] * 3
        assert [a.dtype for a in (spectrum.flux, spectrum.ivar, spectrum.mask)] == [
            "f4",
            "f4",
            "?",
        ]
        assert np.isfinite(spectrum.flux).all()
        assert not spectrum.ivar[spectrum.mask].any()
        assert (spectrum.ivar[~spectrum.mask] > 0).all()
    return found, reader
