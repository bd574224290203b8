"""What the default learner sees of a row: components, detector scores, and the row's own columns.

Whitened components hold what many columns have in common. What is odd in one column alone, as it
often is in a catalogue, is spread over all of them, and trees, which split one column at a time,
no longer find it. And of a rare class the detectors know something before any answer does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from core.discovery.detecting import FITTED
from core.discovery.prepare import Scale, Standardised
from core.discovery.scratch import keep_rows
from core.discovery.shortlist import FULL_ROWS
from core.discovery.threads import one_blas_thread

__all__ = [
    "DETECTORS_SEEN",
    "Wide",
    "made_wide",
    "nearest_rows",
    "normal_scores",
    "some_columns",
    "wide_sample",
]

DETECTORS_SEEN = ("isolation_forest", "knn_distance")
"""Those that order the cold start: a search that began without a target has worked them out."""

_RANKED_AMONG = 200_000
"""Rows at random at most among which a score takes its rank."""

_LEAST_DRAWN = 20
"""Rows that say what is usual; fewer say nothing, and every row is as odd as another."""

_CHUNK = 8_192


class Wide:
    """Rows of K whitened components, S detector scores and D own columns, made as they are read.

    It stands for an (N, K + S + D) float32 array where one reads rows only (`wide[rows]`, by
    slice, numbers or mask).

    Attributes
    ----------
    n_leading
        K + S: the columns that a linear model sees.
    n_own
        Own columns behind them, without the flag that tells what is missing.
    scores
        (N, S) float32 of the detectors.

    Parameters
    ----------
    white : (N, K) float32
    scores : each (N,) float32, of a detector (see `normal_scores`)
    own : (M, D) the first M of the rows, standardised
    below : (N - M, D) float32, the others
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self,
        white: np.ndarray,
        scores: Sequence[np.ndarray],
        own: np.ndarray | Standardised,
        below: np.ndarray | None = None,
    ) -> None:
        self._white, self._own, self._below = white, own, below
        self.scores = np.stack(scores, axis=1) if scores else np.empty((len(white), 0), "f4")
        self.n_leading = white.shape[1] + self.scores.shape[1]
        self.n_own = own.n_columns if isinstance(own, Standardised) else own.shape[1]
        self.shape = (len(white), self.n_leading + own.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        index = _numbers(rows, len(self))
        found = np.empty((len(index), self.shape[1]), dtype=np.float32)
        n_white = self._white.shape[1]
        # In pieces: what is standardised is so in float64.
        for start in range(0, len(index), _CHUNK):
            part = index[start : start + _CHUNK]
            block = found[start : start + _CHUNK]
            block[:, :n_white] = self._white[part]
            block[:, n_white : self.n_leading] = self.scores[part]
            block[:, self.n_leading :] = self._columns(part)
        return found

    def _columns(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) own columns of the rows of these numbers."""
        n = len(self._own)
        if self._below is None or not len(rows) or rows.max() < n:
            return self._own[_as_slice(rows)]
        found = np.empty((len(rows), self.shape[1] - self.n_leading), dtype=np.float32)
        is_own = rows < n
        found[is_own] = self._own[rows[is_own]]
        found[~is_own] = self._below[rows[~is_own] - n]
        return found

    def own_columns(self, rows: slice | np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(n, M) float32: the own columns of these numbers (M,) alone, no other one being made."""
        index, n = _numbers(rows, len(self)), len(self._own)
        found = np.empty((len(index), len(columns)), dtype=np.float32)
        is_own = index < n
        part = _as_slice(index[is_own])
        if isinstance(self._own, Standardised):
            embedding, mask = self._own.embedding[part], self._own.mask[part]
            found[is_own] = some_columns(embedding, mask, self._own.scale, columns)
        else:
            found[is_own] = self._own[part][:, columns]
        if self._below is not None:
            found[~is_own] = self._below[index[~is_own] - n][:, columns]
        return found

    def kept(self, folder: str | None = None) -> np.ndarray:
        """All rows at once, (N, K + S + D) float32 read-only: see `keep_rows`."""
        parts = (slice(s, s + _CHUNK) for s in range(0, len(self), _CHUNK))
        return keep_rows((self[part] for part in parts), self.shape, folder)


def made_wide(
    white: np.ndarray,
    scores: Sequence[np.ndarray],
    rows: Standardised,
    outside: np.ndarray | None,
    seed: int,
    folder: str | None = None,
) -> tuple[int, np.ndarray | Wide]:
    """How many columns lead, and the rows: of a survey that is scored whole made at once, of a
    larger one as they are read.

    Parameters
    ----------
    white : (N + M, K) float32, with those of things that are not in the survey below
    scores : each (N,) of a detector. Nobody asked it about what is below: that is taken to be as
        odd as the object it is most like.
    rows : the survey's N rows
    outside : (M, D) numbers of the survey's encoder; None where there are none
    seed, folder : see `normal_scores` and `keep_rows`
    """
    n = len(rows)
    placed, below = [normal_scores(one, seed) for one in scores], None
    if outside is not None:
        below = rows.of_others(outside)
        like = nearest_rows(white, n)
        placed = [np.concatenate([one, one[like]]) for one in placed]
    found = Wide(white, placed, rows, below)
    return found.n_leading, found.kept(folder) if len(white) <= FULL_ROWS else found


def some_columns(
    embedding: np.ndarray, mask: np.ndarray, scale: Scale, columns: np.ndarray
) -> np.ndarray:
    """(n, M) float32: columns (M,) of rows (n, D) of an embedding and their mask (n,), scaled."""
    part = Scale(scale.mean[columns], scale.deviation[columns], flagged=False)
    return part.filled(embedding[:, columns], mask)


def wide_sample(
    own: np.ndarray, white: np.ndarray, is_drawn: np.ndarray, seed: int
) -> tuple[int, np.ndarray]:
    """What `made_wide` gives of some rows of a survey, where the others are not at hand.

    What is odd is learnt from those that were drawn at random alone: the answered ones are mostly
    targets, and would be near neighbours to each other.

    own, white : (n, D) and (n, K) standardised and whitened; is_drawn : (n,) bool
    """
    drawn = np.flatnonzero(is_drawn)
    scores = []
    for name in DETECTORS_SEEN:
        if len(drawn) < _LEAST_DRAWN:
            scores.append(np.zeros(len(own), dtype=np.float32))
            continue
        place = np.cumsum(is_drawn) - 1
        found = FITTED[name](own[drawn], seed)(own, np.where(is_drawn, place, -1))
        scores.append(normal_scores(found, seed, found[drawn]))
    rows = Wide(white, scores, own)
    return rows.n_leading, rows[:]


def normal_scores(scores: np.ndarray, seed: int, among: np.ndarray | None = None) -> np.ndarray:
    """(N,) float32: scores by their rank, as that of a normal distribution (van der Waerden 1952):
    how far a detector's scores lie apart differs from detector to detector, and means little.

    The rank is that among the scores `among`, their own if None; of more than 200,000 that among
    as many of these at random, drawn with `seed`.
    """
    n = len(scores)
    ordered = scores if among is None else among
    if len(ordered) > _RANKED_AMONG:
        rng = np.random.default_rng([seed, len(ordered)])
        ordered = ordered[rng.choice(len(ordered), _RANKED_AMONG, replace=False)]
    ordered = np.sort(ordered)
    found = np.empty(n, dtype=np.float32)
    for start in range(0, n, _RANKED_AMONG):
        part = scores[start : start + _RANKED_AMONG]
        # The middle of equal ones: a constant score is 0 everywhere.
        rank = np.searchsorted(ordered, part, "left") + np.searchsorted(ordered, part, "right")
        share = np.clip(rank / (2 * len(ordered)), 0.5 / len(ordered), 1 - 0.5 / len(ordered))
        found[start : start + _RANKED_AMONG] = ndtri(share)
    return found


def nearest_rows(values: np.ndarray, n: int) -> np.ndarray:
    """(N - n,) int: of each row below the first `n` the nearest of these (Euclidean)."""
    below = values[n:].astype(np.float64)
    nearest = np.zeros(len(below), dtype=np.int64)
    least = np.full(len(below), np.inf)
    with one_blas_thread():
        for start in range(0, n, _CHUNK):
            block = values[start : min(start + _CHUNK, n)].astype(np.float64)
            # Less the square of the row below, the same for all.
            apart = np.square(block).sum(axis=1)[:, None] - 2 * block @ below.T
            best = apart.argmin(axis=0)
            here = apart[best, np.arange(len(below))]
            nearest = np.where(here < least, start + best, nearest)
            least = np.minimum(here, least)
    return nearest


def _numbers(rows: slice | np.ndarray, n: int) -> np.ndarray:
    """(n,) int: the numbers of the rows that a slice, a mask or numbers stand for."""
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Rows that follow one another as a slice, which copies nothing of a mapped array first."""
    if not len(rows):
        return rows
    first, last = int(rows[0]), int(rows[-1])
    together = last - first == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    return slice(first, last + 1) if together else rows
