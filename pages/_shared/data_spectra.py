"""Spectra as small lines, for lists of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["sparkline", "thinned"]

WIDTH, HEIGHT = 240, 120


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
    """An SVG of a thinned spectrum; what lies far outside is cut at the frame."""
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
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" fill="none"'
        f' stroke="currentColor" stroke-width="1.2" aria-hidden="true">{lines}</svg>'
    )
