"""The map as a picture drawn here, for browsers without WebGL: density as light, colours mixed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pages._server.map_colours import Paint
from pages._server.map_data import Placed

__all__ = ["EXTENT", "draw_map"]

EXTENT = 1.05
"""The picture shows -EXTENT to EXTENT both ways: points at the edge stay whole."""
_FAINTEST = 0.55
"""Opacity of a single object: one is as important as many."""
_DIM = (0x8B, 0x94, 0xA3, 72)
"""Colour and opacity where nothing lies but what a filter leaves out."""
_FEW = 20_000
"""Up to so many, an object is three pixels wide."""


def draw_map(
    placed: Placed, paint: Paint, size_px: int, passing: np.ndarray | None = None
) -> bytes:
    """A square PNG with a clear ground: in each pixel the mean colour of its objects, the more
    opaque the more there are (by the logarithm).

    passing: (M,) bool, what a filter lets pass; the other objects are a faint grey below.
    """
    places = (placed.places + EXTENT) * (size_px / (2 * EXTENT))
    columns, rows = np.clip(places.astype(np.int64), 0, size_px - 1).T
    pixel = (size_px - 1 - rows) * size_px + columns
    codes = paint.codes
    if passing is None:
        passing = np.ones(len(codes), dtype=bool)
    if len(codes) <= _FEW:
        pixel, codes, passing = _widened(pixel, codes, passing, size_px)
    dim = pixel[~passing]
    pixel, codes = pixel[passing], codes[passing]
    n = np.bincount(pixel, minlength=size_px**2).astype(np.float64)
    table = np.zeros((256, 3))
    for code, colour in enumerate(_colours(paint)):
        table[code] = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    picture = np.zeros((size_px**2, 4), dtype=np.uint8)
    picture[dim] = _DIM
    there = n > 0
    for channel in range(3):
        light = np.bincount(pixel, weights=table[codes, channel], minlength=size_px**2)
        picture[there, channel] = (light[there] / n[there]).round()
    most = np.log1p(n.max()) if there.any() else 1.0
    picture[there, 3] = 255 * (_FAINTEST + (1 - _FAINTEST) * np.log1p(n[there]) / most)
    file = io.BytesIO()
    Image.fromarray(picture.reshape(size_px, size_px, 4), "RGBA").save(file, "PNG")
    return file.getvalue()


def _widened(
    pixel: np.ndarray, codes: np.ndarray, passing: np.ndarray, size_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = [row * size_px + column for row in (-1, 0, 1) for column in (-1, 0, 1)]
    wide = np.concatenate([pixel + step for step in steps])
    pixels = np.clip(wide, 0, size_px**2 - 1)
    return pixels, np.tile(codes, len(steps)), np.tile(passing, len(steps))


def _colours(paint: Paint) -> list[str]:
    colours: list[str] = paint.legend["colours"]
    return [*colours, "#8b94a3"] if paint.legend["kind"] == "numbers" else colours
