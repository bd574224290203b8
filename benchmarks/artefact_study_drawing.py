"""The figures of the artefact study as SVG files of some ten kilobytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE, MARGIN, TOP = 300, 12, 28

ZERO_COLOURS = {
    0.0: "#c4c4c4",
    0.02: "#440154",
    0.05: "#3b528b",
    0.2: "#21918c",
    0.5: "#5ec962",
    1.0: "#fde725",
}
"""Upper end of each step of the zero-flux fraction: grey without any, else viridis."""

LINES = ("#0072b2", "#d55e00", "#cc79a7", "#009e73", "#000000", "#999999")
"""Okabe and Ito's colours, told apart by colour-blind people too; the last two for baselines."""

_TEXT = 'font-family="sans-serif" font-size="12" fill="#222"'


def zero_step(zero_share: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) which of `ZERO_COLOURS` a zero-flux fraction has."""
    ends = np.array(list(ZERO_COLOURS))
    return np.minimum(np.searchsorted(ends, zero_share - 1e-9), len(ends) - 1)


def draw_maps(
    path: Path, maps: Mapping[str, NDArray[np.floating]], zero_share: NDArray[np.floating]
) -> None:
    """Maps (N, 2) of the same objects side by side, coloured by their zero-flux fraction."""
    width, height = len(maps) * (SIDE + MARGIN) + MARGIN, SIDE + TOP + 40
    step = zero_step(zero_share)
    out = [_head(width, height)]
    for number, (title, places) in enumerate(maps.items()):
        left = MARGIN + number * (SIDE + MARGIN)
        out.append(f'<text x="{left}" y="18" {_TEXT}>{title}</text>')
        out.append(_frame(left, TOP, SIDE, SIDE))
        low, high = places.min(axis=0), places.max(axis=0)
        inside = 6 + (SIDE - 12) * (places - low) / (high - low)
        at = np.round(inside + np.array([left, TOP])).astype(int)
        for which, colour in enumerate(ZERO_COLOURS.values()):
            dots = "".join(f"M{x} {y}h0" for x, y in at[step == which])
            # A line of no length with round ends is a dot, and takes a quarter of a circle's text.
            size = 2.2 if which == 0 else 5
            out.append(
                f'<path d="{dots}" stroke="{colour}" stroke-width="{size}"'
                ' stroke-linecap="round" fill="none"/>'
            )
    ends = list(ZERO_COLOURS)
    for which, colour in enumerate(ZERO_COLOURS.values()):
        x, y = MARGIN + 6 + which * 104, TOP + SIDE + 24
        words = "no zeros" if which == 0 else f"{ends[which - 1]:.0%} to {ends[which]:.0%}"
        out.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/>')
        out.append(f'<text x="{x + 10}" y="{y}" {_TEXT}>{words}</text>')
    path.write_text("\n".join([*out, "</svg>\n"]))


def draw_curves(
    path: Path,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    lowest: float,
    most: float,
) -> None:
    """Purity of the rest, `lowest` to 1, against the share given up, 0 to `most`."""
    left, wide, high = 58, 520, 300
    out = [_head(left + wide + 340, TOP + high + 50), _frame(left, TOP, wide, high)]

    def at(share: float, purity: float) -> tuple[float, float]:
        return left + wide * share / most, TOP + high * (1 - purity) / (1 - lowest)

    for share in np.arange(0, most + 1e-9, 0.1):
        x, y = at(float(share), lowest)
        out.append(f'<text x="{x:.0f}" y="{y + 16:.0f}" text-anchor="middle" {_TEXT}>')
        out.append(f"{share:.0%}</text>")
    for purity in np.arange(lowest, 1 + 1e-9, 0.01):
        x, y = at(0, float(purity))
        out.append(f'<path d="M{left} {y:.1f}h{wide}" stroke="#e4e4e4"/>')
        out.append(f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end" {_TEXT}>')
        out.append(f"{purity:.0%}</text>")
    out.append(f'<text x="{left}" y="18" {_TEXT}>good objects in the rest</text>')
    middle, below = left + wide / 2, TOP + high + 38
    out.append(f'<text x="{middle:.0f}" y="{below}" text-anchor="middle" {_TEXT}>')
    out.append("objects given up</text>")
    for number, (title, (shares, purities)) in enumerate(curves.items()):
        colour = LINES[number % len(LINES)]
        dash = ' stroke-dasharray="6 4"' if number >= len(curves) - 2 else ""
        points = " ".join(
            "{:.1f},{:.1f}".format(*at(share, purity))
            for share, purity in zip(shares, purities, strict=True)
        )
        out.append(
            f'<polyline points="{points}" stroke="{colour}" stroke-width="2" fill="none"{dash}/>'
        )
        y = TOP + 16 + 20 * number
        x = left + wide + 16
        out.append(f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{x + 30}" y="{y}" {_TEXT}>{title}</text>')
    path.write_text("\n".join([*out, "</svg>\n"]))


def _head(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}"><rect width="{width}" height="{height}" fill="#fff"/>'
    )


def _frame(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>'
