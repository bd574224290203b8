"""The ways to find groups: k-means, HDBSCAN and a mixture of Gaussians."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from core.mapping.groups_space import Space
from core.progress import Progress

__all__ = ["Fit", "by_density", "by_k_means", "by_mixture"]

_STARTS, _MIXTURE_STARTS = 4, 3
_TURNS, _ROUNDS_A_TURN = 10, 10
"""Of a mixture at most, and the rounds of expectation and maximisation in each."""
_ROUNDS = 10
"""Passes over all rows after the centres were found on a sample."""

DENSITY_COMPONENTS, DENSITY_SAMPLE = 10, 20_000
"""In many dimensions all objects lie about equally far from one another, and no place is dense;
time grows with the square of the rows."""
_SMALLEST_SHARE, _SMALLEST = 0.002, 5
"""A hundredth found nothing among 4,000 simulated galaxies; this found their 13 bleeding stars."""
_NEAR = 5
"""Neighbours whose distance tells how dense a place is."""

MIXTURE_COMPONENTS, MIXTURE_SAMPLE = 20, 50_000
_ROWS_A_COMPONENT = 5
"""A Gaussian needs so many objects for each of its dimensions, or it collapses onto a few."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Of M rows.

    Attributes
    ----------
    groups
        (M,) int, in any order; -1 for none.
    distances
        (M,) float32 to the centre of the own group; anything where there is none.
    notes
        Sentences on what was done.
    """

    groups: np.ndarray
    distances: np.ndarray
    notes: list[str] = field(default_factory=list)


def by_k_means(space: Space, k: int, seed: int, progress: Progress) -> Fit:
    """k-means (Lloyd 1982), the best of four seedings by k-means++; of more rows than are sampled
    the centres of the sample are moved on over all of them."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points, rng = space.sample(), np.random.RandomState(seed)
    found = []
    with warnings.catch_warnings():
        # Fewer different rows than groups: told below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for start in range(_STARTS):
            # Asked between the fits whether the job shall stop.
            progress(0.3 * start / _STARTS, f"finding {k:,} groups")
            found.append(KMeans(k, n_init=1, random_state=rng).fit(points))
    model = min(found, key=lambda one: one.inertia_)
    centres = np.asarray(model.cluster_centers_, np.float32)
    notes = []
    if len(space.sampled) < len(space):
        centres = _moved_on(space, centres, progress)
        notes.append(
            f"Centres were found on {len(space.sampled):,} objects and moved on over all"
            f" {len(space):,}."
        )
    groups, distances = _nearest(space, centres)
    n_found = len(np.unique(groups))
    if n_found < k:
        notes.append(
            f"{n_found:,} groups instead of {k:,}, since no more different objects were found."
        )
    return Fit(groups, distances, notes)


