"""How clean the rest is when groups of objects are given up, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class GivenUp:
    """Groups given up one after another.

    Attributes
    ----------
    objects
        (G + 1,) how many objects are given up with the first 0, 1, ... G groups.
    artefacts
        (G + 1,) how many artefacts are among them.
    """

    objects: NDArray[np.float64]
    artefacts: NDArray[np.float64]

    def collected(self, n_groups: int) -> float:
        """Share of all artefacts that the worst groups hold."""
        return float(self.artefacts[n_groups] / self.artefacts[-1])

    def share(self, n_groups: int) -> float:
        """Share of all objects that they hold."""
        return float(self.objects[n_groups] / self.objects[-1])

    def lost(self, n_groups: int) -> float:
        """Share of all good objects that they hold."""
        good = self.objects - self.artefacts
        return float(good[n_groups] / good[-1])

    def purity(self, n_groups: int) -> float:
        """Share of good objects among what is kept."""
        return self.purity_at(self.share(n_groups))

    def purity_at(self, share: float) -> float:
        """Share of good objects in the rest when this share (below 1) of all objects is given up:
        whole groups, and of the last one as many as are wanted, drawn at random (the mean)."""
        given = share * self.objects[-1]
        artefacts = float(np.interp(given, self.objects, self.artefacts))
        return float(1 - (self.artefacts[-1] - artefacts) / (self.objects[-1] - given))


def given_up(groups: NDArray[Any], badness: NDArray[Any], artefact: NDArray[np.bool_]) -> GivenUp:
    """Give up groups by their mean badness, the largest first.

    Parameters
    ----------
    groups
        (N,) any whole numbers or truth values; objects that no group has (-1) count as one.
    badness
        (N,) what is known of each object without the truth; more is worse.
    artefact
        (N,) the truth, which only measures.
    """
    _, own = np.unique(groups, return_inverse=True)
    sizes = np.bincount(own)
    mean = np.bincount(own, weights=badness) / sizes
    order = np.argsort(-mean, kind="stable")
    held = np.bincount(own, weights=artefact)
    return GivenUp(
        np.concatenate([[0.0], np.cumsum(sizes[order])]),
        np.concatenate([[0.0], np.cumsum(held[order])]),
    )


def in_worst(groups: NDArray[Any], badness: NDArray[Any], n_groups: int) -> NDArray[np.bool_]:
    """(N,) whether an object is in one of the groups that `given_up` gives up first."""
    _, own = np.unique(groups, return_inverse=True)
    mean = np.bincount(own, weights=badness) / np.bincount(own)
    worst = np.argsort(-mean, kind="stable")[:n_groups]
    return np.isin(own, worst)
