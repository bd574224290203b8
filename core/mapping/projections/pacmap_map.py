"""PaCMAP (Wang, Huang, Rudin & Shaposhnik 2021, JMLR 22, 201)."""

from __future__ import annotations

import logging

import numpy as np

from core.mapping.projections.neighbour_graph import neighbour_graph
from core.mapping.projections.projection import Objects, register_projection

__all__ = ["pacmap_map"]

_CANDIDATES = 50
"""Neighbours beyond those wanted, among which the nearest by scaled distance are taken."""


@register_projection(
    "pacmap",
    "PaCMAP",
    "keeps neighbours together and, better than UMAP, how groups lie towards each other; quick",
    fewest=10,
    most=200_000,
)
def pacmap_map(objects: Objects) -> np.ndarray:
    """(M, 2): see `Objects`. Its first use compiles for some seconds."""
    objects.progress(0.0, "loading PaCMAP (its first use takes a while)")
    from pacmap import PaCMAP

    logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)  # it warns of every seed
    n = len(objects.values)
    reducer = PaCMAP(apply_pca=False, random_state=objects.seed)
    reducer.decide_num_pairs(n)
    objects.progress(0.1, f"finding the neighbours of {n:,} objects")
    reducer.pair_neighbors = _pairs(objects.values, reducer.n_neighbors)
    objects.progress(0.3, f"arranging {n:,} objects, which tells no progress")
    places: np.ndarray = reducer.fit_transform(objects.values, init=objects.start)
    return places


def _pairs(values: np.ndarray, k: int) -> np.ndarray:
    """(M * k, 2) int32: each object with the `k` nearest by d_ij^2 / (s_i s_j), where s is the
    mean distance of an object to its 4th to 6th neighbour (section 4.1 of the paper)."""
    rows, gaps = neighbour_graph(values, min(k + _CANDIDATES, len(values) - 1))
    scale = np.maximum(gaps[:, 3:6].mean(axis=1), 1e-10)
    scaled = gaps**2 / scale[:, None] / scale[rows]
    nearest = np.argsort(scaled, axis=1, kind="stable")[:, :k]
    pairs = np.empty((len(values) * k, 2), np.int32)
    pairs[:, 0] = np.repeat(np.arange(len(values)), k)
    pairs[:, 1] = np.take_along_axis(rows, nearest, axis=1).ravel()
    return pairs
