"""Portfolio: several samplers side by side, the more often asked the more they lately found.

Thompson's sampling (1933) of Bernoulli arms with discounted counts (Raj & Kalyani 2017, arXiv
1707.09727): the probability of an arm is that of being the best one given its finds and misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.discovery.answered import aimed, one_thread
from core.discovery.learner import Learner, draw_from_pool
from core.discovery.pool import Draw, Pool, drawable_scores
from core.discovery.registry import LEARNERS, SAMPLERS, Need, register_sampler, without_target
from core.discovery.schedule import PATIENCE, n_of_start
from core.discovery.trusting import takes_weights

HALF_LIFE = 60.0
"""Answers after which a find counts half: what an arm is good at changes as a class runs out."""

FLOOR = 0.1
"""Share of the places that all arms get alike, so that none is given up for good."""

PRIOR_STRENGTH = 4.0
"""Places that an arm is thought to have had already, with the finds of all arms together."""

_GRID = 2000


@dataclass(frozen=True)
class Arm:
    """A sampler, and for one that goes by P(target) a learner of its own."""

    sampler: str
    learner: str | None = None

    @property
    def name(self) -> str:
        """As it stands in `Draw.chosen_by`: the sampler, or SAMPLER/LEARNER; followed by the
        target whose turn it was, see `for_target`."""
        return self.sampler if self.learner is None else f"{self.sampler}/{self.learner}"


COLD_ARMS = (Arm("anomaly"), Arm("isolated"), Arm("diverse"))
"""Until the target is seen."""

LATE_ARM = Arm("random")
"""Beside these once they have shown `PATIENCE` objects in vain: what is rare need not be odd."""

ARMS = (
    Arm("most_likely"),
    Arm("most_likely", "kernel"),
    Arm("most_likely", "neighbours"),
    Arm("most_likely", "extra_trees"),
)
"""From then on."""


@register_sampler(
    "portfolio",
    needs=Need.NOTHING,
    description="what several samplers propose, most of all those that lately found most",
)
def portfolio(pool: Pool, n: int) -> Draw:
    """Each place goes to an arm drawn by its probability, which shows its best row not yet shown.

    Score = P(target) once that is known, else the isolation forest's. The probability of a row is
    that of being the one shown at its place, given the places before: the sum over the arms that
    would have shown it.
    """
    late = n_of_start(pool.asked_by) >= PATIENCE
    arms = available_arms(trained=pool.learner is not None, late=late)
    n = min(n, len(pool.unlabelled))
    scores = pool.detected("isolation_forest") if pool.learner is None else pool.chances
    scores = drawable_scores(pool, scores)
    if n == 0:
        return Draw(scores, np.empty(0, dtype=np.int64), np.empty(0), ())
    seeds = pool.rng.integers(2**31, size=len(arms))
    draws = [_asked(pool, arm, n, int(seed)) for arm, seed in zip(arms, seeds, strict=True)]
    chances = arm_probabilities(pool, [arm.name for arm in arms])
    rows, probabilities, chosen = deal(draws, chances, n, pool.rng)
    own = [dict(zip(draw.rows.tolist(), draw.chosen_by or (), strict=False)) for draw in draws]
    names = (
        with_target_of(arms[place].name, own[place].get(row, ""))
        for row, place in zip(rows.tolist(), chosen, strict=True)
    )
    return Draw(scores, rows, probabilities, tuple(names))


def with_target_of(arm: str, asked: str) -> str:
    """An arm's name with the target whose turn it was, where its sampler said one.

    asked : the sampler's own name of the row, see `for_target`
    """
    return arm + asked[len(without_target(asked)) :]


def available_arms(*, trained: bool, late: bool = False) -> tuple[Arm, ...]:
    """The arms whose sampler and learner are registered."""
    cold = (*COLD_ARMS, LATE_ARM) if late else COLD_ARMS
    return tuple(
        arm
        for arm in (ARMS if trained else cold)
        if arm.sampler in SAMPLERS and (arm.learner is None or arm.learner in LEARNERS)
    )


def deaf_arms() -> list[str]:
    """The arms whose learner cannot be told that some answers count less."""
    return [
        arm.name
        for arm in available_arms(trained=True)
        if arm.learner is not None and not takes_weights(LEARNERS[arm.learner].call(0))
    ]


def arm_probabilities(pool: Pool, names: Sequence[str]) -> np.ndarray:
    """(A,) with which probability the next place is an arm's; they add up to 1."""
    age = len(pool.turns) - 1 - pool.turns
    weight = 0.5 ** (age / HALF_LIFE)
    asked_by = np.array([without_target(name) for name in pool.asked_by], dtype=object)
    own = np.array([asked_by == name for name in names], dtype=bool).reshape(len(names), -1)
    tries = (own * weight).sum(axis=1)
    finds = (own * (weight * pool.is_find)).sum(axis=1)
    rate = (finds.sum() + 0.5) / (tries.sum() + 1.0)
    best = best_probabilities(
        PRIOR_STRENGTH * rate + finds, PRIOR_STRENGTH * (1 - rate) + tries - finds
    )
    return FLOOR / len(names) + (1 - FLOOR) * best


