"""How many groups there are: the number at which they stand apart best."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from core.progress import Progress, silent

__all__ = ["NUMBERS", "ProposedK", "propose_k"]

NUMBERS = range(2, 13)
_SAMPLE, _STARTS = 2_000, 4
_FAINT = 0.25
"""Silhouettes below are called "no substantial structure" (Kaufman & Rousseeuw 1990)."""


@dataclass(frozen=True)
class ProposedK:
    """The number proposed, and what stood against it.

    Attributes
    ----------
    k
        The number of groups with the highest silhouette; the smaller of equals.
    silhouettes
        K -> mean silhouette of a sample, -1 to 1: how much nearer objects are to their own group
        than to the next (Rousseeuw 1987).
    sentence
        The same in words.
    """

    k: int
    silhouettes: dict[int, float]
    sentence: str


def propose_k(
    points: np.ndarray,
    *,
    numbers: range = NUMBERS,
    seed: int = 0,
    progress: Progress = silent,
) -> ProposedK:
    """The K in `numbers` whose k-means groups stand apart best, by the mean silhouette of at most
    2,000 rows.

    points : (M, D) finite, not all alike, M at least 3
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score

    if len(points) > _SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(points), _SAMPLE, replace=False)
        points = points[np.sort(chosen)]
    found: dict[int, float] = {}
    for number in numbers:
        if number >= len(points):
            break
        progress((number - numbers.start) / len(numbers), f"trying {number} groups")
        with warnings.catch_warnings():
            # Fewer different rows than groups: larger numbers change nothing.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = KMeans(number, n_init=_STARTS, random_state=seed).fit_predict(points)
        if len(np.unique(labels)) < number:
            break
        found[number] = float(silhouette_score(points, labels))
    if not found:
        return ProposedK(2, {}, "2 groups, since there are too few different objects for more.")
    best = max(found, key=lambda one: (found[one], -one))
    sentence = (
        f"{best} groups were proposed: of {min(found)} to {max(found)} they stand apart best"
        f" (silhouette {found[best]:.2f})"
    )
    if found[best] < _FAINT:
        sentence += ", but they run into one another, so that another number is as good"
    return ProposedK(best, found, f"{sentence}.")
