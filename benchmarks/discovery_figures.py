"""What searches found, in tables and sentences; see `benchmarks.discovery`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLED = 2000
LEAST_SHARE = 0.95
"""Of the area of a set's best peer, below which a set counts as lost."""

Areas = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Set -> search -> (S,) area of each start."""


@dataclass(frozen=True)
class Compared:
    """The mean shortfall (1 - area) of one search beside that of the best single peer.

    Attributes
    ----------
    peer
        The peer whose mean shortfall over the sets is the smallest.
    ours, theirs
        The two mean shortfalls.
    low, high
        95 % bootstrap interval of `ours / theirs`.
    best
        Set -> that set's own best peer.
    share
        Set -> our mean area by that of the set's best peer.
    """

    peer: str
    ours: float
    theirs: float
    low: float
    high: float
    best: Mapping[str, str]
    share: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """Below 1 where we fall less short."""
        return self.ours / self.theirs

    def sentences(self, ours: str) -> list[str]:
        """The comparison in words."""
        lost = [name for name, share in self.share.items() if share < LEAST_SHARE]
        told = f"On {', '.join(lost)}" if lost else "On no set"
        return [
            f"{ours}: mean shortfall {self.ours:.3f}; the best single peer's ({self.peer}) is"
            f" {self.theirs:.3f}; ratio {self.ratio:.2f} ({self.low:.2f} to {self.high:.2f}).",
            f"{told} its area is below {LEAST_SHARE} of that of the set's best peer.",
        ]


def compared(areas: Areas, ours: str, peers: Sequence[str], seed: int = 0) -> Compared:
    """`ours` beside `peers`, each set counting alike.

    Two searches with different numbers of starts are compared on the first ones, which both have.
    The bootstrap is paired: a draw takes sets, and of each of them starts, for both searches
    alike. The best peer is chosen once, by all starts, which makes it look slightly better than
    it is.
    """
    names = list(areas)
    short = {one: float(np.mean([1 - areas[name][one].mean() for name in names])) for one in peers}
    peer = min(short, key=lambda one: short[one])
    both = [1 - _paired(areas[name], ours, peer) for name in names]
    rng = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLED)
    for draw in range(RESAMPLED):
        total = np.zeros(2)
        for index in rng.integers(len(names), size=len(names)):
            pair = both[index]
            total += pair[:, rng.integers(pair.shape[1], size=pair.shape[1])].mean(axis=1)
        ratios[draw] = total[0] / max(total[1], 1e-9)
    low, high = np.percentile(ratios, [2.5, 97.5])
    best = {name: max(peers, key=lambda one: areas[name][one].mean()) for name in names}
    shares = {}
    for name in names:
        own, other = _paired(areas[name], ours, best[name]).mean(axis=1)
        shares[name] = float(own / max(1e-9, other))
    mean = np.mean([pair.mean(axis=1) for pair in both], axis=0)
    return Compared(peer, float(mean[0]), float(mean[1]), float(low), float(high), best, shares)


def _paired(found: Mapping[str, NDArray[np.float64]], one: str, other: str) -> NDArray[np.float64]:
    """(2, S) areas of two searches from the starts that both have."""
    starts = min(len(found[one]), len(found[other]))
    return np.stack([found[one][:starts], found[other][:starts]])


def chance_area(n_targets: int, n_objects: int, budget: int) -> float:
    """The area expected of answers given to objects at random."""
    answers = np.arange(1, min(budget, n_objects) + 1)
    return float((answers * n_targets / n_objects).sum() / np.minimum(answers, n_targets).sum())


def area_rows(
    areas: Areas, sizes: Mapping[str, tuple[int, int]], budget: int, searches: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a table with a set a row: mean / worst area of every search.

    sizes : set -> (targets, objects)
    """
    columns = ["set", "targets", "objects", *searches, "chance"]
    rows: list[list[Any]] = []
    for name, found in areas.items():
        cells = [
            f"{found[one].mean():.2f} / {found[one].min():.2f}" if one in found else ""
            for one in searches
        ]
        rows.append([name, *sizes[name], *cells, f"{chance_area(*sizes[name], budget):.2f}"])
    means = [
        f"{np.mean([found[one].mean() for found in areas.values()]):.3f}"
        if all(one in found for found in areas.values())
        else ""
        for one in searches
    ]
    chance = np.mean([chance_area(*sizes[name], budget) for name in areas])
    rows.append(["mean", "", "", *means, f"{chance:.3f}"])
    return columns, rows
