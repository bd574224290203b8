"""How much the dust of the Milky Way dims each band."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

EXTINCTION = {"u": 3.995, "g": 3.214, "r": 2.165, "i": 1.592, "z": 1.211, "y": 1.064}
"""A of the band in magnitudes per E(B-V) of Schlegel, Finkbeiner & Davis (1998): DECam's, by the
method of Schlafly & Finkbeiner (2011, ApJ 737, 103), u at airmass 1.3, as in the Legacy Surveys'
description of their catalogues (legacysurvey.org/dr10/catalogs, "Galactic Extinction"). k = -0.4 A
is -1.2856, -0.866, -0.4844 for g, r, z. SDSS has 4.239, 3.303, 2.285, 1.698, 1.263 in ugriz
(ibid.): 3 to 7% more, which is less than the amount of dust is varied by."""


def extinctions(bands: Sequence[str]) -> list[float]:
    """A per E(B-V) of each band.

    By name where all end in u, g, r, i, z or y ("g", "sdss_r", "DECam-z"). Else by order: evenly
    from the value of g to that of z, from blue to red; bands named R, G, B come the other way
    round. One unknown band has the value of r.
    """
    found = [_by_name(name) for name in bands]
    if all(value is not None for value in found):
        return [value for value in found if value is not None]
    if len(bands) == 1:
        return [EXTINCTION["r"]]
    evenly = np.linspace(EXTINCTION["g"], EXTINCTION["z"], len(bands)).tolist()
    return evenly[::-1] if [*bands] == ["R", "G", "B"] else evenly


def _by_name(name: str) -> float | None:
    last = re.split(r"[^0-9a-zA-Z]+", name)[-1]
    # R, I and U alone are Johnson's, near enough in wavelength; B and G are of colour pictures.
    return EXTINCTION.get(last.lower()) if len(last) == 1 and last not in "GB" else None
