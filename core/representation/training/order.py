"""Which objects a step takes, and which are never trained on: from the seed alone, so that a run
goes on anywhere without a state."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HELD_OUT_MOST, HELD_OUT_FEWEST, HELD_OUT_SHARE = 512, 20, 0.1
SMALLEST_DIVIDED = 40
"""Surveys with fewer pictures are trained on as a whole."""

_HELD_OUT, _ORDER = 101, 102
"""Numbers that keep the draws of one seed apart."""


def divided(
    count: int, seed: int, groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and indices held out, each ascending.

    A tenth is held out, 20 to 512 objects; none of fewer than 40.

    Parameters
    ----------
    groups
        (count,) which thing each index shows; views of one thing stay together.
    """
    everything = np.arange(count)
    if count < SMALLEST_DIVIDED:
        return everything, everything[:0]
    wanted = min(HELD_OUT_MOST, max(HELD_OUT_FEWEST, round(HELD_OUT_SHARE * count)))
    _, group = np.unique(everything if groups is None else groups, return_inverse=True)
    sizes = np.bincount(group)
    drawn = np.random.default_rng([_HELD_OUT, seed]).permutation(len(sizes))
    # Whole groups as long as they fit; one that holds half the survey is left for training.
    total = np.cumsum(sizes[drawn])
    taken = np.zeros(len(sizes), bool)
    taken[drawn[total <= wanted]] = True
    held = taken[group]
    return everything[~held], everything[held]


class Order:
    """(step, batch) -> (batch,) indices; every index once an epoch, the rest of an epoch that
    fills no batch is left out.

    Parameters
    ----------
    rows
        Ascending indices to train on.
    block
        So many neighbours are drawn together: more than 1 where they are read from disk, whose
        pieces hold several objects.
    """

    def __init__(self, rows: NDArray[np.int64], seed: int, block: int = 1) -> None:
        self.rows, self.seed, self.block = rows, seed, block
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def __call__(self, step: int, batch: int) -> Tensor:
        steps = max(1, len(self.rows) // batch)
        epoch, at = divmod(step, steps)
        return torch.from_numpy(self._order(epoch)[at * batch : (at + 1) * batch])

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng([_ORDER, self.seed, epoch])
            if self.block == 1:
                order = rng.permutation(self.rows)
            else:
                places = range(self.block, len(self.rows), self.block)
                blocks = np.split(self.rows, places)
                order = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
            self._epoch = (epoch, order)
        return self._epoch[1]
