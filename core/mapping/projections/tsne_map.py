"""t-SNE (van der Maaten & Hinton 2008) by openTSNE (Policar, Strazar & Zupan 2024)."""

from __future__ import annotations

import numpy as np

from core.mapping.pca import pca
from core.mapping.projections.neighbour_graph import neighbour_graph
from core.mapping.projections.projection import Objects, register_projection
from core.progress import Progress, part_of

__all__ = ["tsne_map"]

PERPLEXITY = 30.0
"""About so many neighbours hold an object in place; thrice as many are looked at."""
_GATHERING, _SETTLING = 250, 500
"""Steps with neighbours drawn together twelvefold, and after that."""
_TOLD_EVERY = 25
_SMALL = 1e-4
"""Deviation to start with (Kobak & Berens 2019): the arrangement counts, not the size."""


@register_projection(
    "tsne",
    "t-SNE",
    "keeps the nearest neighbours best; how groups lie towards each other means the least, and it"
    " takes longest",
    fewest=10,
    most=100_000,
)
def tsne_map(objects: Objects) -> np.ndarray:
    """(M, 2): see `Objects`. Starts from the principal components, as Kobak & Berens advise."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(objects.values)
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    objects.progress(0.0, f"finding the neighbours of {n:,} objects")
    rows, gaps = neighbour_graph(objects.values, min(n - 1, int(3 * perplexity)))
    near = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(rows, gaps.astype(float))
    )
    start = pca(objects.values, 2) if objects.start is None else objects.start
    start = start.astype(np.float64) * (_SMALL / max(float(start[:, 0].std()), 1e-30))
    # Sums over several threads end in any order, and a seed would not repeat.
    places = TSNEEmbedding(start, near, random_state=objects.seed, n_jobs=1)
    for steps, strength, momentum, low, high in (
        (_GATHERING, 12, 0.5, 0.2, 0.45),
        (_SETTLING, 1, 0.8, 0.45, 1.0),
    ):
        places = places.optimize(
            steps,
            exaggeration=strength,
            momentum=momentum,
            callbacks=_told(part_of(objects.progress, low, high), steps),
            use_callbacks=True,
            callbacks_every_iters=_TOLD_EVERY,
        )
    return np.asarray(places)


def _told(progress: Progress, of: int) -> object:
    def step(done: int, _error: float, _places: np.ndarray) -> bool:
        progress(done / of, f"arranging: step {done} of {of}")
        return False

    return step
