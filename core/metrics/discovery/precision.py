"""Precision at each rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.errors import BadInput


def precision_at_ranks(y: ArrayLike, score: ArrayLike) -> np.ndarray:
    """(N,) share of targets among the first 1, 2, ... N objects by descending score.

    y : (N,) 0 or 1; score : (N,) finite. Among objects of one score the order is nobody's choice:
    the value is the mean over all their orders.

    Raises
    ------
    BadInput
        No objects, different lengths, a score that is not finite, other values than 0 and 1.
    """
    truth, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    if truth.ndim != 1 or truth.shape != scores.shape or not len(truth):
        raise BadInput(
            "Precision takes two columns of one length with at least one row, but got shapes"
            f" {truth.shape} and {scores.shape}."
        )
    if not np.isfinite(scores).all() or not np.isin(truth, (0, 1)).all():
        raise BadInput(
            "Precision takes finite scores and a truth of 0 and 1; leave out the rows without."
        )
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    ranks = np.arange(1, len(ranked) + 1)
    # Between the ends of two groups of equal scores hits come, in the mean, at a constant rate.
    hits = np.interp(ranks, np.append(0, last + 1), np.append(0, np.cumsum(truth[order])[last]))
    return np.asarray(hits / ranks)
