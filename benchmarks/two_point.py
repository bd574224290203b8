"""Whether the two-point score keeps its promise, on synthetic blobs whose truth is known.

Sweeps of how far clusters stand apart and of how wide they are, for several numbers of clusters;
beside it the score as published (long tails left as they are), Davies-Bouldin on K-means and on
the true classes, and the accuracy of K-means matched to the true classes. Then clouds without any
cluster, on which the score should be 0.

python -m benchmarks.two_point [--seeds 3]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score

from benchmarks.common import arguments, report
from core.metrics import cluster_quality, rankme, two_point
from core.metrics.representation import whitened

N_OBJECTS, DIMENSIONS = 2000, 16
SEPARATIONS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
WIDTHS = (4.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.25)
NUMBERS = (2, 5, 10, 20)
Numbers = dict[str, float]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    a = parser.parse_args()
    rows: list[list[Any]] = []
    swept: list[tuple[str, int, list[Numbers]]] = []
    for k in NUMBERS:
        for sweep, settings in (
            ("separation", [(apart, 1.0) for apart in SEPARATIONS]),
            ("cohesion", [(2.0, width) for width in WIDTHS]),
        ):
            found = [_mean(k, apart, width, a.seeds) for apart, width in settings]
            swept.append((sweep, k, found))
            for (apart, width), one in zip(settings, found, strict=True):
                rows.append([sweep, k, apart, width, *one.values()])
    for name, numbers in _without_clusters(a.seeds).items():
        rows.append([name, 0, "", "", *numbers.values()])
    names = list(swept[0][2][0])
    for sweep, k, found in swept:
        accuracy = [one["matched accuracy"] for one in found]
        steps = range(len(found))
        for title, against in (("the sweep", steps), ("matched accuracy", accuracy)):
            values = [float(spearmanr([one[n] for one in found], against)[0]) for n in names]
            rows.append([f"{sweep}: rank correlation with {title}", k, "", "", *values])
    every = [one for _sweep, _k, found in swept for one in found]
    overall = [
        float(spearmanr([one[n] for one in every], [one["matched accuracy"] for one in every])[0])
        for n in names
    ]
    rows.append(["all: rank correlation with matched accuracy", "", "", "", *overall])
    used = {"seeds": a.seeds, "n_objects": N_OBJECTS, "dimensions": DIMENSIONS}
    report("two_point", ["sweep", "clusters", "apart", "width", *names], rows, used)


def _mean(k: int, apart: float, width: float, seeds: int) -> Numbers:
    """Every number for clusters whose centres have deviation `apart` in each dimension."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        y = rng.integers(k, size=N_OBJECTS)
        centres = apart * rng.normal(size=(k, DIMENSIONS))
        values = centres[y] + width * rng.normal(size=(N_OBJECTS, DIMENSIONS))
        found.append(_numbers(values, y, k, seed))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _numbers(values: np.ndarray, y: np.ndarray, k: int, seed: int) -> Numbers:
    ours, published = two_point(values, seed=seed), two_point(values, seed=seed, tail=None)
    x = whitened(values)
    labels = KMeans(k, n_init=4, random_state=seed).fit_predict(x)
    table = np.zeros((k, k))
    np.add.at(table, (labels, y), 1)
    matched = table[linear_sum_assignment(-table)].sum() / len(y)
    quality = cluster_quality(values, seed=seed)
    return {
        "score": ours.score,
        "error": ours.error,
        "as published": published.score,
        "Davies-Bouldin, K-means": float(np.mean([one.davies_bouldin for one in quality])),
        "Davies-Bouldin, classes": float(davies_bouldin_score(x, y)),
        "silhouette, K-means": float(np.mean([one.silhouette for one in quality])),
        "effective rank": rankme(values),
        "matched accuracy": float(matched),
    }


def _without_clusters(seeds: int) -> dict[str, Numbers]:
    """Clouds in which no groups are: even ones, long tails, some objects far out."""
    found: dict[str, list[Numbers]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        even = rng.normal(size=(N_OBJECTS, DIMENSIONS))
        far = np.where(np.arange(N_OBJECTS) < N_OBJECTS // 20, 10.0, 1.0)[:, None]
        tails = np.sqrt(rng.chisquare(3, size=(N_OBJECTS, 1)) / 3)
        clouds = {
            "no clusters: Gaussian": even,
            "no clusters: log-normal": np.exp(0.5 * even),
            "no clusters: Student's t, 3 degrees": even / tails,
            "no clusters: one in twenty 10 times as far": even * far,
        }
        for name, values in clouds.items():
            y = rng.integers(5, size=N_OBJECTS)
            found.setdefault(name, []).append(_numbers(values, y, 5, seed))
    return {
        name: {key: float(np.mean([one[key] for one in each])) for key in each[0]}
        for name, each in found.items()
    }


if __name__ == "__main__":
    main()
