"""Protege: a Gaussian process of the answers and its expected improvement (arXiv 2411.04188)."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import erfcx, ndtr
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from core.discovery.kept import Kept
from core.discovery.pool import Draw, Pool, drawable_scores, top_draw
from core.discovery.registry import Need, register_sampler
from core.mapping import pca

_BEST, _OTHER = 5.0, 1.0
"""The scores, on Protege's scale of 1 to 5, that a target and any other answer are given."""

_TRADE_OFF = 0.5
"""xi of `protege`, the program's default; `_PUBLISHED_TRADE_OFF` is the paper's choice."""

_PUBLISHED_TRADE_OFF = 3.0
_VARIANCE = 0.85
_N_FIRST = 10
_MOST_ANSWERS = 500
"""That a process is taught: its time grows with their cube."""

_CHUNK, _NUMBERS = 16_384, 4_000_000
_BELIEVED = 2000
"""Rows among which a batch is chosen one after the other: their covariance fits in memory."""


@register_sampler(
    "protege",
    needs=Need.NOTHING,
    description="first those that a Gaussian process expects to improve on the best"
    " (Protege, logarithmic)",
)
def protege(pool: Pool, n: int) -> Draw:
    """Score = ln of the expected improvement (Ament et al. 2023), which still tells rows apart
    where the improvement itself has vanished, as it does once a target was found.

    The rows of a batch are chosen one after the other, each as if the mean had been answered of
    those before it (kriging believer, Ginsbourger et al. 2010): two of a kind are not both shown.
    The first ten answers are those of `protege_plain`. Of more than 500 answers the process
    learns the finds, at random 250 of more, and the newest others.
    """
    if len(pool.labelled) < _N_FIRST or not len(pool.unlabelled):
        return _first(pool, n)
    values = _components(pool.columns)
    process = _taught(pool, values)
    mean, deviation = _predicted(process, values)
    scores = drawable_scores(pool, log_improvement(mean, deviation, _top(pool), _TRADE_OFF))
    rows = _one_after_another(process, values, mean, top_draw(pool, scores, n), pool)
    return Draw(scores, rows, np.ones(len(rows)))


@register_sampler(
    "protege_plain",
    needs=Need.NOTHING,
    description="first those that a Gaussian process expects to improve on the best"
    " (Protege as published)",
)
def protege_plain(pool: Pool, n: int) -> Draw:
    """Score = expected improvement (m - y - xi) Phi(z) + s phi(z), z = (m - y - xi) / s, of a
    Gaussian process of zero mean and unit amplitude, Matern 3/2 + white noise, on the principal
    components that hold 85 % of the variance; y the best score so far, xi = 3. Batches take the
    highest. The first ten are equally spaced in the order of the first component; of more than
    500 answers those are learnt that `protege` learns.
    """
    if len(pool.labelled) < _N_FIRST or not len(pool.unlabelled):
        return _first(pool, n)
    values = _components(pool.columns)
    mean, deviation = _predicted(_taught(pool, values), values)
    return top_draw(pool, improvement(mean, deviation, _top(pool), _PUBLISHED_TRADE_OFF), n)


def improvement(mean: np.ndarray, deviation: np.ndarray, best: float, xi: float) -> np.ndarray:
    """(N,) expected improvement over `best` + `xi`; 0 where nothing is left to chance."""
    gap = mean - best - xi
    sure = deviation <= 0
    z = gap / np.where(sure, 1, deviation)
    return np.where(sure, np.maximum(gap, 0), gap * ndtr(z) + deviation * norm.pdf(z))


def log_improvement(mean: np.ndarray, deviation: np.ndarray, best: float, xi: float) -> np.ndarray:
    """(N,) natural logarithm of `improvement`, exact where that is 0 to machine precision.

    Three branches, as in Ament et al. 2023 (arXiv 2310.20708), eq. 9.
    """
    deviation = np.maximum(deviation, 1e-9)
    z = (mean - best - xi) / deviation
    log_h = np.empty_like(z)
    near = z > -1
    log_h[near] = np.log(norm.pdf(z[near]) + z[near] * ndtr(z[near]))
    far = z < -1e4  # 1 - |z| M(z) has no digits left; it goes as 1 / z^2
    log_h[far] = norm.logpdf(z[far]) - 2 * np.log(-z[far])
    between = ~near & ~far
    t = -z[between]
    mills = np.sqrt(np.pi / 2) * erfcx(t / np.sqrt(2))
    log_h[between] = norm.logpdf(t) + np.log1p(-t * mills)
    return np.log(deviation) + log_h


def _top(pool: Pool) -> float:
    return _BEST if pool.is_find.any() else _OTHER


