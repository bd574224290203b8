"""Pools made by hand for the tests of samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from core.discovery import DETECTORS, Learner, Pool
from core.discovery.learner import draw_from_pool
from core.discovery.learners.logistic import logistic


class FixedLearner:
    """Stands in for a trained learner: the probabilities are given."""

    def __init__(self, probabilities):
        self.probabilities = probabilities

    def class_probabilities(self, values, n_classes):
        assert self.probabilities.shape == (len(values), n_classes)
        return self.probabilities


def make_pool(
    n=40,
    n_classes=3,
    seed=0,
    unlabelled=None,
    detectors: Sequence[str] = (),
    *,
    values=None,
    answers=None,
    learner="fixed",
    scores: Mapping[str, np.ndarray] | None = None,
):
    """A pool of class 1 as target: every row that is not in `unlabelled` is answered.

    values: (N, D), else `n` rows of five normal numbers. answers: the classes of the answered
    rows, else each in turn. learner: "fixed" (random probabilities), "taught" (a logistic
    regression that learnt the answers) or None. scores: (N,) by detector, beside those run.
    """
    rng = np.random.default_rng(seed)
    given = rng.normal(size=(n, 5)) if values is None else values
    values = np.asarray(given, dtype=np.float32)
    n = len(values)
    probabilities = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    rows = np.arange(n) if unlabelled is None else np.asarray(unlabelled)
    labelled = np.setdiff1d(np.arange(n), rows)
    answered = np.asarray(np.arange(len(labelled)) % n_classes if answers is None else answers)
    one = None
    if learner == "fixed":
        one = cast(Learner, FixedLearner(probabilities))
    elif learner == "taught":
        one = Learner(logistic(0), query_strategy=draw_from_pool)
        one.teach(values[labelled], answered)
    return Pool(
        embedding=values,
        mask=np.ones(n, bool),
        unlabelled=rows,
        labelled=labelled,
        answers=answered,
        classes=tuple("abcdefgh"[:n_classes]),
        target=1,
        learner=one,
        detector_scores={
            **{name: DETECTORS[name].call(values, np.zeros(n, bool), seed) for name in detectors},
            **(scores or {}),
        },
        budget=None,
        rng=np.random.default_rng(seed),
        turns=np.arange(len(labelled)),
        asked_by=("",) * len(labelled),
        standardised=lambda: values,
    )
