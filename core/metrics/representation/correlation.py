"""The two-point correlation of an embedding: how far objects clump beyond a plain cloud.

After Mohale & Lochner (2023, arXiv 2311.14157), who take it from the clustering of galaxies:
eps(r) = (RR pairs / DD pairs) DD(r) / RR(r) - 1, with DD(r) the pairs of objects a distance r
apart and RR(r) those of a Gaussian with the data's mean and covariance. A space in which kinds of
objects stand apart has eps > 0 at small r. The score is the sum of eps over the bins of r, its
error the sum of their errors.

Scores compare only if everything else is the same, and so it is: 10 whitened components of 2,000
objects, and bins of r in units of the median distance of the pairs. In whitened components the
Gaussian is round, and the squares of its pair distances, halved, follow chi squared; so RR is
known exactly rather than drawn.

One thing is added to the published score. A long tail, or one object in twenty far out, widens the
Gaussian and makes a clump of all the rest, a hundred times what clusters score; so components are
first drawn in to three robust deviations, and whitened again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from core.errors import BadInput
from core.metrics.representation.tables import (
    SAMPLE,
    finite_table,
    sample_rows,
    squared_distances,
    whitened,
)

R_LOW, R_HIGH, BINS = 0.3, 1.5, 13
"""Bins of r in units of the median distance: one from 0 to 0.3, where a round Gaussian in 10
dimensions has one pair in 10,000, and 12 log-spaced ones up to 1.5. Without the first, clusters
that draw together beyond 0.3 would leave the range, and the score would fall as they part."""

TAIL = 3.0
"""Robust deviations (1.4826 times the median absolute one) to which components are drawn in."""

BOOTSTRAPS = 100
_BLOCK = 500


@dataclass(frozen=True)
class TwoPoint:
    """The curve and the score.

    Attributes
    ----------
    r
        (B,) where to draw the bins: their geometric middles in units of the median pair distance;
        the first, which begins at 0, stands where the spacing of the others puts it.
    eps, sigma
        (B,) excess of pairs over a Gaussian, and its bootstrap standard deviation.
    score, error
        Sum of eps, sum of sigma.
    n_objects, components
        That were measured; scores compare where these are the same.
    """

    r: np.ndarray
    eps: np.ndarray
    sigma: np.ndarray
    score: float
    error: float
    n_objects: int
    components: int


def bin_edges() -> np.ndarray:
    """(BINS + 1,) edges of r in units of the median pair distance."""
    return np.append(0.0, np.geomspace(R_LOW, R_HIGH, BINS))


def two_point(values: np.ndarray, *, seed: int = 0, tail: float | None = TAIL) -> TwoPoint:
    """Two-point correlation of (N, D) finite values; of 2,000 rows drawn by the seed if N is more.

    The errors are those of a bootstrap over objects (an object drawn twice makes no pair with
    itself). `tail` None leaves long tails as they are: the score as published.

    Raises
    ------
    BadInput
        Fewer than 20 rows, values that are not finite, or most rows the same.
    """
    table = finite_table(values)
    table = table[sample_rows(np.ones(len(table), bool), SAMPLE, seed)]
    x = whitened(table)
    if tail is not None and x.shape[1]:
        x = whitened(_drawn_in(x, tail))
    n, dimensions = x.shape
    squares = squared_distances(x, x)
    median = float(np.median(squares[np.triu_indices(n, 1)])) if dimensions else 0.0
    if not median > 1e-12:
        raise BadInput(
            "The two-point correlation needs objects that lie apart, but most of them have the"
            " same values; the embedding has collapsed, so train it longer or choose another."
        )
    edges = bin_edges()
    shown = np.append(R_LOW**2 / edges[2], edges[1:])
    counted = _pair_counts(squares, edges**2 * median, _weights(n, seed))
    expected = np.diff(chi2.cdf(edges**2 * median / 2, dimensions))
    eps = counted / np.maximum(expected, 1e-300) - 1
    sigma = eps[1:].std(axis=0, ddof=1)
    return TwoPoint(
        r=np.sqrt(shown[1:] * shown[:-1]),
        eps=eps[0],
        sigma=sigma,
        score=float(eps[0].sum()),
        error=float(sigma.sum()),
        n_objects=n,
        components=dimensions,
    )


def two_point_score(values: np.ndarray, *, seed: int = 0) -> float:
    """The score of `two_point` alone: higher = objects clump more."""
    return two_point(values, seed=seed).score


def _drawn_in(x: np.ndarray, tail: float) -> np.ndarray:
    """Components (N, C) with what lies beyond `tail` robust deviations put there."""
    middle = np.median(x, axis=0)
    deviation = 1.4826 * np.median(np.abs(x - middle), axis=0)
    reach = np.where(deviation > 0, tail * deviation, np.inf)  # half the objects at one value
    out: np.ndarray = np.clip(x, middle - reach, middle + reach)
    return out


def _weights(n: int, seed: int) -> np.ndarray:
    """(1 + BOOTSTRAPS, N): every object once, then how often each bootstrap drew it."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=BOOTSTRAPS)
    return np.concatenate([np.ones((1, n)), drawn]).astype(np.float32)


def _pair_counts(squares: np.ndarray, edges: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(W, B) share of the weighted pairs of different objects in each bin of squared distance."""
    n, n_bins = len(squares), len(edges) - 1
    counts = np.zeros((len(weights), n_bins))
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        place = np.searchsorted(edges, squares[rows], side="right") - 1
        place[np.arange(len(rows)), rows] = -1  # itself
        for number in range(n_bins):
            inside = (place == number).astype(np.float32)
            counts[:, number] += ((weights[:, rows] @ inside) * weights).sum(1, dtype=np.float64)
    exact = weights.astype(np.float64)
    pairs: np.ndarray = exact.sum(1) ** 2 - (exact**2).sum(1)
    return counts / pairs[:, None]