def _first(pool: Pool, n: int) -> Draw:
    """The rows nearest, in the order of the first principal component, to ten places equally
    spaced in it. Score = minus the share of the survey that lies between."""
    n_rows = len(pool.columns)
    rank = np.empty(n_rows, dtype=np.int64)
    rank[np.argsort(_components(pool.columns)[:, 0], kind="stable")] = np.arange(n_rows)
    places = np.unique(np.linspace(0, n_rows - 1, _N_FIRST).round().astype(np.int64))
    after = np.searchsorted(places, rank).clip(1, max(len(places) - 1, 1))
    gap = np.abs(rank - places[after - 1])
    if len(places) > 1:
        gap = np.minimum(gap, np.abs(rank - places[after]))
    return top_draw(pool, -gap / n_rows, n)


def _principal_components(columns: np.ndarray) -> np.ndarray:
    """(N, K) float32: as few principal components as hold 85 % of the variance."""
    sample = columns[:: max(1, len(columns) // 20_000)].astype(np.float64)
    sample -= sample.mean(axis=0)
    # Of the smaller of the two products: both have the same eigenvalues.
    product = sample @ sample.T if len(sample) < sample.shape[1] else sample.T @ sample
    variance = np.linalg.eigvalsh(product)[::-1].clip(0)
    share = np.cumsum(variance) / max(variance.sum(), np.finfo(float).tiny)
    return pca(columns, min(int((share < _VARIANCE).sum()) + 1, len(variance)))


_components = Kept(_principal_components)


def _taught(pool: Pool, values: np.ndarray) -> GaussianProcessRegressor:
    process = GaussianProcessRegressor(Matern(nu=1.5) + WhiteKernel(), alpha=1e-8)
    taken = _learnt(pool)
    scores = np.where(pool.is_find[taken], _BEST, _OTHER)
    with warnings.catch_warnings():
        # A length or a noise at its bound is an answer too: with equal labels there is no other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(values[pool.labelled[taken]], scores)


def _learnt(pool: Pool) -> np.ndarray:
    """(L,) int, places in `pool.labelled`, ascending: all, or of too many the finds and the
    newest others; finds that would take more than half of the places are drawn at random."""
    if len(pool.labelled) <= _MOST_ANSWERS:
        return np.arange(len(pool.labelled))
    finds, others = np.flatnonzero(pool.is_find), np.flatnonzero(~pool.is_find)
    n_finds = min(len(finds), max(_MOST_ANSWERS // 2, _MOST_ANSWERS - len(others)))
    newest = others[np.argsort(-pool.turns[others], kind="stable")]
    drawn = pool.rng.choice(finds, n_finds, replace=False)
    return np.sort(np.concatenate([drawn, newest[: _MOST_ANSWERS - n_finds]]))


def _predicted(
    process: GaussianProcessRegressor, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) means and standard deviations, noise included."""
    mean, deviation = np.empty(len(values)), np.empty(len(values))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Predicted variances smaller than 0")  # set to 0
        # A row's covariances with all answers are held at once.
        size = max(1, min(_CHUNK, _NUMBERS // len(process.X_train_)))
        for start in range(0, len(values), size):
            part = slice(start, start + size)
            mean[part], deviation[part] = process.predict(values[part], return_std=True)
    return mean, deviation


def _one_after_another(
    process: GaussianProcessRegressor,
    values: np.ndarray,
    mean: np.ndarray,
    draw: Draw,
    pool: Pool,
) -> np.ndarray:
    """The rows of a batch: the best, then the best once its mean was answered, and so on.

    Chosen among the `_BELIEVED` best; where a batch is longer, the others follow by score.
    """
    near = top_draw(pool, draw.scores, _BELIEVED).rows
    n = min(len(draw.rows), len(near))
    covariance = process.predict(values[near], return_cov=True)[1]
    variance = np.diagonal(covariance).copy()
    taken_off = np.zeros((len(near), n))  # a step of the Cholesky factor a row believed
    best = _top(pool)
    chosen: list[int] = []
    for step in range(n):
        deviation = np.sqrt(variance.clip(0))
        scores = log_improvement(mean[near], deviation, best, _TRADE_OFF)
        scores[chosen] = -np.inf
        one = int(scores.argmax())
        column = covariance[:, one] - taken_off[:, :step] @ taken_off[one, :step]
        taken_off[:, step] = column / np.sqrt(max(column[one], 1e-12))
        variance -= taken_off[:, step] ** 2
        best = max(best, float(mean[near[one]]))
        chosen.append(one)
    taken = near[chosen]
    return np.concatenate([taken, draw.rows[~np.isin(draw.rows, taken)]])[: len(draw.rows)]
