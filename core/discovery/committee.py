"""A committee of logistic regressions, and the votes of many linear models in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from modAL.models import Committee
from scipy.special import entr

from core.discovery.learner import Learner, draw_from_pool
from core.discovery.learners.logistic import logistic
from core.discovery.pool import Pool

N_MEMBERS = 10
"""Members of a committee: an even number, so that a vote of two classes can be tied."""

_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class Members:
    """Linear models over the same classes, side by side.

    modAL asks its members one after the other and counts their votes row by row, which takes ten
    times as long at a million rows; here one matrix product serves all members.

    Attributes
    ----------
    weights
        (D, M, C) float32: the logit of class c for member m is `values @ weights[:, m, c]` +
        `offsets[m, c]`.
    offsets
        (M, C) float32.
    """

    weights: np.ndarray
    offsets: np.ndarray

    def probabilities(self, values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Chunks of rows with (n, M, C) float32, each member's P(class).

        values : (N, D) float32
        """
        d, m, c = self.weights.shape
        flat = np.ascontiguousarray(self.weights.reshape(d, m * c))
        for start in range(0, len(values), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(values)))
            logits = (values[part] @ flat).reshape(-1, m, c) + self.offsets
            # Class by class: numpy's reductions over a short last axis are ten times slower.
            top = logits[..., 0].copy()
            for k in range(1, c):
                np.maximum(top, logits[..., k], out=top)
            np.exp(logits - top[..., None], out=logits)
            total = logits[..., 0].copy()
            for k in range(1, c):
                total += logits[..., k]
            logits /= total[..., None]
            yield part, logits


def fit_committee(pool: Pool, n_members: int = N_MEMBERS) -> Committee:
    """modAL's Committee, each member taught a bootstrap of the answers (Abe & Mamitsuka 1998).

    A bootstrap draws from each class as many rows as it has, with replacement: every member
    knows every class seen, also one that was seen once. The members weigh the classes evenly.

    Raises
    ------
    ValueError
        The pool has answers of fewer than two classes.
    """
    if len(np.unique(pool.answers)) < 2:
        raise ValueError("a sampler that asks a committee must need BOTH_CLASSES")
    # By class; within a class the labelled rows stay in ascending order.
    groups = [np.flatnonzero(pool.answers == one) for one in np.unique(pool.answers)]
    members = []
    for _ in range(n_members):
        drawn = np.concatenate([own[pool.rng.integers(0, len(own), len(own))] for own in groups])
        members.append(
            Learner(
                logistic(0),
                query_strategy=draw_from_pool,
                X_training=pool.embedding[pool.labelled[drawn]],
                y_training=pool.answers[drawn],
            )
        )
    return Committee(members)


def stacked(committee: Committee) -> Members:
    """The members of a committee of logistic regressions over the same classes, side by side."""
    models = [learner.estimator for learner in committee]
    return side_by_side(
        np.stack([class_logits(model.coef_) for model in models]),
        np.stack([class_logits(model.intercept_[:, None])[:, 0] for model in models]),
    )


def side_by_side(weights: np.ndarray, offsets: np.ndarray) -> Members:
    """`Members` of (M, C, D) weights and (M, C) offsets."""
    return Members(
        np.ascontiguousarray(weights.transpose(2, 0, 1), dtype=np.float32),
        offsets.astype(np.float32),
    )


def class_logits(coefficients: np.ndarray) -> np.ndarray:
    """(C, D) from scikit-learn's coefficients, which hold one row only where C = 2."""
    if len(coefficients) > 1:
        return coefficients
    return np.vstack([np.zeros_like(coefficients), coefficients])


def entropy_of(probabilities: np.ndarray) -> np.ndarray:
    """(...) -sum_c P(c) ln P(c) of (..., C), in nats."""
    total = entr(probabilities[..., 0])
    for k in range(1, probabilities.shape[-1]):
        total += entr(probabilities[..., k])
    return total