def by_density(space: Space, min_size: int | None, seed: int, progress: Progress) -> Fit:
    """HDBSCAN (Campello, Moulavi & Sander 2013) of scikit-learn, on principal components; rows
    that are not sampled go where the nearest sampled one went."""
    from sklearn.cluster import HDBSCAN

    notes = []
    if space.n_columns > DENSITY_COMPONENTS:
        space = space.turned(DENSITY_COMPONENTS)
        notes.append(
            f"Dense places were looked for in the leading {DENSITY_COMPONENTS} principal"
            " components."
        )
    thinned = space.thinned(DENSITY_SAMPLE, seed)
    points = thinned.sample()
    share = len(points) / len(space)
    if min_size is None:
        size = max(_SMALLEST, round(_SMALLEST_SHARE * len(points)))
    else:
        size = max(2, round(min_size * share))
    size = min(size, max(2, len(points) // 2))
    progress(0.0, f"looking for dense places among {len(points):,} objects")
    near = min(_NEAR, size, len(points))
    model = HDBSCAN(min_cluster_size=size, min_samples=near, copy=True)
    labels = np.asarray(model.fit_predict(points), np.int64)
    groups = labels
    if len(points) < len(space):
        progress(0.6, "placing the other objects")
        groups = _like_the_nearest(space, points, labels)
        groups[thinned.sampled] = labels
        notes.append(
            f"Groups were found on {len(points):,} objects; the other"
            f" {len(space) - len(points):,} went where the nearest of these did."
        )
    n_none = int((groups < 0).sum())
    if n_none == len(groups):
        notes = [
            f"No place is dense enough for a group of {round(size / share):,} objects; allow"
            " smaller groups, or use K-means."
        ]
    elif n_none:
        notes.append(f"{n_none:,} objects lie between the groups and are in none.")
    return Fit(groups, _to_own_mean(space, groups), notes)


def by_mixture(space: Space, k: int, seed: int, progress: Progress) -> Fit:
    """A mixture of k Gaussians with full covariances, by expectation maximisation (Dempster,
    Laird & Rubin 1977), on principal components."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    notes = []
    n_components = min(MIXTURE_COMPONENTS, max(1, len(space.sampled) // (_ROWS_A_COMPONENT * k)))
    if space.n_columns > n_components:
        notes.append(
            f"Gaussians were fitted to the leading {n_components} principal"
            f" component{'s' * (n_components != 1)}."
        )
    # Gaussians are the same whatever the axes are scaled by, but seeds are not: of long groups
    # beside each other k-means would cut all across.
    space = space.turned(n_components, whitened=True).thinned(MIXTURE_SAMPLE, seed)
    if len(space.sampled) < len(space):
        notes.append(f"They were fitted to {len(space.sampled):,} of {len(space):,} objects.")
    points = space.sample().astype(np.float64)
    rng = np.random.RandomState(seed)
    found = []
    with warnings.catch_warnings():
        # Seeds may be fewer than asked for, or a hundred rounds too few: both are told.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for start in range(_MIXTURE_STARTS):
            one = GaussianMixture(
                k, random_state=rng, reg_covar=1e-4, max_iter=_ROUNDS_A_TURN, warm_start=True
            )
            for turn in range(_TURNS):
                # Asked between a few rounds whether the job shall stop.
                done = (start + turn / _TURNS) / _MIXTURE_STARTS
                progress(0.7 * done, f"fitting {k:,} Gaussians to {len(points):,} objects")
                if one.fit(points).converged_:
                    break
            found.append(one)
    model = max(found, key=lambda one: one.lower_bound_)
    if not model.converged_:
        notes.append(f"The fit was still moving after {_TURNS * _ROUNDS_A_TURN} rounds.")
    progress(0.7, "placing all objects")
    groups = np.empty(len(space), np.int64)
    distances = np.empty(len(space), np.float32)
    for part, block in space.blocks():
        own = model.predict(block.astype(np.float64))
        away = block - model.means_[own]
        white = np.einsum("ij,ijk->ik", away, model.precisions_cholesky_[own])
        groups[part], distances[part] = own, np.linalg.norm(white, axis=1)
    n_found = len(np.unique(groups))
    if n_found < k:
        notes.append(f"{k - n_found:,} of the {k:,} Gaussians are the most probable of no object.")
    return Fit(groups, distances, notes)


def _moved_on(space: Space, centres: np.ndarray, progress: Progress) -> np.ndarray:
    """The centres after some of Lloyd's rounds over all rows; one without rows stays."""
    for round_ in range(_ROUNDS):
        progress(0.3 + 0.6 * round_ / _ROUNDS, "moving the centres on")
        sums = np.zeros(centres.shape)
        counts = np.zeros(len(centres))
        for _, block in space.blocks():
            own = _nearest_of(block, centres)[0]
            belongs = (own[None, :] == np.arange(len(centres))[:, None]).astype(np.float32)
            sums += belongs @ block
            counts += belongs.sum(axis=1)
        moved = centres.copy()
        held = counts > 0
        moved[held] = sums[held] / counts[held, None]
        if np.allclose(moved, centres, rtol=0, atol=1e-4):
            return moved
        centres = moved
    return centres


def _nearest(space: Space, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M,) int, the nearest centre of each row, and (M,) float32, how far it is."""
    groups = np.empty(len(space), np.int64)
    distances = np.empty(len(space), np.float32)
    for part, block in space.blocks():
        groups[part], distances[part] = _nearest_of(block, centres)
    return groups, distances


def _nearest_of(block: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = (np.square(centres).sum(axis=1) / 2 - block @ centres.T).argmin(axis=1)
    return own, np.linalg.norm(block - centres[own], axis=1)


def _like_the_nearest(space: Space, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M,) int: of each row the label of the nearest of `points`."""
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    groups = np.empty(len(space), np.int64)
    for part, block in space.blocks():
        groups[part] = labels[index.search(block, 1)[1][:, 0]]
    return groups


def _to_own_mean(space: Space, groups: np.ndarray) -> np.ndarray:
    """(M,) float32: how far each row is from the mean of its group."""
    distances = np.full(len(space), np.nan, np.float32)
    n_groups = int(groups.max(initial=-1)) + 1
    if not n_groups:
        return distances
    sums, counts = np.zeros((n_groups, space.n_columns)), np.zeros(n_groups)
    for part, block in space.blocks():
        grouped = groups[part] >= 0
        np.add.at(sums, groups[part][grouped], block[grouped])
        counts += np.bincount(groups[part][grouped], minlength=n_groups)
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    for part, block in space.blocks():
        own = groups[part]
        far = np.linalg.norm(block - means[np.maximum(own, 0)], axis=1)
        distances[part] = np.where(own >= 0, far, np.nan)
    return distances
