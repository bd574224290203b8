"""Why a detector calls an object odd: the columns behind its score, in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.discovery.detecting import FITTED, Scorer, sample_rows
from core.discovery.registry import DETECTORS, Detector
from core.errors import BadInput, NotFound

FLAG = "something is missing"
"""Name of the column that tells rows that lack something (see `standardise`)."""

_STATISTICS_ROWS = 100_000
_REFIT_ROWS = 5_000
_BATCH = 65_536


@dataclass(frozen=True)
class Reason:
    """One column of one object.

    Attributes
    ----------
    column
        Its name.
    robust_z
        (value - median) / (1.4826 x median absolute deviation) over the survey: how many usual
        scatters above (+) or below (-) the usual value. Where more than half the survey has one
        and the same value, the standard deviation stands in for the scatter.
    fall
        By how much the score falls when this value is set to the survey's median; below 0 where
        the value makes the object look less odd.
    share
        `fall` over the fall when all values are set to the median; NaN where that is not above 0.
    """

    column: str
    robust_z: float
    fall: float
    share: float


@dataclass(frozen=True)
class Reasons:
    """Why one row is odd.

    Attributes
    ----------
    row, score
        The row and the detector's score of it, as computed for this.
    share_below
        Share of the survey (of a sample of it) with a lower score.
    reasons
        The columns whose occlusion lowers the score most, most first; at most `top`.
    """

    row: int
    score: float
    share_below: float
    reasons: tuple[Reason, ...]

    @property
    def sentence(self) -> str:
        """For a person: how odd, and by which columns."""
        odd = f"Odder than {100 * self.share_below:.3g} % of the survey"
        lowering = [one for one in self.reasons if one.fall > 0]
        if not lowering:
            return f"{odd}; no single column lowers the score when it is made usual."
        told = [
            f"{one.column} ({abs(one.robust_z):.1f} usual scatters"
            f" {'above' if one.robust_z > 0 else 'below'} the median{_part(one.share)})"
            for one in lowering
        ]
        return f"{odd}, most of all for {', '.join(told)}."


def _part(share: float) -> str:
    # Beyond 1 where columns hold one another back: no part of a whole then.
    return f", {100 * share:.0f} % of the score" if 0.005 <= share <= 1 else ""


def reasons(
    values: np.ndarray,
    unseen: np.ndarray,
    detector: str,
    rows: Sequence[int] | np.ndarray,
    columns: Sequence[str],
    *,
    top: int = 5,
    seed: int = 0,
) -> list[Reasons]:
    """The columns that make `rows` odd to a detector, found by occlusion.

    Each column in turn is set to the survey's median, and the row is scored anew (Zeiler &
    Fergus 2014, on columns). Columns that say the same thing share the fall, and each may look
    small: `robust_z` stands beside it for that.

    A detector that is fitted once scores all altered rows in batches. Of another one (such as
    `farthest_first`) the rows are altered inside a sample of 5,000 rows of the survey, column by
    column, and the scores are those within that sample.

    Parameters
    ----------
    values : (N, D) float32, what `standardise` gave; detector scores are of these
    unseen : (N,) bool, with them
    detector : name of a registered detector
    rows : (R,) rows of the survey
    columns : D names, or one fewer where the last column is the flag of missing values
    top : how many columns to name

    Raises
    ------
    BadInput
        An unknown detector, names that are not one a column, `top` below 1.
    NotFound
        A row that the survey does not have.
    """
    entry = DETECTORS.find(detector)
    asked = np.asarray(rows, dtype=np.int64).reshape(-1)
    names = _names(values, unseen, columns)
    if top < 1:
        raise BadInput(f"Reasons name one column or more, but {top} were asked for.")
    wrong = asked[(asked < 0) | (asked >= len(values))]
    if len(wrong):
        raise NotFound(
            f"The rows of this survey are 0 to {len(values) - 1}, but reasons for row {wrong[0]}"
            " were asked for; choose another object."
        )
    if not len(asked):
        return []
    sample = values[sample_rows(len(values), _STATISTICS_ROWS, seed)]
    median = np.median(sample, axis=0).astype(np.float32)
    if detector in FITTED:
        fitted = FITTED[detector](values, seed)
        scores, occluded, usual = _occlude(fitted, values, asked, median)
        some = sample_rows(len(values), _REFIT_ROWS, seed)
        known = fitted(values[some], some)
    else:
        scores, occluded, usual, known = _occlude_in_place(
            entry.call, values, unseen, asked, median, seed
        )
    z = (values[asked] - median) / _scatter(sample, median)
    falls = scores[:, None] - occluded
    found = []
    for index, row in enumerate(asked.tolist()):
        whole = float(scores[index] - usual[index])
        most = np.argsort(-falls[index], kind="stable")[:top]
        parts = tuple(
            Reason(
                column=names[column],
                robust_z=float(z[index, column]),
                fall=float(falls[index, column]),
                share=float(falls[index, column] / whole) if whole > 0 else float("nan"),
            )
            for column in most.tolist()
        )
        below = float((known < scores[index]).mean())
        found.append(Reasons(row, float(scores[index]), below, parts))
    return found


def _names(values: np.ndarray, unseen: np.ndarray, columns: Sequence[str]) -> list[str]:
    names = list(columns)
    if len(names) == values.shape[1] - 1 and unseen.any():
        names.append(FLAG)
    if len(names) != values.shape[1]:
        raise BadInput(
            f"Reasons need one name a column ({values.shape[1]}), but got {len(names)}; give the"
            " names of this embedding's columns."
        )
    return names


def _scatter(sample: np.ndarray, median: np.ndarray) -> np.ndarray:
    """(D,) robust standard deviation, never 0."""
    scatter = 1.4826 * np.median(np.abs(sample - median), axis=0)
    scatter = np.where(scatter > 1e-6, scatter, sample.std(axis=0, dtype=np.float64))
    return np.where(scatter > 1e-6, scatter, 1.0)


def _occlude(
    scorer: Scorer, values: np.ndarray, rows: np.ndarray, median: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R,) scores, (R, D) scores with each column at its median, (R,) with all columns so."""
    d = values.shape[1]
    scores = scorer(values[rows], rows).astype(np.float64)
    usual = scorer(np.tile(median, (len(rows), 1)), rows).astype(np.float64)
    occluded = np.empty((len(rows), d))
    step = max(1, _BATCH // d)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        altered = np.repeat(values[part], d, axis=0)
        altered[np.arange(len(altered)), np.tile(np.arange(d), len(part))] = np.tile(
            median, len(part)
        )
        occluded[start : start + step] = scorer(altered, np.repeat(part, d)).reshape(-1, d)
    return scores, occluded, usual


def _occlude_in_place(
    detector: Detector,
    values: np.ndarray,
    unseen: np.ndarray,
    rows: np.ndarray,
    median: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `_occlude`, by a detector that only scores whole surveys; and (S,) all its scores."""
    kept = np.union1d(sample_rows(len(values), _REFIT_ROWS, seed), rows)
    table, blind = values[kept].copy(), unseen[kept]
    places = np.searchsorted(kept, rows)
    known = detector(table, blind, seed).astype(np.float64)
    occluded = np.empty((len(rows), values.shape[1]))
    for column in range(values.shape[1]):
        table[places, column] = median[column]
        occluded[:, column] = detector(table, blind, seed)[places]
        table[places, column] = values[rows, column]
    table[places] = median
    usual = detector(table, blind, seed)[places].astype(np.float64)
    return known[places], occluded, usual, known
