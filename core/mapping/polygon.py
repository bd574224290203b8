"""Which points lie in a polygon drawn on a map.

Even-odd rule: a point is inside if a ray from it crosses the outline an odd number of times, so
that a loop drawn twice around a place leaves it out, as every drawing program fills it (Foley et
al. 1990, Computer Graphics, ch. 3.6).
"""

from __future__ import annotations

import numpy as np

from core.errors import BadInput

__all__ = ["MAX_VERTICES", "in_polygon"]

MAX_VERTICES = 2_000
"""Far more than a hand draws; what a request may cost has to end somewhere."""
_CELLS = 256
"""Cells along each side of the grid laid over the polygon."""
_FEW = 20_000
"""Up to here the grid costs more than it saves."""


def in_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(N,) bool: which points lie inside.

    points: (N, 2) x and y; one that is not finite is outside. polygon: (V, 2), 3 to
    `MAX_VERTICES` vertices, closed by itself; it may cross itself. A point on the outline belongs
    to one side by the half-open rule, so that polygons side by side share none.

    A cell of a grid that no edge touches is inside or outside as a whole; only the points of the
    other cells are compared with edges. A million points and 300 vertices take about 40 ms.

    Raises
    ------
    BadInput
        A polygon of another shape, or with vertices that are not finite.
    """
    places = np.asarray(points)
    outline = np.asarray(polygon, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or places.dtype.kind not in "fiu":
        raise BadInput(f"Points are numbers of shape (N, 2), but have shape {places.shape}.")
    if (
        outline.ndim != 2
        or outline.shape[1] != 2
        or not 3 <= len(outline) <= MAX_VERTICES
        or not np.isfinite(outline).all()
    ):
        raise BadInput(
            f"A polygon has 3 to {MAX_VERTICES:,} finite vertices (x, y), but has shape"
            f" {outline.shape}; draw it again."
        )
    inside = np.zeros(len(places), dtype=bool)
    low, high = outline.min(axis=0), outline.max(axis=0)
    near = (places[:, 0] >= low[0]) & (places[:, 0] <= high[0])
    near &= (places[:, 1] >= low[1]) & (places[:, 1] <= high[1])
    rows = np.flatnonzero(near)
    if not (high > low).all():
        return inside
    if len(rows) > _FEW:
        whole, touched = _grid(outline, low, high)
        x = (places[rows, 0] - low[0]) * (_CELLS / (high[0] - low[0]))
        y = (places[rows, 1] - low[1]) * (_CELLS / (high[1] - low[1]))
        cell = np.minimum(y.astype(np.int32), _CELLS - 1) * _CELLS
        cell += np.minimum(x.astype(np.int32), _CELLS - 1)
        inside[rows] = whole[cell]
        rows = rows[touched[cell]]
    inside[rows] = _by_edges(places[rows].astype(np.float64), outline)
    return inside


def _by_edges(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """The rule itself: each edge turns over the points to the left of it between its ends."""
    order = np.argsort(points[:, 1], kind="stable")
    x, y = points[order, 0], points[order, 1]
    odd = np.zeros(len(points), dtype=bool)
    ends = np.roll(outline, -1, axis=0)
    firsts = np.searchsorted(y, np.minimum(outline[:, 1], ends[:, 1]), side="left")
    lasts = np.searchsorted(y, np.maximum(outline[:, 1], ends[:, 1]), side="left")
    for (x0, y0), (x1, y1), first, last in zip(outline, ends, firsts, lasts, strict=True):
        if last > first:
            part = slice(first, last)
            odd[part] ^= x[part] < x0 + (y[part] - y0) * ((x1 - x0) / (y1 - y0))
    inside = np.empty_like(odd)
    inside[order] = odd
    return inside


def _grid(outline: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each cell, row by row from the low corner: whether its middle is inside, and whether
    an edge may touch it (told too often rather than too seldom)."""
    start = (outline - low) * (_CELLS / (high - low))
    end = np.roll(start, -1, axis=0)
    upwards = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
    downwards = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
    # One entry for each edge and each row of cells that it runs through.
    first = np.clip(np.floor(upwards[:, 1] - 1e-6).astype(int), 0, _CELLS - 1)
    last = np.clip(np.floor(downwards[:, 1] + 1e-6).astype(int), 0, _CELLS - 1)
    n_rows = last - first + 1
    edge = np.repeat(np.arange(len(start)), n_rows)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows) + first[edge]
    bottom, top = upwards[edge], downwards[edge]
    height = top[:, 1] - bottom[:, 1]
    slope = (top[:, 0] - bottom[:, 0]) / np.where(height > 0, height, 1)

    def at(level: np.ndarray) -> np.ndarray:
        across: np.ndarray = bottom[:, 0] + slope * (level - bottom[:, 1])
        return across

    ends = at(np.maximum(row, bottom[:, 1])), at(np.minimum(row + 1, top[:, 1]))
    flat = height <= 0
    left = np.where(flat, np.minimum(bottom[:, 0], top[:, 0]), np.minimum(*ends))
    right = np.where(flat, np.maximum(bottom[:, 0], top[:, 0]), np.maximum(*ends))
    span = np.zeros((_CELLS, _CELLS + 1), dtype=np.int64)
    # A hair wider on both sides: rounding must not leave out a cell that an edge just reaches.
    np.add.at(span, (row, np.clip(np.floor(left - 1e-6).astype(int), 0, _CELLS - 1)), 1)
    np.add.at(span, (row, np.clip(np.floor(right + 1e-6).astype(int), 0, _CELLS - 1) + 1), -1)
    touched = np.cumsum(span, axis=1)[:, :_CELLS] > 0

    middle = row + 0.5
    crosses = (bottom[:, 1] <= middle) & (middle < top[:, 1])
    # All middles to the left of the crossing are turned over.
    column = np.clip(np.ceil(at(middle)[crosses] - 0.5).astype(int), 0, _CELLS)
    turns = np.zeros((_CELLS, _CELLS + 1), dtype=np.int64)
    np.add.at(turns, (row[crosses], column), 1)
    inside = np.cumsum(turns[:, ::-1], axis=1)[:, ::-1][:, 1:] % 2 == 1
    return inside.ravel(), touched.ravel()
