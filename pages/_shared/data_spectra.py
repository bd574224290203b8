"""Spectra as small lines, for lists of objects."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["sparkline", "thinned"]

WIDTH, HEIGHT = 240, 120
COLOUR = "#4a97df"
"""Reads on a dark and on a light ground."""


def thinned(flux: np.ndarray, mask: np.ndarray, n: int) -> list[float | None]:
    """The mean of the usable pixels in each of `n` stretches; None where there is none."""
    good = ~np.asarray(mask, bool) & np.isfinite(flux)
    n = min(n, len(flux))
    edges = np.linspace(0, len(flux), n + 1).astype(int)[:-1]
    values = np.where(good, flux, 0).astype(np.float64)
    counts = np.add.reduceat(good.astype(int), edges)
    sums = np.add.reduceat(values, edges)
    return [float(s / c) if c else None for s, c in zip(sums, counts, strict=True)]


def sparkline(values: Sequence[float | None]) -> str:
    """An image of a thinned spectrum, in HTML; what lies far outside is cut at the frame."""
    known = np.array([one for one in values if one is not None and math.isfinite(one)])
    if known.size == 0:
        return ""
    low, high = np.percentile(known, [0.5, 99.5]).tolist()
    low, high = (low, high) if high > low else (low - 1.0, low + 1.0)
    step = WIDTH / max(1, len(values) - 1)
    pieces: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None or not math.isfinite(value):
            pieces.append([])
            continue
        up = min(1.05, max(-0.05, (value - low) / (high - low)))
        pieces[-1].append(f"{place * step:.1f},{6 + (HEIGHT - 12) * (1 - up):.1f}")
    lines = "".join(f'<polyline points="{" ".join(piece)}"/>' for piece in pieces if piece)
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" fill="none"'
        f' stroke="{COLOUR}" stroke-width="1.2">{lines}</svg>'
    )
    # As a picture: Streamlit takes SVG elements out of what it is given.
    data = base64.b64encode(drawn.encode("ascii")).decode("ascii")
    return f'<img class="spectrum" src="data:image/svg+xml;base64,{data}" alt="">'
