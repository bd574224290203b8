"""Time and memory from the answers to a new ranking, by survey size, beside the peers.

The embedding is float16 in a file: twenty Gaussian clusters of 128 dimensions, one object in 500
of a kind that differs from its cluster in twelve directions; or, planted among the clusters, one
in 1,000 that is odd by few of its columns (`PLANTED`); or real tables of the ODDS collection, as
long as they are. 150 answers are known, 15 of them targets. Each method runs in a
process of its own. Other work on the machine slows all alike, so that each process also times a
yardstick (a product of the embedding with one vector, from the file); its ratio and the processor
time, of all cores together, are what compares. "Every row scored" is the default learner without a
short list; overlap is that of its first hundred with the default's, beside which stands how many
of the first hundred are targets. "Over Dask" is the default
with a cluster of this machine's cores, whose own time and memory are not counted. A method whose
rows as float32 would not fit in the memory that is left is named and left out.

python -m benchmarks.rerank
python -m benchmarks.rerank --large --methods default "every row scored"
python -m benchmarks.rerank --planted --methods default "every row scored"
python -m benchmarks.rerank --tables FOLDER
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments, report
from core.vocabulary import DEFAULT

DIMENSIONS = 128
TABLES = ("http", "cover")
"""The longest real ones: 567,498 x 3 and 286,048 x 10."""
PLANTED = {
    "one column": "one column lies higher by five of its standard deviations",
    "narrow band": "one column lies within a tenth of its standard deviation, beyond 2.2 of them",
    "odd": "six columns, other ones each time, lie off by 4.5 of their standard deviations",
}
"""What a target is among the clusters where few columns tell it."""

ODD_COLUMN = 77
LEAST_PLANTED = 100_000
TARGETS, OTHERS = 15, 135
SEEDS = 0, 1
"""Of the clusters, and of what is known."""

_CHUNK = 65_536


def clusters(size: int, path: Path, kind: str = "clusters", d: int = DIMENSIONS) -> np.ndarray:
    """Write the embedding (N, d) to `path`; returns (N,) bool, which rows are targets.

    kind : "clusters", or one of `PLANTED`
    """
    rng = np.random.default_rng(SEEDS[0])
    centres = rng.normal(0, 2, (20, d)).astype(np.float32)
    is_target = rng.random(size) < (0.001 if kind in PLANTED else 0.002)
    offset = np.zeros(d, np.float32)
    offset[:12] = 1.5
    deviation = np.sqrt(1 + centres.var(axis=0))
    out = np.lib.format.open_memmap(path, "w+", np.float16, (size, d))
    for start in range(0, size, _CHUNK):
        part = slice(start, min(start + _CHUNK, size))
        n = part.stop - start
        rows = rng.standard_normal((n, d), dtype=np.float32)
        rows += centres[rng.integers(0, 20, n)]
        if kind in PLANTED:
            plant(kind, rows, np.flatnonzero(is_target[part]), deviation, rng)
        else:
            rows[is_target[part]] += offset
        out[part] = rows
    return is_target


def plant(
    kind: str,
    rows: np.ndarray,
    targets: np.ndarray,
    deviation: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Make the rows of these numbers targets of a kind of `PLANTED`; deviation : (D,)"""
    unit = deviation[ODD_COLUMN]
    if kind == "one column":
        rows[targets, ODD_COLUMN] += 5 * unit
    elif kind == "narrow band":
        rows[targets, ODD_COLUMN] = unit * rng.uniform(2.2, 2.3, len(targets))
    else:
        for target in targets:
            columns = rng.choice(rows.shape[1], 6, replace=False)
            rows[target, columns] += 4.5 * deviation[columns] * rng.choice([-1, 1], 6)


def table(name: str, folder: Path, path: Path) -> np.ndarray:
    """The same of a real table X (N, D) with anomalies y, which are the targets."""
    with np.load(folder / f"{name}.npz") as kept:
        rows, anomaly = kept["X"].astype(np.float64), kept["y"].ravel() > 0
    rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-9)
    np.save(path, np.clip(rows, -1000, 1000).astype(np.float16))
    return np.asarray(anomaly)


