"""How good a ranking is, and how much of what there is was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from core.errors import BadInput


@dataclass(frozen=True)
class Interval:
    """A value with the lower and upper end of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RecallBin:
    """What was found of the targets whose quantity lies in [low, high).

    `recall` and its interval are NaN where there is no target. The interval is Wilson's.
    """

    low: float
    high: float
    n_targets: int
    n_found: int
    recall: float
    recall_low: float
    recall_high: float


def average_precision(y: ArrayLike, score: ArrayLike) -> float:
    """Average precision: the precision at each distinct score, weighted by the recall gained.

    Parameters
    ----------
    y : (N,) bool or 0/1, 1 = target
    score : (N,) finite, higher = more target-like; rows of equal score count as one step

    Raises
    ------
    BadInput
        Different lengths, a score that is not finite, values other than 0 and 1, no target.
    """
    hit, last = _steps(*_checked(y, score))
    return float(_weighted_ap(hit, last, np.ones((1, len(hit))))[0])


def average_precision_interval(
    y: ArrayLike,
    score: ArrayLike,
    *,
    seed: int = 0,
    n_boot: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Average precision with a percentile bootstrap interval.

    Targets and others are resampled apart, so that every resample has as many targets as the
    data: the interval is for this share of targets. Raises as `average_precision` does.
    """
    truth, scores = _checked(y, score)
    if n_boot < 1 or not 0 < level < 1:
        raise BadInput(
            "A bootstrap interval needs n_boot of at least 1 and a level between 0 and 1, but"
            f" got {n_boot} and {level}; change them."
        )
    rng = np.random.default_rng(seed)
    hit, last = _steps(truth, scores)
    values = np.empty(n_boot)
    n_targets = int(hit.sum())
    for draw in range(n_boot):
        weights = np.zeros(len(hit))
        for group, size in ((hit, n_targets), (~hit, len(hit) - n_targets)):
            if size:
                weights[group] = np.bincount(rng.integers(0, size, size), minlength=size)
        values[draw] = _weighted_ap(hit, last, weights[None, :])[0]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(average_precision(truth, scores), float(low), float(high))


def finds_curve(found: Sequence[bool] | np.ndarray) -> np.ndarray:
    """(k,) int: targets found after each of k answers; `found` in the order of answering."""
    return np.cumsum(np.asarray(found, dtype=np.int64))


def discovery_area(curve: Sequence[int] | np.ndarray, n_targets: int) -> float:
    """Area under a finds curve divided by that of an ideal searcher.

    1 = every answer a find until none is left. curve : (k,) finds after each answer.
    """
    curve = np.asarray(curve, dtype=float)
    if n_targets < 1 or len(curve) < 1:
        raise BadInput(
            "The area of a finds curve needs at least one answer and one target, but got"
            f" {len(curve)} and {n_targets}."
        )
    return float(curve.sum() / np.minimum(np.arange(1, len(curve) + 1), n_targets).sum())


def recall_by_bin(
    is_target: np.ndarray,
    is_found: np.ndarray,
    quantity: np.ndarray,
    edges: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
) -> list[RecallBin]:
    """Recall of the targets in bins of a quantity (separation, flux ratio, magnitude ...).

    Parameters
    ----------
    is_target, is_found : (N,) bool
    quantity : (N,) in any unit; targets where it is NaN are in no bin
    edges : (B + 1,) ascending, in the unit of `quantity`; the last bin includes its upper edge
    """
    is_target, is_found = np.asarray(is_target, dtype=bool), np.asarray(is_found, dtype=bool)
    quantity, bounds = np.asarray(quantity, dtype=float), np.asarray(edges, dtype=float)
    if not is_target.shape == is_found.shape == quantity.shape or quantity.ndim != 1:
        raise BadInput(
            "Recall by bin takes three columns of one length, but got shapes"
            f" {is_target.shape}, {is_found.shape} and {quantity.shape}."
        )
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise BadInput(f"The edges of bins are two or more ascending numbers, but got {edges}.")
    bins = []
    for index, (low, high) in enumerate(pairwise(bounds)):
        inside = (quantity >= low) & (quantity < high)
        if index == len(bounds) - 2:
            inside |= quantity == high
        n_targets = int((inside & is_target).sum())
        n_found = int((inside & is_target & is_found).sum())
        recall = n_found / n_targets if n_targets else float("nan")
        interval = _wilson(n_found, n_targets, level)
        bins.append(RecallBin(float(low), float(high), n_targets, n_found, recall, *interval))
    return bins


def _wilson(hits: int, n: int, level: float) -> tuple[float, float]:
    """Wilson's (1927) score interval of a share."""
    if n == 0:
        return float("nan"), float("nan")
    z = float(ndtri((1 + level) / 2))
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _checked(y: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, scores = np.asarray(y), np.asarray(score, dtype=float)
    if truth.ndim != 1 or truth.shape != scores.shape:
        raise BadInput(
            f"Truth and score are columns of one length, but have shapes {truth.shape} and"
            f" {scores.shape}."
        )
    if not np.isfinite(scores).all() or not np.isin(truth, (0, 1)).all():
        raise BadInput(
            "Average precision needs finite scores and a truth of 0 and 1; remove the rows that"
            " have none."
        )
    if not truth.any():
        raise BadInput("Average precision needs at least one target, but the truth has none.")
    return truth.astype(bool), scores


def _steps(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) truth by descending score, and (S,) the last position of each distinct score."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return y[order], last


def _weighted_ap(hit: np.ndarray, last: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R,) average precision under each row of (R, N) weights, rows in ranked order."""
    hits = np.cumsum(weights * hit, axis=1)[:, last]
    shown = np.cumsum(weights, axis=1)[:, last]
    precision = hits / np.maximum(shown, 1e-300)
    gained = np.diff(hits, axis=1, prepend=0)
    return (gained * precision).sum(axis=1) / hits[:, -1]
