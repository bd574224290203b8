"""How far detectors agree on what is odd: rank correlations, and what they share at the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pages._server.oddest import Ranked
from pages._server.recent import Recent

__all__ = ["AT_MOST", "TOP", "Agreement", "agreement"]

TOP = 100
_SHARE = 0.1
"""The top is a tenth of the objects at most, or everything would be in it."""
AT_MOST = 12
"""Rankings held against each other at once."""
_SAMPLE = 100_000
"""Rows that the correlations are of: their standard error is then below 0.004."""

_kept = Recent(8)


@dataclass(frozen=True, eq=False)
class Agreement:
    """K rankings held against each other.

    Attributes
    ----------
    rankings
        These.
    rows
        (S,) rows with a score in every one of them.
    top
        How many objects count as the top of a ranking.
    shared
        (K, K) how many objects of these two have in common.
    votes
        (N,) in how many of the tops an object is.
    """

    rankings: tuple[Ranked, ...]
    rows: NDArray[np.int64]
    top: int
    shared: NDArray[np.int64]
    votes: NDArray[np.int8]

    @cached_property
    def sampled(self) -> NDArray[np.int64]:
        """Ascending rows behind `correlation`, all of `rows` if these are no more than 100,000."""
        if len(self.rows) <= _SAMPLE:
            return self.rows
        return np.sort(np.random.default_rng(0).choice(self.rows, _SAMPLE, replace=False))

    @cached_property
    def correlation(self) -> NDArray[np.float64]:
        """(K, K) Spearman's rank correlation: Pearson's of the ranks, equal scores sharing the
        mean of theirs. NaN where a ranking says the same of all these."""
        from scipy.stats import rankdata

        ranks = np.array([rankdata(one.scores[self.sampled]) for one in self.rankings])
        ranks -= (len(self.sampled) + 1) / 2
        spread = np.sqrt((ranks**2).sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip((ranks @ ranks.T) / np.outer(spread, spread), -1, 1)

    def agreed(self) -> NDArray[np.int64]:
        """Rows in two tops or more: those in most come first, of equally many those that stand
        higher among these on average."""
        rows = np.flatnonzero(self.votes > 1)
        scores = np.array([one.scores[rows] for one in self.rankings])
        places = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        order = np.lexsort((rows, places.mean(axis=0), -self.votes[rows].astype(int)))
        return rows[order]


def agreement(rankings: Sequence[Ranked]) -> Agreement:
    """Hold one ranking or more of the same survey against each other, kept."""
    found: Agreement = _kept.get(tuple(one.key for one in rankings), lambda: _agreement(rankings))
    return found


def _agreement(rankings: Sequence[Ranked]) -> Agreement:
    everywhere = np.all([np.isfinite(one.scores) for one in rankings], axis=0)
    rows = np.flatnonzero(everywhere)
    top = max(1, min(TOP, int(_SHARE * len(rows))))
    tops = np.zeros((len(rankings), len(everywhere)), np.float32)
    for place, one in enumerate(rankings):
        tops[place, one.first(top, everywhere)] = 1
    votes = tops.sum(axis=0).astype(np.int8)
    votes.setflags(write=False)
    return Agreement(tuple(rankings), rows, top, (tops @ tops.T).astype(np.int64), votes)
