"""How much of the truth an embedding carries: held-out scores of simple classifiers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.errors import BadInput
from core.metrics.ranking import average_precision
from core.metrics.representation.tables import unit_rows

KNN = 20
_BLOCK = 1024


def linear_probe_scores(
    values: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    folds: int = 5,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """(N,) P(target) of each row by a logistic regression that did not see it."""
    scores, _fold = _probe(values, y, seed, folds, groups)
    return scores


def linear_probe_ap(
    values: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    folds: int = 5,
    groups: np.ndarray | None = None,
) -> float:
    """Mean over the folds of the average precision of a linear probe.

    The probe is a standardised, class-balanced logistic regression (C = 1); folds are
    stratified by class.

    Parameters
    ----------
    values : (N, D) finite
    y : (N,) bool or 0/1
    groups : (N,) or None; rows of one group (views of one thing) stay in one fold

    Raises
    ------
    BadInput
        Values that are not finite, lengths that differ, fewer of a class than folds.
    """
    scores, fold = _probe(values, y, seed, folds, groups)
    y = np.asarray(y)
    present = [part for part in range(folds) if y[fold == part].any()]
    return float(np.mean([average_precision(y[fold == k], scores[fold == k]) for k in present]))


def knn_scores(
    values: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    folds: int = 5,
    groups: np.ndarray | None = None,
    k: int = KNN,
) -> np.ndarray:
    """(N,) cosine-weighted share of targets among the `k` nearest rows of the other folds.

    Nearest by angle, as neighbours are everywhere in the app; fewer than `k` where a fold leaves
    fewer. Parameters and errors are those of `linear_probe_ap`.
    """
    values, y = _checked(values, y, folds)
    x = unit_rows(values)
    scores = np.zeros(len(y))
    for train, test in _splits(values, y, seed, folds, groups):
        near = min(k, len(train))
        for start in range(0, len(test), _BLOCK):
            rows = test[start : start + _BLOCK]
            cosine = x[rows] @ x[train].T
            found = np.argpartition(-cosine, near - 1, axis=1)[:, :near]
            weight = 1 + np.take_along_axis(cosine, found, 1)  # 0 to 2: never negative
            total = np.maximum(weight.sum(1), 1e-12)
            scores[rows] = (weight * y[train][found]).sum(1) / total
    return scores


def _probe(
    values: np.ndarray, y: np.ndarray, seed: int, folds: int, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) score and (N,) number of the fold in which each row was held out."""
    values, y = _checked(values, y, folds)
    scores, fold = np.zeros(len(y)), np.zeros(len(y), dtype=np.int64)
    for number, (train, test) in enumerate(_splits(values, y, seed, folds, groups)):
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000)
        )
        probe.fit(values[train], y[train])
        scores[test], fold[test] = probe.predict_proba(values[test])[:, 1], number
    return scores, fold


def _checked(values: np.ndarray, y: np.ndarray, folds: int) -> tuple[np.ndarray, np.ndarray]:
    values, y = np.asarray(values, dtype=np.float64), np.asarray(y)
    if values.ndim != 2 or y.shape != values.shape[:1] or not np.isfinite(values).all():
        raise BadInput(
            "A linear probe takes finite values (N, D) and a truth (N,), but got shapes"
            f" {values.shape} and {y.shape}; leave out the masked rows."
        )
    y = y.astype(bool)
    fewest = int(min(y.sum(), (~y).sum()))
    if folds < 2 or fewest < folds:
        raise BadInput(
            f"A linear probe of {folds} folds needs two or more folds and as many rows of each"
            f" class, but one class has {fewest}; use fewer folds or more truth."
        )
    return values, y


def _splits(
    values: np.ndarray, y: np.ndarray, seed: int, folds: int, groups: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to score, a pair a fold."""
    splitter = (
        StratifiedKFold(folds, shuffle=True, random_state=seed)
        if groups is None
        else StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    )
    for train, test in splitter.split(values, y, groups):
        if len(np.unique(y[train])) < 2:
            raise BadInput(
                "All rows of one class are in a single group, so that a probe cannot be held out;"
                " split without groups."
            )
        yield train, test
