"""Pairs of rows that are nearly the same: much closer to each other than two random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.mapping.cells import Cells
from core.mapping.lookalikes import COSINE, METRICS, one_thread
from core.mapping.pca import unmasked
from core.progress import Progress, silent

__all__ = [
    "AT_ONCE_ROWS",
    "MOST_PAIRS",
    "SHARE",
    "NearDuplicates",
    "near_duplicates",
    "typical_distance",
]

SHARE = 0.1
"""Of the median distance between two random objects: closer ones are taken for nearly the same."""

AT_ONCE_ROWS = 10_000
"""Up to so many rows every pair is compared within a second or so."""

MOST_PAIRS = 2000

_RANDOM_PAIRS = 4096
_BLOCK, _AGAINST = 1024, 4096
"""Rows compared at once: what a comparison holds does not grow with a cell."""

MOST_OF_A_CELL = 16_384
"""Of a cell with more rows, so many, evenly drawn, are compared: half a minute at most."""

_NEAR_CELLS = 8
_ROUNDING = 1e-5
_ROOM = 50
"""Of thousands of copies not every pair is looked at: so many times those kept, in a block."""


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """What was found, the closest pair first, equals by row.

    Attributes
    ----------
    pairs
        (P, 2) int64 rows, the smaller first.
    distances
        (P,) float32.
    threshold, typical
        Pairs are closer than `threshold`; `typical` is the median of 4,096 random pairs.
    more
        Whether there are more such pairs than were kept.
    left_out
        Rows of very large cells that were not compared.
    """

    pairs: np.ndarray
    distances: np.ndarray
    threshold: float
    typical: float
    more: bool
    left_out: int = 0


def near_duplicates(
    values: np.ndarray,
    mask: np.ndarray,
    metric: str = COSINE,
    *,
    share: float = SHARE,
    most: int = MOST_PAIRS,
    cells: Cells | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> NearDuplicates:
    """Pairs closer than `share` of the distance between two random rows.

    Distances are compared as straight lines (of unit vectors for cosine), whatever the metric
    reports: a tenth of the way, not of its square.

    Parameters
    ----------
    values, mask
        (N, D) and (N,) bool; unseen rows are in no pair.
    most
        Pairs kept at most, the closest ones.
    cells
        Compare only rows of a cell and of its seven nearest cells, of very large cells a sample;
        every pair where left out.

    Raises
    ------
    BadInput
        A share that is not between 0 and 1, or no such metric.
    """
    if not 0 < share < 1:
        raise BadInput(
            "Near-duplicates are closer than a share between 0 and 1 of the distance of two random"
            f" objects, but the share is {share}; change it."
        )
    if metric not in METRICS:
        raise BadInput(f"A distance is one of {', '.join(METRICS)}, but is {metric!r}.")
    values, seen = unmasked(values, mask)
    rows = np.flatnonzero(seen)
    typical = _typical(values, rows, metric, seed)
    limit = share * typical
    kept_pairs, kept_gaps = np.empty((0, 2), np.int64), np.empty(0)
    more = False
    if len(rows) > 1 and limit > 0:
        blocks = _every_pair(rows) if cells is None else _within_cells(cells)
        for fraction, left, right in blocks:
            # Where there are more than are kept, only what is as close as these matters.
            full = more and len(kept_gaps) == most
            reach = min(limit, float(np.nextafter(kept_gaps[-1], np.inf))) if full else limit
            pairs, gaps, cut = _close(values, left, right, metric, reach, _ROOM * most)
            kept_pairs = np.concatenate([kept_pairs, pairs])
            kept_gaps = np.concatenate([kept_gaps, gaps])
            order = np.lexsort((kept_pairs[:, 1], kept_pairs[:, 0], kept_gaps))
            more |= cut or len(order) > most
            kept_pairs, kept_gaps = kept_pairs[order[:most]], kept_gaps[order[:most]]
            progress(fraction, f"comparing objects, {len(kept_gaps):,} close pairs so far")
    told = _reported(kept_gaps, metric).astype(np.float32)
    return NearDuplicates(
        kept_pairs,
        told,
        float(_reported(np.array(limit), metric)),
        float(_reported(np.array(typical), metric)),
        more,
        0 if cells is None else _left_out(cells),
    )


def typical_distance(
    values: np.ndarray, seen: np.ndarray, metric: str = COSINE, seed: int = 0
) -> float:
    """The median distance of 4,096 random pairs of seen rows, (N,) bool; 0 of fewer than two."""
    return float(_reported(np.array(_typical(values, np.flatnonzero(seen), metric, seed)), metric))


def _reported(gaps: np.ndarray, metric: str) -> np.ndarray:
    """Straight lines as the metric reports them: 1 - cos is half the square of a chord."""
    return np.square(gaps) / 2 if metric == COSINE else gaps


def _typical(values: np.ndarray, rows: np.ndarray, metric: str, seed: int) -> float:
    """Median straight distance of random pairs of different rows."""
    if len(rows) < 2:
        return 0.0
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(rows), _RANDOM_PAIRS)
    other = (one + rng.integers(1, len(rows), _RANDOM_PAIRS)) % len(rows)
    return float(np.median(_gaps(values, rows[one], rows[other], metric)))


def _gaps(values: np.ndarray, one: np.ndarray, other: np.ndarray, metric: str) -> np.ndarray:
    """(P,) float64 straight distances of pairs of rows."""
    out = np.empty(len(one))
    for start in range(0, len(one), _BLOCK):
        part = slice(start, start + _BLOCK)
        apart = _placed(values, one[part], metric, np.float64)
        apart -= _placed(values, other[part], metric, np.float64)
        out[part] = np.sqrt(np.square(apart).sum(axis=1))
    return out


def _placed(
    values: np.ndarray, rows: np.ndarray, metric: str, dtype: type[np.floating]
) -> np.ndarray:
    own = np.asarray(values[rows], dtype)
    if metric != COSINE:
        return own
    length = np.linalg.norm(own, axis=1, keepdims=True)
    return np.divide(own, length, out=np.zeros_like(own), where=length > 0)


def _every_pair(rows: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Blocks of rows with the rows that each is compared with, and how far that is."""
    for start in range(0, len(rows), _BLOCK):
        left = rows[start : start + _BLOCK]
        for begin in range(start, len(rows), _AGAINST):
            yield min(1.0, (start + _BLOCK) / len(rows)), left, rows[begin : begin + _AGAINST]