class Memory(threading.Thread):
    """Watches how much memory of this process is no file: `peak`, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.ended = 0.0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, self.now())

    @staticmethod
    def now() -> float:
        with open("/proc/self/status") as status:
            own = next(line for line in status if line.startswith("RssAnon"))
        return int(own.split()[1]) / 1024


def default(
    values: np.ndarray, known: np.ndarray, answers: np.ndarray, sampler: str = DEFAULT
) -> Any:
    """Ours: an engine, ready to rank."""
    from core.config import LoopConfig
    from core.discovery import Engine

    config = LoopConfig(sampler=sampler)
    engine = Engine(values, np.ones(len(values), bool), ("other", "t"), "t", config)
    labels = {int(row): ("other", "t")[answer] for row, answer in zip(known, answers, strict=True)}
    return lambda: engine.rerank(labels)


def every_row(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    from core.discovery import shortlist

    shortlist.FULL_ROWS = len(values)
    return default(values, known, answers)


def over_dask(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    """The default, two processes of this machine going over the embedding; the first ranking waits
    until they hold their rows."""
    import distributed

    from core.config import LoopConfig
    from core.discovery import Engine

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = distributed.Client(cluster)
    engine = Engine(values, np.ones(len(values), bool), ("other", "t"), "t", LoopConfig())
    engine = engine.with_partitions(client)
    labels = {int(row): ("other", "t")[answer] for row, answer in zip(known, answers, strict=True)}
    engine.rerank(labels)
    return lambda: engine.rerank(labels)


def portfolio(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    return default(values, known, answers, "portfolio")


def active_search(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    """The first ranking makes the graph of neighbours, later ones use it."""
    rank = default(values, known, answers, "ens")
    rank()
    return rank


def modal_uncertainty(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    """modAL as its own documentation uses it."""
    from modAL.uncertainty import uncertainty_sampling
    from sklearn.linear_model import LogisticRegression

    from core.discovery import Learner

    rows = values.astype(np.float32)

    def rank() -> object:
        learner = Learner(
            LogisticRegression(max_iter=500), uncertainty_sampling, rows[known], answers
        )
        return learner.query(rows, n_instances=100)

    return rank


def modal_committee(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    """modAL's vote entropy of five logistic regressions taught bootstraps."""
    from modAL.disagreement import vote_entropy_sampling
    from modAL.models import Committee
    from sklearn.linear_model import LogisticRegression

    from core.discovery import Learner

    rows = values.astype(np.float32)

    def rank() -> object:
        rng = np.random.default_rng(0)
        members = []
        for _ in range(5):
            drawn = np.concatenate(
                [rng.integers(0, TARGETS, TARGETS), TARGETS + rng.integers(0, OTHERS, OTHERS)]
            )
            estimator = LogisticRegression(max_iter=500)
            members.append(
                Learner(estimator, X_training=rows[known[drawn]], y_training=answers[drawn])
            )
        return Committee(members, vote_entropy_sampling).query(rows, n_instances=100)

    return rank


