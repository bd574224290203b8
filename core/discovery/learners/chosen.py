"""The learner that ranks held-out answers best; `averaged` unless another is clearly better."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.discovery.answered import (
    NEVER_OUT,
    AnswersClassifier,
    folds_of,
    one_thread,
    out_of_fold,
    target_numbers,
)
from core.discovery.learners.averaged import averaged
from core.discovery.learners.ensemble import ensemble
from core.discovery.learners.extra_trees import N_TREES, extra_trees
from core.discovery.learners.kernel import kernel
from core.discovery.learners.logistic import logistic
from core.discovery.learners.neighbours import neighbours
from core.discovery.registry import LearnerFactory, register_learner
from core.metrics import average_precision

DEFAULT_CHOICE = "averaged"

CANDIDATES: dict[str, LearnerFactory] = {
    DEFAULT_CHOICE: averaged,
    "logistic": logistic,
    "extra_trees": extra_trees,
    "kernel": kernel,
    "neighbours": neighbours,
    "ensemble": ensemble,
}

MEANS: dict[str, tuple[str, ...]] = {
    "ensemble": ("logistic", "extra_trees", "kernel", "neighbours"),
}
"""Candidates that are means of others: their held-out predictions come for nothing."""

FEWEST_TARGETS = 5
N_FOLDS = 4
REPEATS = 2


class Chosen(AnswersClassifier):
    """Compares learners by the average precision of the target among held-out answers, in four
    stratified folds, twice over, every learner on the same folds.

    Another than `averaged` is taken only if its mean gain is above one standard error, reckoned
    for folds that share their answers (Nadeau & Bengio 2003): variance x (1 / number of folds +
    held out / taught). Below five targets, or five others, nothing is compared.

    The answers are all it looks at. They were chosen by a sampler, so that which learner ranks
    the survey best is told only as far as the answers stand for it. What stands in for others
    while these are few counts among them: "others" are then mostly rows that nobody answered.

    Parameters
    ----------
    target : the class to rank by, or several as one; the one with the fewest answers if None

    Attributes
    ----------
    chosen_, reason_
        The name of the learner, and a sentence why.
    precision_
        Name -> mean average precision of held-out answers; empty if nothing was compared.
    """

    def __init__(self, seed: int = 0, target: int | tuple[int, ...] | None = None) -> None:
        self.seed = seed
        self.target = target

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        targets = target_numbers(self.classes_, answers, self.target)
        is_target = np.isin(answers, targets)
        fewer = min(int(is_target.sum()), int((~is_target).sum()))
        self.precision_: dict[str, float] = {}
        if fewer < FEWEST_TARGETS:
            self.chosen_ = DEFAULT_CHOICE
            self.reason_ = (
                f"{DEFAULT_CHOICE}, since comparing learners takes {FEWEST_TARGETS} answers of the"
                f" target and {FEWEST_TARGETS} of others, and there are"
                f" {int(is_target.sum())} and {int((~is_target).sum())}."
            )
        else:
            gained = held_out_precision(X, answers, targets, self.seed)
            self.precision_ = {name: float(values.mean()) for name, values in gained.items()}
            self.chosen_, self.reason_ = choose(gained)
        self.model_ = CANDIDATES[self.chosen_](self.seed).fit(X, answers)

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict_proba(X)


def held_out_precision(
    X: np.ndarray, answers: np.ndarray, targets: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Name -> (folds x repeats,) average precision of `targets` in each fold that holds one.

    targets : (T,) classes, taken as one
    """
    rng = np.random.default_rng(seed)
    layouts = [folds_of(answers, N_FOLDS, rng) for _ in range(REPEATS)]
    score: dict[str, np.ndarray] = {}  # (repeats, L) each
    for name in CANDIDATES:
        if name not in MEANS:
            base = one_thread(_small(CANDIDATES[name](seed)))
            parts = [out_of_fold(base, X, answers, folds)[:, targets] for folds in layouts]
            score[name] = np.array(parts).sum(axis=2)
    for name, members in MEANS.items():
        score[name] = np.mean([score[one] for one in members], axis=0)
    gained: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for repeat, folds in enumerate(layouts):
        for fold in np.unique(folds[folds != NEVER_OUT]):
            out = folds == fold
            wanted = np.isin(answers[out], targets)
            if wanted.any():
                for name, values in gained.items():
                    values.append(average_precision(wanted, score[name][repeat, out]))
    return {name: np.array(values) for name, values in gained.items()}


def _small(estimator: Any) -> Any:
    """With as many trees as the means have: half of what the trees have alone."""
    if "n_estimators" in estimator.get_params():
        return estimator.set_params(n_estimators=N_TREES // 2)
    return estimator


def choose(precision: dict[str, np.ndarray]) -> tuple[str, str]:
    """The name of the best learner and a sentence; the default unless clearly beaten.

    precision : name -> (F,) of the same folds.
    """
    default = precision[DEFAULT_CHOICE]
    best = max(precision, key=lambda name: (precision[name].mean(), name == DEFAULT_CHOICE))
    gain = precision[best] - default
    error = float(np.sqrt(gain.var(ddof=1) * (1 / len(gain) + 1 / (N_FOLDS - 1))))
    said = f"average precision of held-out answers {precision[best].mean():.2f}"
    if best == DEFAULT_CHOICE:
        return best, f"{best}, which ranks best ({said})."
    told = f"against {default.mean():.2f} of {DEFAULT_CHOICE}"
    if gain.mean() <= error:
        return DEFAULT_CHOICE, (
            f"{DEFAULT_CHOICE}, since the gain of {best} is within its error ({said} {told})."
        )
    return best, f"{best}, which ranks clearly better ({said} {told})."


@register_learner("chosen", description="the learner that ranks held-out answers best")
def chosen(seed: int) -> Any:
    """See `Chosen`."""
    return Chosen(seed)
