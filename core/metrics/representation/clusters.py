"""How well an embedding falls into clusters, for several numbers of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score, silhouette_score

from core.metrics.representation.tables import SAMPLE, finite_table, sample_rows, whitened

NUMBERS = (5, 10, 20)
STARTS = 4


@dataclass(frozen=True)
class ClusterQuality:
    """Of K-means with `k` clusters.

    Attributes
    ----------
    davies_bouldin
        Mean over the clusters of the worst ratio of widths to distance (Davies & Bouldin 1979);
        lower = better apart.
    silhouette
        Mean of how much nearer an object is to its own cluster than to the next (Rousseeuw 1987),
        -1 to 1; higher = better apart.
    """

    k: int
    davies_bouldin: float
    silhouette: float


def cluster_quality(
    values: np.ndarray, numbers: tuple[int, ...] = NUMBERS, *, seed: int = 0
) -> tuple[ClusterQuality, ...]:
    """K-means for each number of clusters, in the 10 whitened components of at most 2,000 rows.

    Numbers that leave fewer than two objects a cluster are left out, and so are all of them where
    there is one direction or none.
    """
    table = finite_table(values)
    x = whitened(table[sample_rows(np.ones(len(table), bool), SAMPLE, seed)])
    found: list[ClusterQuality] = []
    if not x.shape[1]:
        return ()
    distinct = len(np.unique(x.round(6), axis=0))
    for k in numbers:
        if 2 * k > distinct:
            continue
        labels = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(x)
        found.append(
            ClusterQuality(
                k, float(davies_bouldin_score(x, labels)), float(silhouette_score(x, labels))
            )
        )
    return tuple(found)