def _coniferest(name: str, values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    from coniferest.aadforest import AADForest
    from coniferest.label import Label
    from coniferest.pineforest import PineForest

    rows = values.astype(np.float32)
    labels = np.where(answers == 1, int(Label.ANOMALY), int(Label.REGULAR))

    def rank() -> object:
        forest = {"pine": PineForest, "aad": AADForest}[name](n_jobs=2, random_seed=0)
        forest.fit_known(rows, rows[known], labels)
        return np.argpartition(forest.score_samples(rows), 100)[:100]

    return rank


def pine_forest(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    return _coniferest("pine", values, known, answers)


def aad_forest(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    return _coniferest("aad", values, known, answers)


def astronomaly(values: np.ndarray, known: np.ndarray, answers: np.ndarray) -> Any:
    """Astronomaly's rule (arXiv 2010.11202), computed plainly; the isolation forest, which it
    trains once, is not timed."""
    from scipy.spatial import KDTree
    from sklearn.ensemble import RandomForestRegressor

    rows = values.astype(np.float32)
    odd = np.random.default_rng(0).random(len(rows))

    def rank() -> object:
        forest = RandomForestRegressor(100, n_jobs=2, random_state=0)
        score = forest.fit(rows[known], 5.0 * answers).predict(rows)
        distance = KDTree(rows[known]).query(rows, workers=2)[0]
        f = 0.1 + 0.85 * score / 5
        factor = np.tanh(np.exp(distance / distance.mean()) - 1 + np.arctanh(f))
        return np.argpartition(-odd * factor, 100)[:100]

    return rank


METHODS = {
    "default": default,
    "every row scored": every_row,
    "over Dask": over_dask,
    "portfolio": portfolio,
    "ENS": active_search,
    "modAL uncertainty": modal_uncertainty,
    "modAL committee": modal_committee,
    "PineForest": pine_forest,
    "AADForest": aad_forest,
    "Astronomaly": astronomaly,
}


SAME_SEARCH = frozenset({"default", "every row scored", "over Dask"})
"""Methods that should show the same objects."""

IN_MEMORY = frozenset(METHODS) - SAME_SEARCH - frozenset({"portfolio", "ENS"})
"""Methods that hold the whole embedding as float32, and about as much again while they rank."""


def memory_left() -> float:
    """Bytes that this machine could still give."""
    with open("/proc/meminfo") as lines:
        left = next(line for line in lines if line.startswith("MemAvailable"))
    return int(left.split()[1]) * 1024.0


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float, object]:
    """The least of the times in seconds (other work only ever adds to one) by the clock and of the
    processor, and the result."""
    times, used, result = [], [], None
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        result = call()
        times.append(time.perf_counter() - began)
        used.append(time.process_time() - worked)
    return min(times), min(used), result


def yardstick(values: np.ndarray) -> Callable[[], object]:
    vector = np.random.default_rng(0).normal(size=(values.shape[1],)).astype(np.float32)
    starts = range(0, len(values), _CHUNK)
    return lambda: [np.asarray(values[s : s + _CHUNK], np.float32) @ vector for s in starts]


def one(method: str, folder: Path, repeats: int) -> dict[str, Any]:
    """What a process of its own measures of a method."""
    values = np.load(folder / "embedding.npy", mmap_mode="r")
    known = np.load(folder / "known.npy")
    answers = (np.arange(len(known)) < TARGETS).astype(np.int64)
    memory = Memory()
    memory.start()
    began = time.perf_counter()
    rank = METHODS[method](values, known, answers)
    ready = time.perf_counter() - began
    seconds, processor, result = timed(rank, repeats)
    memory.ended.set()
    memory.join()
    measured: dict[str, Any] = {"ready": ready, "seconds": seconds, "processor": processor}
    measured["memory"] = memory.peak
    measured["yardstick"] = timed(yardstick(values), repeats)[0]
    picks = getattr(result, "picks", None)
    if picks is not None and method in SAME_SEARCH:
        measured["rows"] = [pick.row for pick in picks if pick.sampler != "control"][:100]
        measured["state"] = getattr(result, "state", "")
        measured["targets"] = int(np.load(folder / "targets.npy")[measured["rows"]].sum())
    return measured


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", help="objects")
    parser.add_argument("--large", action="store_true", help="ten million objects instead")
    parser.add_argument("--planted", action="store_true", help="targets that few columns tell")
    parser.add_argument("--dimensions", type=int, help=f"of the clusters ({DIMENSIONS})")
    parser.add_argument("--name", default="rerank", help="of the file in benchmarks/results")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--tables", type=Path, help="a folder with http.npz and cover.npz")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        print(json.dumps(one(a.one[0], Path(a.one[1]), a.repeats)))
        return
    surveys, dimensions = asked_for(parser, a)
    rows = []
    for name, size in surveys:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            path = folder / "embedding.npy"
            if a.tables:
                is_target = table(name, a.tables, path)
            else:
                is_target = clusters(size, path, name, dimensions)
            np.save(folder / "targets.npy", is_target)
            rng = np.random.default_rng(SEEDS[1])
            known = [
                rng.choice(np.flatnonzero(is_target == kind), count, replace=False)
                for kind, count in ((True, TARGETS), (False, OTHERS))
            ]
            np.save(folder / "known.npy", np.concatenate(known))
            rows += measure(name, len(is_target), folder, a.methods, a.repeats)
    columns = [
        *("survey", "objects", "method", "ready (s)", "re-rank (s)", "processor (s)"),
        *("by the yardstick", "memory beside files (MB)", "overlap of the first 100", "targets"),
    ]
    settings = {"answers": TARGETS + OTHERS, "repeats": a.repeats, "seeds": list(SEEDS)}
    if not a.tables:
        settings |= {"dimensions": dimensions, "planted": a.planted}
    report(a.name, columns, rows, settings)


def asked_for(
    parser: argparse.ArgumentParser, a: argparse.Namespace
) -> tuple[list[tuple[str, int]], int]:
    """(kind or name, objects) of each survey, a real table's own number being 0, and the columns
    of the clusters; what cannot be is refused in a sentence."""
    dimensions = DIMENSIONS if a.dimensions is None else a.dimensions
    if a.sizes and a.large:
        parser.error("--large is a size of its own; leave it or --sizes out")
    if a.tables and (a.planted or a.sizes or a.large or a.dimensions is not None):
        parser.error(
            "--tables takes real tables as they are; leave it out, or --planted, --sizes, --large"
            " and --dimensions"
        )
    if a.tables:
        return [(name, 0) for name in TABLES], dimensions
    sizes = [10_000_000] if a.large else a.sizes
    sizes = sizes or ([300_000] if a.planted else [10_000, 100_000, 1_000_000])
    if a.planted and min(sizes) < LEAST_PLANTED:
        parser.error(f"--planted takes {LEAST_PLANTED:,} objects or more")
    least = ODD_COLUMN + 1 if a.planted else 1
    if dimensions < least:
        parser.error(f"--dimensions takes {least} or more{' with --planted' * a.planted}")
    kinds = list(PLANTED) if a.planted else ["clusters"]
    return [(kind, size) for size in sizes for kind in kinds], dimensions


def measure(
    name: str, size: int, folder: Path, methods: list[str], repeats: int
) -> list[list[object]]:
    """A row of the table for each method."""
    found: dict[str, dict[str, Any]] = {}
    left_out: list[list[object]] = []
    for method in methods:
        n_values = np.load(folder / "embedding.npy", mmap_mode="r").size
        if method in IN_MEMORY and 8 * n_values > memory_left():
            left_out.append([name, f"{size:,}", method, "does not fit", *[""] * 6])
            continue
        command = [sys.executable, "-m", "benchmarks.rerank", "--one", method, str(folder)]
        done = subprocess.run(
            [*command, "--repeats", str(repeats)], check=True, stdout=subprocess.PIPE, text=True
        )
        found[method] = json.loads(done.stdout.splitlines()[-1])
        print(name, size, method, found[method] | {"rows": ""}, file=sys.stderr, flush=True)
    best = set(found.get("every row scored", {}).get("rows", ()))
    return left_out + [
        [
            *(name, f"{size:,}", method, one["ready"], one["seconds"], one["processor"]),
            *(one["seconds"] / one["yardstick"], one["memory"]),
            len(best & set(one["rows"])) / 100 if best and "rows" in one else "",
            one.get("targets", ""),
        ]
        for method, one in found.items()
    ]


if __name__ == "__main__":
    main()
