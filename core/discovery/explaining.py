"""Why an object is odd, in a moment: what does not depend on the object is made once.

`reasons` answers with a detector fitted on the whole survey. Here the survey is a sample of
it, as large as the detector itself learns from, and columns that say nearly the same are taken
together, so that none hides behind the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.discovery.detecting import FITTED, sample_rows
from core.discovery.prepare import Standardised
from core.errors import BadInput

SAMPLE = 20_000
"""Rows that stand for the survey, as many as the isolation forest chooses its own from."""

_RANKED = 5_000
_TINY = 1e-6


@dataclass(frozen=True)
class Explanation:
    """Why one object is odd.

    Attributes
    ----------
    score
        The detector's.
    share_below
        Share of the sample with a lower one, 0 to 1.
    shares
        (G,) by what part of its distance from the usual score the score falls when the group's
        columns are set to the survey's medians; below 0 where they make the object look less
        odd. Groups together need not give 1. NaN where the score is not above the usual one.
    robust_z
        (D,) (value - median) / (1.4826 x median absolute deviation) of each column; where more
        than half the survey has one value, the standard deviation stands in for the latter.
    """

    score: float
    share_below: float
    shares: NDArray[np.float64]
    robust_z: NDArray[np.float64]


class Explainer:
    """Explains any object of one embedding.

    Parameters
    ----------
    embedding
        (N, D) numbers; only a sample of its seen rows is read, and kept.
    mask
        (N,) bool, False where the encoder had nothing to see.
    groups
        G lists of columns.
    detector
        One of those that are fitted (`detecting.FITTED`).

    Raises
    ------
    BadInput
        No such detector, a group without a column or with one that is not there, or no row that
        the encoder saw.
    """

    def __init__(
        self,
        embedding: NDArray[Any],
        mask: NDArray[np.bool_],
        groups: Sequence[Sequence[int]],
        detector: str = "isolation_forest",
        seed: int = 0,
    ) -> None:
        if detector not in FITTED:
            raise BadInput(
                f"Objects are explained by one of {', '.join(sorted(FITTED))}, but {detector!r}"
                " was asked for; choose one of them."
            )
        seen = np.flatnonzero(mask)
        if not len(seen):
            raise BadInput(
                "The encoder had nothing to see in any of these objects, so that nothing is"
                " usual; embed the survey by another encoder."
            )
        # Of unseen rows there is nothing to compare with: they are not what is usual.
        self._rows = seen[sample_rows(len(seen), SAMPLE, seed)]
        sample = np.asarray(embedding[self._rows], dtype=np.float32)
        self._groups = [np.asarray(group, dtype=np.int64) for group in groups]
        d = sample.shape[1]
        if any(not len(one) or one.min() < 0 or one.max() >= d for one in self._groups):
            raise BadInput(
                f"A group is one or more of the {d} columns of the embedding; name others."
            )
        self._usual = Standardised(sample, np.ones(len(sample), dtype=bool))
        values = np.asarray(self._usual)
        self._scorer = FITTED[detector](values, seed)
        some = sample_rows(len(values), _RANKED, seed)
        self._known = np.sort(self._scorer(values[some], some))
        self.n_compared = len(some)
        """Objects that `share_below` is a share of."""
        self._centre = np.median(values, axis=0).astype(np.float32)
        self.median: NDArray[np.float32] = np.median(sample, axis=0)
        """(D,) of the embedding's own numbers."""
        away = sample - self.median
        scatter = 1.4826 * np.median(np.abs(away), axis=0)
        scatter = np.where(scatter > _TINY, scatter, away.std(axis=0, dtype=np.float64))
        self._scatter = np.where(scatter > _TINY, scatter, 1.0)

    def explain(self, values: NDArray[Any], row: int = -1) -> Explanation:
        """Of an object, by its numbers (D,) in the embedding; the encoder saw something in it.

        Each group in turn is set to the survey's medians, and the object is scored anew (Zeiler &
        Fergus 2014, on columns).

        row: its row of the embedding, so that it is no neighbour of itself; -1 for something else.
        """
        given = np.asarray(values, dtype=np.float32)[None]
        altered = np.repeat(self._usual.of_others(given), len(self._groups) + 2, axis=0)
        for place, group in enumerate(self._groups, 2):
            altered[place, group] = self._centre[group]
        altered[1] = self._centre
        own = np.full(len(altered), self._place(row))
        scores = self._scorer(altered, own).astype(np.float64)
        score, usual = float(scores[0]), float(scores[1])
        whole = score - usual if score > usual else np.nan
        return Explanation(
            score=score,
            share_below=float(np.searchsorted(self._known, scores[0]) / len(self._known)),
            shares=(score - scores[2:]) / whole,
            robust_z=((given[0] - self.median) / self._scatter).astype(np.float64),
        )

    def _place(self, row: int) -> int:
        """Where a row is in the sample; -1 where it is not."""
        place = int(np.searchsorted(self._rows, row))
        return place if place < len(self._rows) and self._rows[place] == row else -1


__all__ = ["Explainer", "Explanation"]
