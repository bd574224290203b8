"""Which columns set a group of objects apart from the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["FEWEST", "Apart", "ks_distance", "set_apart"]

FEWEST = 5
"""Values on each side; a column with fewer says nothing."""


@dataclass(frozen=True)
class Apart:
    """How one column differs.

    Attributes
    ----------
    name
        The column.
    difference
        Mean in the group less that of the rest, over the root of the mean of both variances
        (Cohen 1988; Austin 2009): 0.8 and more is called large. NaN where neither side varies.
    ks
        Largest distance of the two cumulative distributions (Kolmogorov and Smirnov), 0 to 1:
        the same whatever the unit or the scale.
    median, median_rest
        Of either side, in the column's unit.
    n, n_rest
        Values that are there.
    """

    name: str
    difference: float
    ks: float
    median: float
    median_rest: float
    n: int
    n_rest: int


def set_apart(columns: Iterable[tuple[str, np.ndarray, np.ndarray]], most: int) -> list[Apart]:
    """The `most` columns that differ most, by `ks`, then by the size of `difference`.

    columns : name, (n,) values in the group and (m,) values in the rest; what is not finite is
        missing. A column with fewer than `FEWEST` values on a side, or the same value in both, is
        left out.
    """
    found = []
    for name, inside, rest in columns:
        inside, rest = (side[np.isfinite(side)].astype(np.float64) for side in (inside, rest))
        if min(len(inside), len(rest)) < FEWEST:
            continue
        ks = ks_distance(inside, rest)
        if ks > 0:
            found.append(
                Apart(
                    name,
                    _difference(inside, rest),
                    ks,
                    float(np.median(inside)),
                    float(np.median(rest)),
                    len(inside),
                    len(rest),
                )
            )
    found.sort(key=lambda one: (-one.ks, -np.nan_to_num(abs(one.difference)), one.name))
    return found[:most]


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The two-sample distance of Kolmogorov and Smirnov of (n,) and (m,) finite values."""
    one, other = np.sort(one), np.sort(other)
    at = np.concatenate([one, other])
    share = np.searchsorted(one, at, side="right") / len(one)
    return float(np.abs(share - np.searchsorted(other, at, side="right") / len(other)).max())


def _difference(inside: np.ndarray, rest: np.ndarray) -> float:
    # Squares of the largest numbers overflow; the difference has no unit anyway.
    size = max(float(np.abs(inside).max()), float(np.abs(rest).max()))
    if size == 0:
        return float("nan")
    inside, rest = inside / size, rest / size
    width = float(np.sqrt((inside.var() + rest.var()) / 2))
    step = float(inside.mean() - rest.mean())
    return step / width if width > 0 else float("nan")
