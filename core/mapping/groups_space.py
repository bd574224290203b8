"""The numbers in which groups are looked for: an embedding, drawn in and read in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from core.mapping.pca import principal_axes

__all__ = ["CLIP", "MOST_SAMPLED", "Space", "prepared_space"]

CLIP = 10.0
"""Widths beyond which a value says no more: a single wild one is no group."""

MOST_SAMPLED = 100_000
"""Rows from which centres, axes and widths are found; all others are placed by these."""

_BLOCK = 16_384
_WIDTH = (15.87, 50.0, 84.13)
"""Percentiles: half of what lies between the outer ones is a width that wild values do not move,
the standard deviation of a Gaussian."""
_ROUNDING = 1e-6
_DOMINANT = 0.9


@dataclass(frozen=True, eq=False)
class Space:
    """The seen rows of an embedding as they are grouped.

    Attributes
    ----------
    values
        (N, D) the embedding.
    rows
        (M,) int64 ascending: those seen.
    sampled
        (S,) int64 ascending: places in `rows` from which all is found; all of them up to
        `MOST_SAMPLED`.
    columns
        (C,) the columns that vary.
    centre, bound
        (C,) of these: their median, and how far from it a value may be.
    mean, scale
        (C,) what is taken from the bounded values, and what they are divided by then.
    axes
        (C, P) float64 principal axes to turn to; None where the columns stay.
    notes
        Sentences on what was done.
    """

    values: np.ndarray
    rows: np.ndarray
    sampled: np.ndarray
    columns: np.ndarray
    centre: np.ndarray
    bound: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_columns(self) -> int:
        """Of its rows."""
        return len(self.columns) if self.axes is None else int(self.axes.shape[1])

    def at(self, places: np.ndarray | slice) -> np.ndarray:
        """(B, n_columns) float32 of the seen rows at these places."""
        block = np.asarray(self.values[self.rows[places]])[:, self.columns].astype(np.float64)
        block = (_bounded(block, self.centre, self.bound) - self.mean) / self.scale
        if self.axes is not None:
            block = block @ self.axes
        return np.ascontiguousarray(block, np.float32)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows, block by block."""
        for start in range(0, len(self.rows), _BLOCK):
            part = slice(start, min(start + _BLOCK, len(self.rows)))
            yield part, self.at(part)

    def sample(self) -> np.ndarray:
        """(S, n_columns) float32: the rows of `sampled`."""
        return self.at(self.sampled)

    def turned(self, n_components: int, *, whitened: bool = False) -> Space:
        """The space of its leading principal components; whitened: each of unit variance."""
        rows = self.sample().astype(np.float64)
        axes = principal_axes(rows.T @ rows)[:, :n_components]
        if whitened:
            width = np.sqrt(np.square(rows @ axes).mean(axis=0))
            kept = width > _ROUNDING * width[0]
            axes = axes[:, kept] / width[kept]
        return replace(self, axes=axes)

    def thinned(self, most: int, seed: int) -> Space:
        """The same space with at most so many sampled rows."""
        if len(self.sampled) <= most:
            return self
        chosen = np.random.default_rng(seed).choice(self.sampled, most, replace=False)
        return replace(self, sampled=np.sort(chosen))


def prepared_space(
    values: np.ndarray, seen: np.ndarray, seed: int, *, standardise: bool = False
) -> Space:
    """The rows (N, D) with `seen`, (N,) bool; standardise: every column weighs the same."""
    rows = np.flatnonzero(seen)
    sampled = np.arange(len(rows))
    if len(rows) > MOST_SAMPLED:
        rng = np.random.default_rng(seed)
        sampled = np.sort(rng.choice(len(rows), MOST_SAMPLED, replace=False))
    table = np.asarray(values[rows[sampled]], np.float32)
    low, high = table.min(axis=0), table.max(axis=0)
    # The mean of many equal numbers is off by rounding, so that a constant seems to vary.
    varies = high - low > _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    columns = np.flatnonzero(varies)
    table = table[:, columns]
    if not len(columns):
        nothing = np.empty(0)
        return Space(values, rows, sampled, columns, nothing, nothing, nothing, nothing)
    below, centre, above = np.percentile(table, _WIDTH, axis=0).astype(np.float64)
    width = (above - below) / 2
    # A column that is nearly always the same has no width of its own, but what a few objects have
    # there counts like any other number of that size.
    usual = np.median(width[width > 0]) if (width > 0).any() else np.inf
    bound = CLIP * np.maximum(width, usual)
    bounded = _bounded(table, centre, bound)
    mean, deviation = bounded.mean(axis=0), bounded.std(axis=0)
    deviation[deviation == 0] = 1
    scale = deviation if standardise else np.full(len(columns), np.sqrt(np.mean(deviation**2)))
    notes = []
    share = float((deviation**2).max() / (deviation**2).sum()) if len(columns) > 1 else 0.0
    if share > _DOMINANT and not standardise:
        notes.append(
            f"One column of the embedding holds {100 * share:.0f} % of its spread and decides the"
            " groups; weigh the columns equally (--standardise) to hear the others."
        )
    return Space(values, rows, sampled, columns, centre, bound, mean, scale, notes=notes)


def _bounded(block: np.ndarray, centre: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """(B, C) float64: how far from the centre, `bound` at most."""
    return np.clip(block.astype(np.float64) - centre, -bound, bound)
