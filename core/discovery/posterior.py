"""What answers leave open about a logistic regression: draws from its Laplace posterior."""

from __future__ import annotations

import numpy as np

from core.discovery.committee import Members, class_logits, side_by_side
from core.discovery.learners.logistic import logistic

_OFFSET_DEVIATION = 10.0
"""Standard deviation of the offsets' prior. The fit leaves them free, which has no posterior."""


def posterior_members(
    values: np.ndarray, answers: np.ndarray, n: int, rng: np.random.Generator
) -> Members:
    """`n` logistic regressions drawn from the posterior that the answers leave.

    Laplace's approximation (MacKay 1992): a Gaussian about the fitted weights w whose precision
    is the curvature of what was fitted, I + C sum_i v_i H_i, with v_i the balanced class weights,
    H_i = (diag(p_i) - p_i p_i') (x) (x_i x_i') and x_i the row with a 1 for the offset. Where no
    answer says anything about a direction, the prior's unit deviation stays: that is what a
    bootstrap, whose members all have weight 0 there, cannot tell.

    Parameters
    ----------
    values : (L, D) float32, the rows answered
    answers : (L,) int, of two classes or more
    n : how many to draw

    Raises
    ------
    ValueError
        Answers of one class.
    """
    if len(np.unique(answers)) < 2:
        raise ValueError("a posterior of the learner takes answers of two classes or more")
    model = logistic(0).fit(values, answers)
    _, number, count = np.unique(answers, return_inverse=True, return_counts=True)
    weight = model.C * len(answers) / (len(count) * count[number])
    design = np.column_stack([values, np.ones(len(values))]).astype(np.float64)  # (L, D + 1)
    chances = model.predict_proba(values).astype(np.float64)
    logits = len(model.coef_)  # two classes have one logit: that of the second against the first
    chances = chances[:, -logits:]
    width = design.shape[1]
    precision = np.zeros((logits, width, logits, width))
    for a in range(logits):
        for b in range(logits):
            curvature = weight * chances[:, a] * ((a == b) - chances[:, b])
            precision[a, :, b] = design.T @ (design * curvature[:, None])
    square = precision.reshape(logits * width, logits * width)
    prior = np.tile(np.append(np.ones(width - 1), _OFFSET_DEVIATION**-2), logits)
    square[np.diag_indices_from(square)] += prior

    mean = np.column_stack([model.coef_, model.intercept_]).ravel()
    # With precision = R R', R'^-1 z has covariance precision^-1.
    root = np.linalg.cholesky(square)
    drawn = mean[:, None] + np.linalg.solve(root.T, rng.standard_normal((len(mean), n)))
    stacks = np.stack([class_logits(one.reshape(logits, width)) for one in drawn.T])  # (n, C, .)
    return side_by_side(stacks[..., :-1], stacks[..., -1])
