"""Time from the answers to a new ranking, by survey size, beside modAL's own strategy.

The embedding is made of Gaussian clusters; 100 answers of two classes are known.

python -m benchmarks.rerank
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from modAL.uncertainty import uncertainty_sampling

from benchmarks.common import arguments, report
from core.config import LoopConfig
from core.discovery import LEARNERS, Engine, Learner

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
        ours = seconds(lambda e=engine, y=labels: e.rerank(y), a.repeats)
        answers = np.array([labels[int(r)] for r in known])

        def plain(values=values, known=known, answers=answers) -> object:
            learner = Learner(
                LEARNERS["logistic"](0), uncertainty_sampling, values[known], answers
            )
            return learner.query(values, n_instances=10)

        theirs = seconds(plain, a.repeats)
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
