"""Groups of alike objects in an embedding: k-means, HDBSCAN, a mixture of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from core.errors import BadInput
from core.mapping.groups_fitting import Fit, by_density, by_k_means, by_mixture
from core.mapping.groups_number import propose_k
from core.mapping.groups_space import Space, prepared_space
from core.progress import Progress, part_of, silent

__all__ = [
    "FEWEST",
    "HDBSCAN",
    "KMEANS",
    "METHODS",
    "MIXTURE",
    "MOST_GAUSSIANS",
    "MOST_GROUPS",
    "Grouping",
    "group",
]

KMEANS, HDBSCAN, MIXTURE = "kmeans", "hdbscan", "mixture"
METHODS = {
    KMEANS: "K groups, every object in the one whose centre is nearest (Lloyd 1982)",
    HDBSCAN: "as many groups as there are dense places, what lies between them in none (Campello,"
    " Moulavi & Sander 2013)",
    MIXTURE: "K Gaussians of any width and tilt, every object in the most probable one",
}

FEWEST, MOST_GROUPS, MOST_GAUSSIANS = 4, 1_000, 100
"""Objects that can be told into groups at all; groups that anybody would look at; Gaussians, each
of which takes as long as many centres."""
SEEDS = 2**32
"""How many seeds there are."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which object is in which group.

    Attributes
    ----------
    method
        One of `METHODS`.
    groups
        (N,) int32: 0 for the largest group, 1 for the next; -1 where the encoder saw nothing,
        and for what HDBSCAN puts in no group.
    distances
        (N,) float32 to the centre of the own group, NaN where that is -1: for a mixture in the
        widths of its Gaussian (Mahalanobis), else Euclidean in the space that was grouped.
    n_groups
        How many there are.
    note
        Sentences: what was done about size, noise, unseen objects; "" if nothing.
    """

    method: str
    groups: np.ndarray
    distances: np.ndarray
    n_groups: int
    note: str


def group(
    values: np.ndarray,
    *,
    method: str = KMEANS,
    k: int | None = 8,
    seed: int = 0,
    unseen: np.ndarray | None = None,
    standardise: bool = False,
    min_size: int | None = None,
    progress: Progress = silent,
) -> Grouping:
    """Tell the rows of an embedding into groups; the same seed gives the same groups.

    Columns are weighed as they come, as on the map. Values farther than ten widths (that of their
    column or of the median column, whichever is wider) from the median of their column are drawn
    in to there, lest a single wild one be a group.

    Parameters
    ----------
    values
        (N, D) numbers; may be memory-mapped float16, of which no copy is made.
    method
        One of `METHODS`. HDBSCAN works on the leading 10 principal components, a mixture on 20.
    k
        How many groups, 2 to N (1,000 at most, of a mixture 100); None proposes a number
        (`propose_k`). HDBSCAN finds its own.
    unseen
        (N,) bool: rows of which the encoder saw nothing; rows that are not finite count as such.
    standardise
        Give every column the same weight first.
    min_size
        Fewest objects in a group of HDBSCAN; by default a five-hundredth of all, at least 5.

    Raises
    ------
    BadInput
        Not a table, no such method, a K, size or seed that cannot be, too few rows, rows that are
        all alike; HDBSCAN finds more than 1,000 groups.
    """
    values, seen = _checked(values, unseen)
    n = int(seen.sum())
    if method not in METHODS:
        raise BadInput(
            f"Groups are made by {', '.join(METHODS)}, but {str(method)[:40]!r} was asked for;"
            " choose one of them."
        )
    if not 0 <= seed < SEEDS:
        raise BadInput(
            f"A seed is zero or more and below {SEEDS:,}, but is {seed}; choose another."
        )
    if n < FEWEST:
        raise BadInput(
            f"Groups need {FEWEST} objects with an embedding or more, but there are {n}; embed"
            " more of them."
        )
    most = min(n, MOST_GAUSSIANS if method == MIXTURE else MOST_GROUPS)
    if method != HDBSCAN and k is not None and not 2 <= k <= most:
        why = ", the number of objects with an embedding" if most == n else ""
        raise BadInput(
            f"The number of groups is 2 to {most:,}{why}, but is {k:,}; choose another."
        )
    if method != HDBSCAN and min_size is not None:
        raise BadInput(
            f"Only {HDBSCAN} knows a smallest size, and {method} was asked for; leave the size"
            " (--min-size) out, or choose that method."
        )
    if method == HDBSCAN and min_size is not None and not 2 <= min_size <= n // 2:
        raise BadInput(
            f"The smallest group has 2 to {n // 2:,} objects, half of those with an embedding, but"
            f" {min_size:,} was asked for; choose another."
        )
    # One thread: sums of several end in any order, and a seed would not repeat.
    with threadpool_limits(1):
        space = prepared_space(values, seen, seed, standardise=standardise)
        if space.n_columns == 0:
            raise BadInput(
                f"All {n:,} objects have the same embedding, so that there are no groups in it;"
                " choose another embedding."
            )
        fitted = _fitted(space, method, k, seed, min_size, part_of(progress, 0.05, 1.0))
    groups = np.full(len(values), -1, np.int32)
    distances = np.full(len(values), np.nan, np.float32)
    groups[seen], n_groups = _by_size(fitted.groups)
    if n_groups > MOST_GROUPS:
        raise BadInput(
            f"There are {n_groups:,} dense places, but {MOST_GROUPS:,} groups are as many as"
            " anybody looks at; raise the smallest size of a group (--min-size)."
        )
    distances[seen] = np.where(fitted.groups >= 0, fitted.distances, np.nan)
    notes = [*_of_the_unseen(len(values), n), *space.notes, *fitted.notes]
    progress(1.0, f"{n_groups:,} groups")
    return Grouping(method, groups, distances, n_groups, " ".join(notes))


def _fitted(
    space: Space, method: str, k: int | None, seed: int, min_size: int | None, progress: Progress
) -> Fit:
    if method == HDBSCAN:
        return by_density(space, min_size, seed, progress)
    notes: list[str] = []
    if k is None:
        proposed = propose_k(space.sample(), seed=seed, progress=part_of(progress, 0.0, 0.3))
        k, notes = proposed.k, [proposed.sentence]
        progress = part_of(progress, 0.3, 1.0)
    make = by_k_means if method == KMEANS else by_mixture
    fitted = make(space, k, seed, progress)
    return replace(fitted, notes=[*notes, *fitted.notes])


def _checked(values: np.ndarray, unseen: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The table, and (N,) bool: the rows that were seen and are finite."""
    from core.mapping.pca import unmasked

    table = np.asanyarray(values)
    mask = np.ones(table.shape[:1], bool) if unseen is None else ~np.asarray(unseen, bool)
    return unmasked(table, mask)


def _by_size(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """(M,) int32 with 0 for the largest group (of equals the one that comes first), and how many
    there are; -1 stays."""
    grouped = groups >= 0
    names, first, own, counts = np.unique(
        groups[grouped], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    ordered = np.full(len(groups), -1, np.int32)
    ordered[grouped] = place[own]
    return ordered, len(names)


def _of_the_unseen(n_all: int, n: int) -> list[str]:
    if n == n_all:
        return []
    have = "object has" if n_all - n == 1 else "objects have"
    return [f"{n_all - n:,} {have} no embedding and no group."]
