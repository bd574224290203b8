"""The control sample: a task's fixed random permutation, shown at even intervals.

What a search finds says nothing about what it missed; the objects of a random permutation do,
one that was answered for another reason counting at no cost.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np


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
