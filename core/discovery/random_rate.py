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
    answered: np.ndarray, set_aside: np.ndarray, is_target: np.ndarray, is_control: np.ndarray
) -> RandomRate | None:
    """The rate of targets in the survey, or None where nothing tells it yet: no control was
    answered, or an object that stands before all of them still waits for its answer.

    What was shown as a control is no random sample by itself, for what the search had found
    before is missing from it: the beginning of the order is one, up to the last control before
    the first object that nobody has dealt with. Who found an object of it, and why, is the same.

    Parameters
    ----------
    answered, is_target : (K,) bool, has a class, has the target; of the first K objects of the
        task's fixed random order (`control_order`): all of the survey, or so many that one waits
    set_aside : (K,) bool, skipped, unsure or not to be shown; these are left out
    is_control : (K,) bool, was shown as a control
    """
    waiting = np.flatnonzero(~(answered | set_aside))
    end = len(answered)
    if len(waiting):
        controls = np.flatnonzero((is_control & answered)[: waiting[0]])
        end = int(controls[-1]) + 1 if len(controls) else 0
    n = int(answered[:end].sum())
    if not n:
        return None
    hits = int((is_target & answered)[:end].sum())
    low, high = exact_interval(hits, n)
    return RandomRate(n, hits, hits / n, float(low), float(high))