def _within_cells(cells: Cells) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    count = len(cells.centres)
    near = cells.nearest_cells(cells.centres)[:, :_NEAR_CELLS]
    # A pair of cells is compared once, whichever of them has the other among its nearest.
    pairs = {
        (min(cell, int(other)), max(cell, int(other)))
        for cell in range(count)
        for other in (cell, *near[cell])
    }
    for number, (one, other) in enumerate(sorted(pairs)):
        left, right = (_compared(cells.members(cell)) for cell in (one, other))
        for start in range(0, len(left), _BLOCK):
            for begin in range(start if one == other else 0, len(right), _AGAINST):
                against = right[begin : begin + _AGAINST]
                yield (number + 1) / len(pairs), left[start : start + _BLOCK], against


def _compared(members: np.ndarray) -> np.ndarray:
    """Rows of a cell, int64: all, or evenly many of a very large one."""
    if len(members) > MOST_OF_A_CELL:
        places = np.linspace(0, len(members) - 1, MOST_OF_A_CELL).astype(np.int64)
        members = members[places]
    return members.astype(np.int64)


def _left_out(cells: Cells) -> int:
    return int(np.maximum(np.diff(cells.start) - MOST_OF_A_CELL, 0).sum())


def _close(
    values: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    metric: str,
    limit: float,
    most: int,
) -> tuple[np.ndarray, np.ndarray, bool]:
    """(P, 2) pairs of different rows within the limit, once each, (P,) distances, and whether
    there were more than `most` of them."""
    import torch

    with one_thread():
        one, other = (
            torch.from_numpy(_placed(values, rows, metric, np.float32)) for rows in (left, right)
        )
        # |a - b|^2 = a.a + b.b - 2 a.b, one product and one comparison; what rounding of large
        # numbers lets through is settled below.
        own, its = ((1 - _ROUNDING) * torch.linalg.vecdot(x, x) for x in (one, other))
        rest = torch.addmm(its, one, other.T, alpha=-2)
        inside = torch.nonzero(rest <= (limit**2 - own)[:, None])
        cut = len(inside) > 2 * most + len(left)
        if cut:
            square = rest[inside[:, 0], inside[:, 1]] + own[inside[:, 0]]
            inside = inside[square.topk(2 * most + len(left), largest=False, sorted=False)[1]]
    at, to = inside.numpy().T
    different = left[at] != right[to]
    at, to = at[different], to[different]
    pairs = np.sort(np.stack([left[at], right[to]], axis=1), axis=1)
    pairs = np.unique(pairs, axis=0)
    gaps = _gaps(values, pairs[:, 0], pairs[:, 1], metric)
    near = gaps < limit
    return pairs[near], gaps[near], cut
