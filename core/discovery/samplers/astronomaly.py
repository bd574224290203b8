"""Astronomaly: the odd first, less so near what was called boring (Lochner & Bassett 2021)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

_TREES = 200
_ALPHA = 1.0
_BEST = 5.0
"""The score that a target is given and the largest there is; every other answer scores 0."""

_CHUNK = 16_384


@register_sampler(
    "astronomaly",
    needs=Need.DETECTOR,
    detector="isolation_forest",
    description="the oddest first, less so near answers that were no target (Astronomaly)",
)
def astronomaly(pool: Pool, n: int) -> Draw:
    """Score = s tanh(exp(alpha d) - 1 + artanh f), alpha = 1 (arXiv 2010.11202).

    s: the isolation forest's score, scaled to 0 to 5 over the survey. f = 0.1 + 0.85 u / 5, where
    u is a random forest's regression of the answers (target 5, any other 0), not below 0.1.
    d: the distance to the nearest answered row, in units of its mean over the survey. Columns
    are the embedding's own, standardised. Without answers the score is s.
    """
    odd = _scaled(pool.detector_scores["isolation_forest"])
    if not len(pool.labelled) or not len(pool.unlabelled):
        return top_draw(pool, odd, n)
    forest = RandomForestRegressor(
        n_estimators=_TREES, random_state=int(pool.rng.integers(2**31)), n_jobs=2
    )
    scores = np.where(pool.is_find, _BEST, 0.0)
    forest.fit(pool.columns[pool.labelled], scores)
    return top_draw(pool, odd * relevance(_predicted(forest, pool.columns), _nearest(pool)), n)


def relevance(predicted: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(N,) factor in (0, 1] from the (N,) scores predicted, 0 to 5, and the (N,) distances to the
    nearest answered row, in any unit."""
    f = 0.1 + 0.85 * np.clip(predicted, 0.1, _BEST) / _BEST
    mean = distance.mean()
    relative = distance / mean if mean > 0 else np.zeros_like(distance)
    # tanh is 1 long before the exponential overflows.
    return np.tanh(np.exp(np.minimum(_ALPHA * relative, 50)) - 1 + np.arctanh(f))


def _scaled(values: np.ndarray) -> np.ndarray:
    """(N,) float64: `values` from 0 to 5; all 5 where they are equal: none is less odd."""
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.full(len(values), _BEST)
    return _BEST * (values.astype(np.float64) - low) / (high - low)


def _predicted(forest: RandomForestRegressor, columns: np.ndarray) -> np.ndarray:
    """(N,) predictions. Rows are shared out among threads, not trees: scikit-learn adds trees up
    in the order in which they end, so that the last digits would differ from run to run."""
    forest.set_params(n_jobs=1)
    parts = [columns[start : start + _CHUNK] for start in range(0, len(columns), _CHUNK)]
    with ThreadPoolExecutor(2) as threads:
        return np.concatenate(list(threads.map(forest.predict, parts)))


def _nearest(pool: Pool) -> np.ndarray:
    """(N,) Euclidean distances to the nearest answered row."""
    import faiss

    index = faiss.IndexFlatL2(pool.columns.shape[1])
    index.add(np.ascontiguousarray(pool.columns[pool.labelled]))
    squared = np.empty(len(pool.columns))
    for start in range(0, len(squared), _CHUNK):
        part = slice(start, start + _CHUNK)
        squared[part] = index.search(np.ascontiguousarray(pool.columns[part]), 1)[0][:, 0]
    # Faiss takes |a|^2 - 2 ab + |b|^2 and so errs around 0, where answered rows lie.
    squared[pool.labelled] = 0
    return np.sqrt(np.maximum(squared, 0))
