"""The control sample: a task's fixed random permutation, shown at even intervals.

What a search finds says nothing about what it missed; the objects of a random permutation do,
one that was answered for another reason counting at no cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction

import numpy as np

from core.config import STRATIFIED, LoopConfig
from core.discovery.prepare import chunks
from core.discovery.strata import strata
from core.vocabulary import CONTROL_SAMPLER


def control_order(seed: int, n: int) -> np.ndarray:
    """(n,) int: the permutation of rows that (seed, n) fixes."""
    return np.random.default_rng([seed, n, 0xC0]).permutation(n)


def is_control_position(position: int, share: float) -> bool:
    """Whether the `position`-th object of a task (from 0) comes from the control sample.

    Every 1/share-th does, evenly. Counted from the first answer of the task, not from the head
    of a queue: a queue is replaced before anyone reaches its twentieth object.
    """
    exact = Fraction(share).limit_denominator(10_000)
    return int((position + 1) * exact) > int(position * exact)


def n_controls_before(position: int, share: float) -> int:
    """How many of the first `position` objects of a task are controls."""
    return int(position * Fraction(share).limit_denominator(10_000))


def open_controls(order: np.ndarray, open_rows: np.ndarray) -> Iterator[int]:
    """The open rows in the `order` (N,) of the control sample."""
    is_open = np.zeros(len(order), dtype=bool)
    is_open[open_rows] = True
    for part in chunks(len(order)):
        yield from order[part][is_open[order[part]]].tolist()


class UniformControls:
    """The next of the fixed random order at each place."""

    name = CONTROL_SAMPLER

    def __init__(self, order: np.ndarray, open_rows: np.ndarray) -> None:
        self._left, self._n = open_controls(order, open_rows), len(open_rows)

    def draw(self, position: int, used: Collection[int]) -> tuple[int, float]:  # noqa: ARG002
        """As `StratifiedControls.draw`; places are asked for in their order."""
        return next(row for row in self._left if row not in used), 1 / (self._n - len(used))


class StratifiedControls:
    """Controls from all heights of a ranking, instead of those from the fixed order.

    At its place one stratum of `core.discovery.strata` is drawn, all that have a row left alike,
    and one of its rows left. So the 32 highest are met thousands of times more often than as many
    of the bulk, and each row still stands for as many as it should: with its probability p, y / p
    of one draw estimates the sum of y over all rows left at that place without bias (Hansen &
    Hurwitz 1943).

    Parameters
    ----------
    open_rows : (U,) rows that may be shown
    scores : (N,) what ranks the survey, higher = likelier a target
    seed : with the place in the task it decides what is drawn
    """

    name = STRATIFIED

    def __init__(self, open_rows: np.ndarray, scores: np.ndarray, seed: int) -> None:
        stratum = strata(scores[open_rows])
        order = np.argsort(stratum, kind="stable")
        edges = np.cumsum(np.bincount(stratum, minlength=1))[:-1]
        self._members = np.split(open_rows[order], edges)
        self._of = np.zeros(len(scores), dtype=np.int8)
        self._of[open_rows] = stratum
        self._seed = seed

    def draw(self, position: int, used: Collection[int]) -> tuple[int, float]:
        """A row that is not among `used`, for the `position`-th object of the task, and with which
        probability it came, given that these, open ones all, are used."""
        rng = np.random.default_rng([self._seed, position, 0xC1])
        sizes = np.array([len(members) for members in self._members])
        gone = self._of[np.fromiter(used, dtype=np.int64, count=len(used))]
        left = sizes - np.bincount(gone, minlength=len(sizes))
        open_strata = np.flatnonzero(left)
        at = int(rng.choice(open_strata))
        members = self._members[at]
        row = int(members[rng.integers(len(members))])
        while row in used:
            row = int(members[rng.integers(len(members))])
        return row, 1 / (len(open_strata) * int(left[at]))


def controls_of(
    config: LoopConfig, order: np.ndarray, open_rows: np.ndarray, scores: np.ndarray
) -> UniformControls | StratifiedControls:
    """The controls of a strategy; parameters as theirs."""
    if config.control == STRATIFIED and config.control_share and len(open_rows):
        return StratifiedControls(open_rows, scores, config.seed)
    return UniformControls(order, open_rows)
