"""How the answers are taught: with rows that stand in for what nobody answered yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.discovery.pool import any_of
from core.discovery.trusting import Trusted

if TYPE_CHECKING:
    from core.discovery.learner import Learner
    from core.discovery.wide import Wide

STAND_INS = 100
"""Other answers that a model is taught at least. As long as there are fewer, unanswered rows at
random stand in for them, as in AutoTAR (Cormack & Grossman 2015, arXiv 1504.06868): of a rare
target hardly one of them is, and the first answers, all of them odd, say little of the usual."""

LEAST_PER_STAND_IN = 20
"""Of a survey of fewer than 2,000, one row in so many stands in at most."""

TAKEN_BACK = 0.1
"""Share of the stand-ins that are taken back: those that the model, taught with all of them, takes
for targets most. Where a target is not so rare some of them are, and would teach the contrary."""


def teach(
    learner: Learner,
    values: np.ndarray | Wide,
    labelled: np.ndarray,
    answers: np.ndarray,
    open_rows: np.ndarray,
    targets: tuple[int, ...],
    n_classes: int,
    trusted: Trusted,
    seed: int,
    *,
    n_survey: int,
    take_back: bool,
) -> int:
    """Teach the answers and, while others than the target are few, unanswered rows at random in
    their place; returns how many of these.

    Parameters
    ----------
    values : (N, D) what the learner sees of every row
    labelled, answers : (L,) the answered rows and their class numbers
    open_rows : (U,) those that may stand in
    targets : class numbers of what is looked for
    n_survey : objects of the survey; below them may stand what is known from elsewhere
    take_back : whether the likeliest of the stand-ins are left out again (`TAKEN_BACK`)
    """
    others = answers[~np.isin(answers, targets)]
    wanted = min(STAND_INS, n_survey // LEAST_PER_STAND_IN) - len(others)
    n = min(max(wanted, 0 if len(others) else 1), len(open_rows))
    rng = np.random.default_rng([seed, len(labelled), 0xD0])
    rows = np.sort(rng.choice(open_rows, n, replace=False))
    if len(others):
        # As the answered ones are mixed, so that they do not shift P(class) among them.
        classes = rng.choice(others, n)
    else:
        classes = np.full(n, next(k for k in range(n_classes) if k not in targets))
    seen = values[np.concatenate([labelled, rows])]
    named = np.concatenate([answers, classes])
    learner.teach(seen, named, **trusted.told(n))
    n_back = round(TAKEN_BACK * n) if take_back else 0
    if not n_back:
        return n
    told = learner.predict_proba(seen[len(labelled) :])
    chances = any_of(_by_class(told, learner.estimator.classes_, n_classes), targets)
    stay = np.sort(np.argsort(chances, kind="stable")[: n - n_back])
    kept = np.concatenate([np.arange(len(labelled)), len(labelled) + stay])
    learner.fit(seen[kept], named[kept], **trusted.told(len(stay)))
    return len(stay)


def _by_class(told: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    """(n, C) of (n, K), the K classes that were taught in their places."""
    found = np.zeros((len(told), n_classes), dtype=np.float32)
    found[:, np.asarray(classes, dtype=np.intp)] = told
    return found
