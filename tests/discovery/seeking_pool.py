"""A pool of any rows and answers, for the samplers that look for targets."""

from __future__ import annotations

from typing import cast

import numpy as np

from core.discovery import Learner, Pool
from core.discovery.prepare import standardise, whiten


class FixedLearner:
    """Stands in for a trained learner: P(target) is given."""

    def __init__(self, chance):
        self.chance = np.asarray(chance, np.float32)

    def class_probabilities(self, values, n_classes):
        return np.column_stack([1 - self.chance, self.chance])


def seeking_pool(
    values, answers, *, aside=(), budget=None, seed=0, learner=None, as_they_are=False
):
    """answers: row -> whether it was a target. aside: rows neither answered nor drawable.

    as_they_are: the samplers see `values` themselves rather than standardised or whitened.
    """
    values = np.asarray(values, np.float32)
    n = len(values)
    rows = np.array(sorted(answers), dtype=np.int64)
    columns, unseen = standardise(values, np.ones(n, bool))
    embedding = whiten(columns, unseen)
    if as_they_are:
        columns = embedding = values
    return Pool(
        embedding=embedding,
        mask=np.ones(n, bool),
        unlabelled=np.setdiff1d(np.arange(n), [*answers, *aside]).astype(np.int64),
        labelled=rows,
        answers=np.array([int(answers[row]) for row in rows.tolist()], dtype=np.int64),
        classes=("other", "target"),
        target=1,
        learner=cast(Learner, learner),
        detector_scores={
            # Any numbers will do, and a forest for each pool would take seconds.
            "isolation_forest": np.abs(columns).sum(axis=1)
        },
        budget=budget,
        rng=np.random.default_rng(seed),
        turns=np.arange(len(rows)),
        asked_by=("",) * len(rows),
        standardised=lambda: columns,
    )
