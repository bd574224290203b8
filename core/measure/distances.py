"""Sizes on the sky in kiloparsec. Arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

MAX_REDSHIFT = 20.0

_NODES = 1024
"""Interpolated in ln(1 + z), the relative error stays below 1e-5."""


def kpc_per_arcsec(z: float) -> float | None:
    """Proper transverse kiloparsec an arcsecond at redshift `z`, None unless 0 < z < 20.

    Flat Lambda-CDM with the parameters of Planck 2018 (A&A 641, A6), through astropy.cosmology.
    """
    if not 0.0 < z < MAX_REDSHIFT:  # False for NaN too
        return None
    nodes, ratios = _table()
    return float(np.interp(np.log1p(z), nodes, ratios)) * z


@lru_cache(maxsize=1)
def _table() -> tuple[np.ndarray, np.ndarray]:
    """ln(1 + z), and kpc an arcsec divided by z, which is smooth down to z = 0."""
    # Half a second that only a survey with redshifts need pay.
    from astropy.cosmology import Planck18

    nodes = np.linspace(1e-9, np.log1p(MAX_REDSHIFT), _NODES)
    z = np.expm1(nodes)
    return nodes, np.asarray(Planck18.kpc_proper_per_arcmin(z).value) / 60.0 / z
