"""Time from the answers to a new ranking, by survey size, beside modAL's own strategy.

The embedding is made of Gaussian clusters; 100 answers of two classes are known.

python -m benchmarks.rerank
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from modAL.uncertainty import uncertainty_sampling
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import arguments, report
from core.config import LoopConfig
from core.discovery import Engine, Learner

DIMENSIONS = 128


def clustered(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 128) float32 of twenty clusters, and which cluster each row is of."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (20, DIMENSIONS)).astype(np.float32)
    which = rng.integers(0, 20, count)
    return centres[which] + rng.normal(0, 1, (count, DIMENSIONS)).astype(np.float32), which


def seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def plain_modal(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> object:
    """modAL as its own documentation uses it."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    learner = Learner(estimator, uncertainty_sampling, values[known], answers)
    return learner.query(values, n_instances=10)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    a = parser.parse_args()
    rows = []
    for size in a.sizes:
        values, which = clustered(size, 0)
        rng = np.random.default_rng(1)
        known = np.concatenate(
            [
                rng.choice(np.flatnonzero(which == 0), 15, replace=False),
                rng.choice(np.flatnonzero(which != 0), 85, replace=False),
            ]
        )
        labels = {int(r): ("target" if which[r] == 0 else "other") for r in known}
        engine = Engine(
            values, np.ones(size, bool), ("target", "other"), "target", LoopConfig(seed=0)
        )
        began = time.perf_counter()
        engine.rerank({})
        cold = time.perf_counter() - began
        ours = seconds(partial(engine.rerank, labels), a.repeats)
        answers = np.array([labels[int(r)] for r in known])
        theirs = seconds(partial(plain_modal, values, known, answers), a.repeats)
        rows.append([f"{size:,}", cold, ours, theirs, ours / theirs])
    columns = [
        "objects",
        "first ranking (s)",
        "retrain and re-rank (s)",
        "modAL: fit and uncertainty_sampling (s)",
        "ratio",
    ]
    settings = {"dimensions": DIMENSIONS, "answers": 100, "repeats": a.repeats}
    report("rerank", columns, rows, settings)


if __name__ == "__main__":
    main()
