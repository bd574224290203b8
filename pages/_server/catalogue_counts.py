"""What plots of a million objects are drawn from: ends of axes, counts in bins, a sample.

Arrays in, numbers out. Coordinates are what the axis is even in: the values, or their decadic
logarithm on a logarithmic axis; NaN where an object has no place on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Bins",
    "binned",
    "bins_of",
    "coordinates",
    "counted",
    "counted_2d",
    "ends_of",
    "lumped",
    "mean_2d",
    "sample",
    "values_at",
]

_SIDE = 200_000
"""Values whose percentiles stand for those of all."""
_TAIL_PERCENT = 5
_ROOM = 2.0
"""Beyond the tails, in widths between them, an axis may still reach to the last object: 8 sigma of
a normal distribution."""
_MARGIN = 0.02


@dataclass(frozen=True)
class Bins:
    """Bins of equal width in coordinates from `low` to `high`, the last one closed."""

    low: float
    high: float
    n: int

    @property
    def edges(self) -> NDArray[np.float64]:
        """(n + 1,) coordinates."""
        return np.linspace(self.low, self.high, self.n + 1)


def coordinates(values: np.ndarray, log: bool) -> NDArray[np.float64]:
    """(N,) float64: the values, or their decadic logarithm; NaN where that has no finite value."""
    numbers = np.asarray(values, dtype=np.float64)
    if not log:
        return numbers
    with np.errstate(divide="ignore", invalid="ignore"):
        placed = np.log10(numbers)
    placed[~np.isfinite(placed)] = np.nan
    return placed


def values_at(places: np.ndarray, log: bool) -> NDArray[np.float64]:
    """The values at coordinates, as `coordinates` has them: on a logarithmic axis the nearest
    that a number can be, since an axis reaches a little beyond its objects."""
    if not log:
        return np.asarray(places, dtype=np.float64)
    ends = np.finfo(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return np.clip(10.0 ** np.asarray(places), ends.smallest_subnormal, ends.max)


def ends_of(places: np.ndarray, *, whole: bool = False) -> tuple[float, float]:
    """Where an axis begins and ends, in coordinates.

    From the lowest to the highest, unless a few values lie so far out that the bulk would be a
    line (as -9999 for "not measured" does): farther from the 5 and 95 percentiles than twice the
    width between these. `whole` takes all. Without values 0 and 1; around a single value half a
    unit, or a millionth of it, to both sides.
    """
    low, high = _span(places, whole)
    # A mean of halves: the difference of two numbers near the largest would overflow.
    margin = _MARGIN * (high / 2 - low / 2)
    return low - margin, high + margin


def _span(places: np.ndarray, whole: bool) -> tuple[float, float]:
    """`ends_of` without a margin, but never of no width."""
    known = places[np.isfinite(places)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if not whole:
        some = known[:: -(-len(known) // _SIDE)]
        first, last = np.percentile(some, (_TAIL_PERCENT, 100 - _TAIL_PERCENT)).tolist()
        if last > first:
            room = _ROOM * (last - first)
            near = known[(known >= first - room) & (known <= last + room)]
            low, high = float(near.min()), float(near.max())
    if high > low:
        return low, high
    half = 0.5 if abs(low) < 1e6 else abs(low) * 1e-6
    return low - half, high + half


def bins_of(places: np.ndarray, n: int, *, whole_numbers: bool, whole: bool = False) -> Bins:
    """The bins of a histogram, from the lowest to the highest as `ends_of` has it.

    whole_numbers: values such as counts get bins of whole numbers, edges between them, or some
    bins would hold twice what their neighbours do.
    """
    low, high = _span(places, whole)
    if not whole_numbers:
        return Bins(low, high, n)
    first, last = np.ceil(low), np.floor(high)
    step = max(1.0, np.ceil((last - first + 1) / n))
    number = int(np.ceil((last - first + 1) / step))
    return Bins(float(first - 0.5), float(first - 0.5 + step * number), number)


def binned(places: np.ndarray, bins: Bins) -> NDArray[np.int32]:
    """(N,) the bin of each coordinate, `bins.n` for one that is outside or NaN."""
    span = bins.high - bins.low
    with np.errstate(invalid="ignore", over="ignore"):
        steps = (places - bins.low) * (bins.n / span)
        inside = (places >= bins.low) & (places <= bins.high)
    found = np.full(len(places), bins.n, dtype=np.int32)
    # Not beyond the last one: the high end belongs to it.
    np.copyto(found, np.minimum(steps, bins.n - 1), casting="unsafe", where=inside)
    return found


def counted(of: np.ndarray, bins: Bins, rows: np.ndarray | None = None) -> NDArray[np.int64]:
    """(n,) objects in each bin, of `binned`; of `rows` (mask or rows) alone, if given."""
    taken = of if rows is None else of[rows]
    return np.bincount(taken, minlength=bins.n + 1)[: bins.n]


def counted_2d(
    x: np.ndarray, y: np.ndarray, x_bins: Bins, y_bins: Bins, rows: np.ndarray | None = None
) -> NDArray[np.int64]:
    """(ny, nx) objects in each cell, of `binned` of each axis."""
    cells = _cells(x, y, x_bins, rows)
    n = (x_bins.n + 1) * (y_bins.n + 1)
    table = np.bincount(cells, minlength=n).reshape(y_bins.n + 1, x_bins.n + 1)
    return table[: y_bins.n, : x_bins.n]


def mean_2d(
    x: np.ndarray,
    y: np.ndarray,
    x_bins: Bins,
    y_bins: Bins,
    values: np.ndarray,
    rows: np.ndarray | None = None,
) -> NDArray[np.float64]:
    """(ny, nx) mean of the values in each cell, of objects that have one; NaN where none has."""
    known = np.isfinite(values)
    if rows is not None:
        known &= rows
    cells = _cells(x, y, x_bins, known)
    n = (x_bins.n + 1) * (y_bins.n + 1)
    number = np.bincount(cells, minlength=n)
    total = np.bincount(cells, weights=values[known], minlength=n)
    with np.errstate(invalid="ignore"):
        table = (total / np.where(number, number, np.nan)).reshape(y_bins.n + 1, x_bins.n + 1)
    return table[: y_bins.n, : x_bins.n]


def _cells(
    x: np.ndarray, y: np.ndarray, x_bins: Bins, rows: np.ndarray | None
) -> NDArray[np.int64]:
    across, up = (x, y) if rows is None else (x[rows], y[rows])
    return up.astype(np.int64) * (x_bins.n + 1) + across


def sample(rows: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """At most `n` of these rows, ascending, each as likely as any other; the same for a seed."""
    if len(rows) <= n:
        return rows
    picked = np.random.default_rng(seed).choice(len(rows), n, replace=False, shuffle=False)
    return rows[np.sort(picked)]


def lumped(
    codes: np.ndarray,
    n_names: int,
    most: int,
    *,
    keep_last: bool = False,
    others: int | None = None,
) -> tuple[NDArray[np.int64], list[int | None]]:
    """Categories of which at most `most` are kept, the largest ones in their order.

    codes: (N,) int, 0 to `n_names` - 1. keep_last: the last category stays last, whatever its
    size. others: a category that is "others" already, and never stands by itself beside them.
    Returns (N,) new codes, and for each new code the old one, None for "others".
    """
    if n_names <= most:
        return codes.astype(np.int64), list(range(n_names))
    sizes = np.bincount(codes, minlength=n_names)
    largest: list[int] = np.lexsort((np.arange(n_names), -sizes)).tolist()
    largest = [one for one in largest if one != others]
    if keep_last:
        largest = [n_names - 1, *(one for one in largest if one != n_names - 1)]
    kept: list[int | None] = [*sorted(largest[: most - 1])]
    place = len(kept) - 1 if keep_last else len(kept)
    kept.insert(place, None)
    new = np.full(n_names, place, dtype=np.int64)
    for code, old in enumerate(kept):
        if old is not None:
            new[old] = code
    return new[codes], kept
