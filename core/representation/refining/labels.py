"""Labels as a network is taught them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALONE = -1
"""The class of what is not pulled to others."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Answered objects of a survey; whatever else there is has no label.

    Attributes
    ----------
    index
        (L,) number of each among the pictures (`PictureSource` counts them).
    classes
        (L,) number of the target class that each was given, `ALONE` for any other class.
    """

    index: NDArray[np.int64]
    classes: NDArray[np.int64]

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """(L,) bool"""
        return np.asarray(self.classes != ALONE)

    @property
    def n_rarer(self) -> int:
        """Of finds and others, how many there are of which there are fewer."""
        n = int(self.is_target.sum())
        return min(n, len(self.index) - n)

    def without(self, out: NDArray[np.bool_]) -> Labels:
        """All but these; out: (L,) bool"""
        return Labels(self.index[~out], self.classes[~out])


@dataclass(frozen=True, eq=False)
class Taught:
    """The labelled objects of one step: (B,) index, and the class of each as in `Labels`."""

    index: Tensor
    classes: Tensor

    @property
    def answers(self) -> Tensor:
        """(B,) 1 for a target, else 0."""
        return (self.classes != ALONE).long()


def drawn(labels: Labels, count: int, key: tuple[int, ...]) -> Taught:
    """Half finds and half others, as AnomalyMatch draws them (Gomez et al. 2025, arXiv
    2505.03509): of a rare class hardly one object a step would come up otherwise.

    Each half goes through its labels by turns; where they are fewer than places, some come twice,
    in other views.

    key: the draw is the same for the same one.
    """
    rng = np.random.default_rng([0x1AB, *key])
    places = []
    for half in (np.flatnonzero(labels.is_target), np.flatnonzero(~labels.is_target)):
        turns = -(-(count // 2) // len(half))
        places.append(np.concatenate([rng.permutation(half) for _ in range(turns)])[: count // 2])
    chosen = np.concatenate(places)
    return Taught(torch.from_numpy(labels.index[chosen]), torch.from_numpy(labels.classes[chosen]))
