"""How rare the target is, from the control sample: what a search at random would find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.metrics.discovery import exact_interval


@dataclass(frozen=True)
class RandomRate:
    """Targets among the first objects of a task's fixed random order.

    Attributes
    ----------
    n, n_targets
        Objects with an answer, and targets among them.
    rate, low, high
        The share of targets with its exact 95 % interval.
    """

    n: int
    n_targets: int
    rate: float
    low: float
    high: float


def random_rate(
    order: np.ndarray,
    answered: np.ndarray,
    set_aside: np.ndarray,
    is_target: np.ndarray,
    is_control: np.ndarray,
) -> RandomRate | None:
    """The rate of targets in the survey, or None before the first control was answered.

    What was shown as a control is no random sample by itself, for what the search had found
    before is missing from it: the beginning of the order is one, up to the last control before
    the first object that nobody has dealt with. Who found an object of it, and why, is the same.

    Parameters
    ----------
    order : (N,) int, the rows in the task's fixed random order (`control_order`)
    answered, is_target : (N,) bool, by row: has a class, has the target
    set_aside : (N,) bool, by row: skipped, unsure or not to be shown; these are left out
    is_control : (N,) bool, by row: was shown as a control
    """
    waiting = np.flatnonzero(~(answered | set_aside)[order])
    whole = not len(waiting)
    begun = order if whole else order[: waiting[0]]
    controls = np.flatnonzero((is_control & answered)[begun])
    if not whole:
        if not len(controls):
            return None
        begun = begun[: controls[-1] + 1]
    sample = begun[answered[begun]]
    if not len(sample):
        return None
    n, hits = len(sample), int(is_target[sample].sum())
    low, high = exact_interval(hits, n)
    return RandomRate(n, hits, hits / n, float(low), float(high))
