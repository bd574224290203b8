"""Draws of known probability from all heights of a ranking, for estimates of what was missed.

The first rows of a ranking say nothing about the rest, and an even random sample meets hardly any
rare target. A stratified sample meets both, and since every row's probability pi of being drawn is
known and above 0, sum(y / pi) over the rows drawn estimates the sum of y over all rows without
bias (Horvitz & Thompson 1952), for instance the number of targets.
"""

from __future__ import annotations

import numpy as np

TOP_STRATUM = 32
"""Rows of the highest stratum."""

RATIO = 4
"""Each stratum is so many times larger than the one above it."""

_CERTAIN = 1 - 1e-9
_ROUNDING = 1e-9


def strata(scores: np.ndarray) -> np.ndarray:
    """(U,) int, the stratum of each row by the rank of its score: 0 holds the highest 32.

    scores : (U,) finite. Each further stratum has four times the rows of the one before; the
    last takes what is left, one to five times the rows of the one before. Equal scores rank in
    row order.
    """
    order = np.argsort(-scores, kind="stable")
    edges = []
    size, edge = TOP_STRATUM, TOP_STRATUM
    while len(scores) - edge >= size:
        edges.append(edge)
        size *= RATIO
        edge += size
    stratum = np.empty(len(scores), dtype=np.int64)
    stratum[order] = np.searchsorted(edges, np.arange(len(scores)), side="right")
    return stratum


def inclusion_probabilities(stratum: np.ndarray, n: float) -> np.ndarray:
    """(U,) float: the probability of each row in a sample of `n` rows, adding up to min(n, U).

    stratum : (U,) int from 0 upward. Each stratum has the same number of rows drawn on the mean,
    so that the rate falls from stratum to stratum as their sizes grow; what a stratum drawn
    whole cannot take is spread evenly over the others.
    """
    size = np.bincount(stratum).astype(np.float64)
    expected = np.zeros(len(size))
    is_open = size > 0
    left = min(n, size.sum())
    while is_open.any():
        share = left / is_open.sum()
        full = is_open & (size <= share)
        if not full.any():
            expected[is_open] = share
            break
        expected[full] = size[full]
        left -= size[full].sum()
        is_open &= ~full
    return (expected / np.maximum(size, 1))[stratum]


def place_probabilities(places: np.ndarray, stratum: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(k,) float: with which probability each row of a `stratified_draw` came to its place, given
    those before.

    How many rows a stratum gives hangs on one number drawn evenly between 0 and 1, which leaves
    a few possibilities. Each is weighed by how well it fits the rows before (Bayes); the next row
    is any of those that it has left, a stratum's rows alike.

    Parameters
    ----------
    places : (k,) the first of a sample in its order, places in the two that follow
    stratum, chance : (U,) the stratum and the inclusion probability of every row
    """
    size = np.bincount(stratum)
    edges = np.concatenate([[0.0], np.cumsum(np.bincount(stratum, chance))])
    cuts = np.unique(np.concatenate([[0.0, 1.0], edges % 1]))
    wide = np.diff(cuts) > _ROUNDING
    weight, middle = np.diff(cuts)[wide], (cuts[1:] + cuts[:-1])[wide] / 2
    left = np.diff(np.ceil(edges - middle[:, None]), axis=1)  # (possibilities, strata)
    found, n = np.empty(len(places)), round(float(chance.sum()))
    for at, own in enumerate(stratum[places].tolist()):
        weight = weight / weight.sum()
        fits = weight * left[:, own] / (n - at)
        found[at] = fits.sum() / size[own]
        weight = fits
        left[:, own] -= 1
        size[own] -= 1
    return found


def stratified_draw(
    scores: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A sample of exactly min(n, U) rows with the probabilities of `inclusion_probabilities`.

    Systematic sampling (Madow 1949) of the rows in chance order within each stratum: every
    stratum gets its expected number of rows, rounded up or down by chance, and every row its
    probability exactly. The order of the sample is chance too, so that the first k rows alone are
    a sample with probabilities k / n times those given.

    Parameters
    ----------
    scores : (U,) finite, higher = likelier a target

    Returns
    -------
    places : (min(n, U),) int, places in `scores`
    probabilities : (min(n, U),) float, the inclusion probability of each of them, above 0
    """
    n = min(n, len(scores))
    stratum = strata(scores)
    chance = inclusion_probabilities(stratum, n)
    shuffled = rng.permutation(len(scores))
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    # Rows sure to be drawn are set aside: rounding could hit one twice or never.
    sure, open_rows = order[chance[order] >= _CERTAIN], order[chance[order] < _CERTAIN]
    wanted = n - len(sure)
    running = np.cumsum(chance[open_rows])
    if wanted:
        running *= wanted / running[-1]  # takes rounding away
    hits = np.searchsorted(running, rng.random() + np.arange(wanted), side="right")
    hits = np.minimum(hits, len(open_rows) - 1)
    places = rng.permutation(np.concatenate([sure, open_rows[hits]]))
    return places.astype(np.int64), chance[places]