def best_probabilities(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A,) probability of each independent Beta(a, b) to be the largest, by quadrature."""
    from scipy.stats import beta

    # Between the quantiles of every arm the grid is dense where any of them has its weight.
    levels = (np.arange(_GRID // len(a)) + 0.5) / (_GRID // len(a))
    arms = list(zip(a.tolist(), b.tolist(), strict=True))
    edges = np.unique(np.concatenate([[0.0, 1.0], *(beta.ppf(levels, *arm) for arm in arms)]))
    cdf = np.array([beta.cdf(edges, *arm) for arm in arms])
    mass = np.diff(cdf, axis=1)
    middle = (cdf[:, 1:] + cdf[:, :-1]) / 2
    share = np.array(
        [(mass[k] * np.delete(middle, k, axis=0).prod(axis=0)).sum() for k in range(len(arms))]
    )
    return share / share.sum()


def deal(
    draws: Sequence[Draw], chances: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """(k,) rows, (k,) probabilities and the arm of each; k = n unless all arms run out of rows.

    draws : one an arm, best row first; chances : (A,) of a place to be an arm's
    """
    lists = [draw.rows.tolist() for draw in draws]
    shown: set[int] = set()
    at = [0] * len(lists)
    rows: list[int] = []
    probabilities: list[float] = []
    chosen: list[int] = []
    for _ in range(n):
        for arm, own in enumerate(lists):
            while at[arm] < len(own) and own[at[arm]] in shown:
                at[arm] += 1
        left = np.array([at[arm] < len(own) for arm, own in enumerate(lists)])
        if not left.any():
            break
        share = np.where(left, chances, 0)
        share /= share.sum()
        arm = int(rng.choice(len(lists), p=share))
        row = lists[arm][at[arm]]
        probabilities.append(
            sum(
                float(share[other] * draws[other].probabilities[at[other]])
                for other, own in enumerate(lists)
                if left[other] and own[at[other]] == row
            )
        )
        rows.append(row)
        chosen.append(arm)
        shown.add(row)
    return np.array(rows, dtype=np.int64), np.array(probabilities), chosen


def _asked(pool: Pool, arm: Arm, n: int, seed: int) -> Draw:
    """What an arm would show; its detector and learner are made where the pool lacks them.

    Of several targets each has its turn by what this arm showed before: by what another arm of
    the same sampler did, one target could be passed over for ever.
    """
    entry = SAMPLERS[arm.sampler]
    its_own = (without_target(name) == arm.name for name in pool.asked_by)
    pool = replace(pool, asked_by=tuple(arm.sampler if one else "" for one in its_own))
    if entry.detector is not None and entry.detector not in pool.detector_scores:
        scores = {**pool.detector_scores, entry.detector: pool.detected(entry.detector)}
        pool = replace(pool, detector_scores=scores)
    if arm.learner is not None and pool.learner is not None:
        estimator = one_thread(aimed(LEARNERS[arm.learner].call, seed, pool.targets))
        learner = Learner(estimator, query_strategy=draw_from_pool)
        # What the pool's own learner was taught: the answers, and what stands in for others.
        weights = pool.learner.weights
        told = (
            {} if weights is None or not takes_weights(estimator) else {"sample_weight": weights}
        )
        # Of wide rows the components, which come first: these are what the arms score.
        taught = pool.learner.X_training[:, : pool.embedding.shape[1]]
        learner.teach(taught, pool.learner.y_training, **told)
        pool = replace(pool, learner=learner)
    return entry.call(pool, n)
