"""The UMAP of an embedding (McInnes, Healy & Melville 2018, arXiv 1802.03426)."""

from __future__ import annotations

import warnings

import numpy as np

from core.errors import BadInput
from core.mapping.pca import pca, unmasked
from core.progress import Progress, silent

_FEWEST = 5
"""Below this UMAP's spectral start has too few eigenvectors; there is nothing to arrange."""


def umap_map(
    values: np.ndarray,
    mask: np.ndarray,
    *,
    seed: int,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    progress: Progress = silent,
) -> np.ndarray:
    """(N, 2) float32: a UMAP, NaN on unseen rows; the same seed gives the same map.

    Parameters
    ----------
    values : (N, D)
    mask : (N,) bool, False where the encoder had nothing to see
    n_neighbors : neighbours that hold an object in place; taken as N - 1 where N is smaller
    min_dist : how close objects may lie, in units of the map

    Fewer than 5 objects, or objects that are all alike, get their principal components, and
    `progress` is told so. Importing and compiling UMAP takes 10 to 20 s: run it as a job.
    """
    values, seen = unmasked(values, mask)
    if n_neighbors < 2 or not 0 <= min_dist <= 1:
        raise BadInput(
            "A map needs n_neighbors of 2 or more and min_dist from 0 to 1, but got"
            f" {n_neighbors} and {min_dist}; change them."
        )
    coordinates = np.full((len(values), 2), np.nan, dtype=np.float32)
    rows = np.ascontiguousarray(values[seen], dtype=np.float32)
    if len(rows) < _FEWEST or (rows == rows[0]).all():
        progress(1.0, f"{len(rows):,} objects, or all alike: mapped by principal components.")
        if len(rows):
            coordinates[seen] = pca(rows, 2)
        return coordinates
    progress(0.0, "Loading UMAP (the first time takes a while).")
    with warnings.catch_warnings():
        # Only the parametric UMAP, not used here, wants it.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP
    progress(0.2, f"Arranging {len(rows)} objects.")
    with warnings.catch_warnings():
        # Objects that hang together in several separate groups are what a map should show.
        warnings.filterwarnings("ignore", "Graph is not fully connected", UserWarning)
        reducer = UMAP(
            n_components=2,
            n_neighbors=min(n_neighbors, len(rows) - 1),
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,  # what a seed entails; said so that UMAP need not warn of it
            low_memory=True,
        )
        coordinates[seen] = reducer.fit_transform(rows)
    progress(1.0, f"Mapped {len(rows):,} objects.")
    return coordinates
