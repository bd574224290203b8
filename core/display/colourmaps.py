"""Colour maps as tables of 256 colours, black or dark first.

gray, heat, cool, a, b, bb and rainbow have the corner points of DS9's maps of these names.
viridis, magma, inferno, plasma, cividis (matplotlib's), turbo (Google's) and rdbu (ColorBrewer's,
blue below and red above the middle) are interpolated between the colours that Plotly has of them.
cubehelix is computed after Green (2011, Bull. Astr. Soc. India 39, 289), with his settings.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.errors import BadInput

_Corners = tuple[tuple[float, float], ...]

_DS9: dict[str, tuple[_Corners, _Corners, _Corners]] = {
    "gray": (((0, 0), (1, 1)),) * 3,
    "heat": (
        ((0, 0), (0.34, 1), (1, 1)),
        ((0, 0), (1, 1)),
        ((0, 0), (0.65, 0), (0.98, 1), (1, 1)),
    ),
    "cool": (
        ((0, 0), (0.5, 0), (1, 1)),
        ((0, 0), (0.25, 0), (0.75, 1), (1, 1)),
        ((0, 0), (0.5, 1), (1, 1)),
    ),
    "a": (
        ((0, 0), (0.25, 0), (0.5, 1), (1, 1)),
        ((0, 0), (0.25, 1), (0.5, 0), (0.77, 0), (1, 1)),
        ((0, 0), (0.125, 0), (0.5, 1), (0.64, 0.5), (0.77, 0), (1, 0)),
    ),
    "b": (
        ((0, 0), (0.25, 0), (0.5, 1), (1, 1)),
        ((0, 0), (0.5, 0), (0.75, 1), (1, 1)),
        ((0, 0), (0.25, 1), (0.5, 0), (0.75, 0), (1, 1)),
    ),
    "bb": (
        ((0, 0), (0.5, 1), (1, 1)),
        ((0, 0), (0.25, 0), (0.75, 1), (1, 1)),
        ((0, 0), (0.5, 0), (1, 1)),
    ),
    "rainbow": (
        ((0, 1), (0.2, 0), (0.6, 0), (0.8, 1), (1, 1)),
        ((0, 0), (0.2, 0), (0.4, 1), (0.8, 1), (1, 0)),
        ((0, 1), (0.4, 1), (0.6, 0), (1, 0)),
    ),
}
_PLOTLY = ("viridis", "magma", "inferno", "plasma", "cividis", "turbo", "rdbu")

COLOUR_MAPS = (*_DS9, *_PLOTLY, "cubehelix")
"""Names of the colour maps, gray first."""


@lru_cache(maxsize=len(COLOUR_MAPS))
def colour_map(name: str) -> np.ndarray:
    """The (256, 3) uint8 table of a colour map, read-only.

    Raises
    ------
    BadInput
        There is no map of this name.
    """
    if name not in COLOUR_MAPS:
        raise BadInput(
            f"There is no colour map {name[:40]!r}; choose one of {', '.join(COLOUR_MAPS)}."
        )
    levels = np.linspace(0.0, 1.0, 256)
    if name in _DS9:
        channels = [np.array(corners).T for corners in _DS9[name]]
        table = np.stack([np.interp(levels, at, value) for at, value in channels], axis=1)
    elif name == "cubehelix":
        table = _cubehelix(levels)
    else:
        table = _plotly(name, levels)
    colours = np.rint(np.clip(table, 0.0, 1.0) * 255.0).astype(np.uint8)
    colours.flags.writeable = False
    return colours


def _cubehelix(
    levels: np.ndarray, start: float = 0.5, rotations: float = -1.5, hue: float = 1.0
) -> np.ndarray:
    """Green's equation 2 with gamma 1: (level,) -> (level, 3)."""
    angle = 2 * np.pi * (start / 3 + rotations * levels)
    swing = hue * levels * (1 - levels) / 2
    mixing = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])
    turned = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(levels[:, None] + swing[:, None] * (mixing @ turned).T)


def _plotly(name: str, levels: np.ndarray) -> np.ndarray:
    from plotly import colors

    scale = (
        colors.diverging.RdBu[::-1]
        if name == "rdbu"
        else getattr(colors.sequential, name.capitalize())
    )
    anchors = np.array([_rgb(colour) for colour in scale]) / 255.0
    places = np.linspace(0.0, 1.0, len(anchors))
    return np.stack([np.interp(levels, places, column) for column in anchors.T], axis=1)


def _rgb(colour: str) -> tuple[int, ...]:
    """ "#440154" or "rgb(68,1,84)" -> (68, 1, 84)."""
    if colour.startswith("#"):
        return tuple(bytes.fromhex(colour[1:]))
    return tuple(int(part) for part in colour[4:-1].split(","))
