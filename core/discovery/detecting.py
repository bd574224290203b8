"""What detectors share: learning from a sample, scoring in chunks, scoring altered rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.discovery.registry import Detector, register_detector

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`scorer(values (Q, D) float32, own (Q,) int) -> (Q,) float32`: the score of rows like those of
the survey. `own` is the row of the survey that each is, or is a version of, -1 for none: a
detector that asks for neighbours leaves that one out."""

Fit = Callable[[np.ndarray, int], Scorer]
"""`fit(values (N, D) float32, seed)`: learn what is usual in a survey."""

FITTED: dict[str, Fit] = {}
"""Name -> fit, of the detectors whose scores are also to be had for rows the survey lacks."""

CHUNK = 65_536


def register_fitted_detector(name: str, *, description: str) -> Callable[[Fit], Fit]:
    """Register a detector given as `fit`: it learns from the survey, then scores all of it."""

    def register(fit: Fit) -> Fit:
        register_detector(name, description=description)(_detector(fit))
        FITTED[name] = fit
        return fit

    return register


def _detector(fit: Fit) -> Detector:
    def detector(values: np.ndarray, unseen: np.ndarray, seed: int) -> np.ndarray:  # noqa: ARG001
        return score_in_chunks(fit(values, seed), values)

    return detector


def score_in_chunks(
    scorer: Scorer, values: np.ndarray, rows: np.ndarray | None = None
) -> np.ndarray:
    """(R,) float32: the scores of a survey's own rows (R,), all of them if None."""
    own = np.arange(len(values)) if rows is None else rows
    scores = np.empty(len(own), dtype=np.float32)
    for start in range(0, len(own), CHUNK):
        part = slice(start, start + CHUNK)
        scores[part] = scorer(values[own[part]], own[part])
    return scores


def sample_rows(n: int, most: int, seed: int) -> np.ndarray:
    """(min(n, most),) ascending rows, drawn with `seed`; all of them if they are no more."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


class SampleNeighbours:
    """Exact neighbours (Euclidean, faiss) among a sample of the survey.

    Parameters
    ----------
    values : (N, D) float32
    rows : (M,) ascending rows of the sample
    """

    def __init__(self, values: np.ndarray, rows: np.ndarray) -> None:
        self._rows = rows
        self._points = np.ascontiguousarray(values[rows], dtype=np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, values: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(Q, k) places in the sample and (Q, k) distances, nearest first; never the row `own`
        itself. k is at most M - 1."""
        import faiss

        squared, places = faiss.knn(
            np.ascontiguousarray(values, dtype=np.float32), self._points, k + 1
        )
        # Itself, or the farthest: one of k + 1 goes.
        drop = self._rows[places] == own[:, None]
        drop[~drop.any(axis=1), -1] = True
        shape = (len(values), k)
        return places[~drop].reshape(shape), np.sqrt(np.maximum(squared[~drop], 0)).reshape(shape)
