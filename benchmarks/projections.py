"""Projections of an embedding: seconds, and how far each map can be believed.

table: 50,000 rows of a real one (an outlier set of DRAMA and ADBench, `--data`: X is taken with
columns of deviation 1) by each projection, with `--bare` by umap-learn as it comes, too.
million: a made-up embedding, in 300 groups of very unequal size and 100 rare groups of 30 objects
beside them, by a sample and placing. pair: two embeddings of the same objects show how far a map
jumps after retraining, with and without being laid over the one before. Compiling is not counted.

python -m benchmarks.projections table --data FILE.npz [--bare]
python -m benchmarks.projections million [--objects 1000000] [--by pacmap]
python -m benchmarks.projections pair --data OLD.npy NEW.npy
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments, report
from core.mapping.projections import PROJECTIONS, aligned, project
from core.metrics.representation import neighbours_kept, sample_rows, trustworthiness

PART = 50_000
QUERIES, SAMPLE = 1_000, 5_000
RARE_GROUPS, RARE_SIZE = 100, 30
Row = list[Any]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("what", nargs="?", choices=("table", "million", "pair"), default="million")
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--by", nargs="+", default=None)
    parser.add_argument("--bare", action="store_true")
    a = parser.parse_args()
    needed = {"table": 1, "million": 0, "pair": 2}[a.what]
    if len(a.data) != needed:
        parser.error(f"{a.what} takes {needed} of --data, but {len(a.data)} came; name as many.")
    by = a.by or ["pacmap"] if a.what == "million" else a.by or ["pca", "pacmap", "umap", "tsne"]
    warm_up(by)
    rows: list[Row] = []
    for row in WHAT[a.what](by, a):
        rows.append([*row, *[""] * (len(COLUMNS) - len(row))])
        print(*row, sep="  ", file=sys.stderr, flush=True)
    settings = {"sample": SAMPLE, "queries": QUERIES, "data": [path.name for path in a.data]}
    report(f"projections_{a.what}", COLUMNS, rows, settings)


def table(by: list[str], a: Namespace) -> Iterator[Row]:
    values = np.load(a.data[0])["X"].astype(np.float32)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    values = values[np.random.default_rng(0).permutation(len(values))[:PART]]
    for method in by:
        yield [a.data[0].stem, len(values), *measured(values, method)]
    if a.bare:
        yield [a.data[0].stem, len(values), *bare(values)]


def million(by: list[str], a: Namespace) -> Iterator[Row]:
    values, group = made(a.objects)
    for method in by:
        yield ["made up", len(values), *measured(values, method, group)]


def warm_up(by: list[str]) -> None:
    """Have everything compiled."""
    few = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    for name in by:
        project(few, np.ones(len(few), bool), name)


def measured(values: np.ndarray, method: str, group: np.ndarray | None = None) -> Row:
    """By what, how many it arranged, seconds and quality."""
    found, seconds, worked = timed(lambda: project(values, np.ones(len(values), bool), method))
    title = PROJECTIONS[method].title
    return [title, found.n_arranged, seconds, worked, *quality(values, found.places, group)]


def bare(values: np.ndarray) -> Row:
    """umap-learn as it comes, with a seed."""
    from umap import UMAP

    reducer = UMAP(random_state=0, n_jobs=1)
    reducer.fit_transform(values[:5_000])  # compiles its search for neighbours
    places, seconds, worked = timed(lambda: reducer.fit_transform(values))
    return ["umap-learn alone", len(values), seconds, worked, *quality(values, places)]


def timed(act: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a call gives, and its seconds by the clock and of processor time."""
    began, worked = time.perf_counter(), time.process_time()
    result = act()
    return result, time.perf_counter() - began, time.process_time() - worked


def quality(values: np.ndarray, places: np.ndarray, group: np.ndarray | None = None) -> Row:
    """Trustworthiness in a sample, share of the 15 nearest that are kept, and the share of the 5
    nearest of a rare object that are of its group."""
    everything = np.ones(len(values), bool)
    rows = sample_rows(everything, SAMPLE)
    trust = trustworthiness(values[rows], places[rows])
    kept = neighbours_kept(values, places, sample_rows(everything, QUERIES))
    return [trust, kept, "" if group is None else together(places, group)]


def together(places: np.ndarray, group: np.ndarray) -> float:
    import faiss

    rare = np.flatnonzero(group >= 0)
    wanted = np.ascontiguousarray(places[rare], np.float32)
    near = faiss.knn(wanted, np.ascontiguousarray(places, np.float32), 6)[1]
    own = near == rare[:, None]
    return float(((group[near] == group[rare][:, None]) & ~own).sum() / 5 / len(rare))


def made(objects: int, dimensions: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The embedding, and (N,) int: which rare group an object is of, -1 for none."""
    rng = np.random.default_rng(0)
    scale = (np.arange(1, dimensions + 1) ** -0.5).astype(np.float32)
    centres = (1.5 * rng.normal(size=(300, dimensions)) * scale).astype(np.float32)
    shares = rng.pareto(1.5, 300) + 0.05
    home = rng.choice(300, objects, p=shares / shares.sum())
    values = rng.standard_normal((objects, dimensions), np.float32) * scale
    values += centres[home]
    group = np.full(objects, -1)
    rare = rng.choice(objects, RARE_GROUPS * RARE_SIZE, replace=False)
    group[rare] = np.repeat(np.arange(RARE_GROUPS), RARE_SIZE)
    own = 2 * rng.normal(size=(RARE_GROUPS, dimensions)) * scale
    noise = 0.5 * rng.normal(size=(len(rare), dimensions)) * scale
    values[rare] = own[group[rare]] + noise
    return values, group


def pair(by: list[str], a: Namespace) -> Iterator[Row]:
    """How far the median object moves, as a share of the map's width, when the embedding is made
    anew: left alone, laid over the map before, and begun from it."""
    before, after = (np.load(path).astype(np.float32) for path in a.data)
    mask = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    before, after, mask = before[mask], after[mask], mask[mask]
    for method in by:
        if method == "pca":
            continue
        first = project(before, mask, method).places
        # Another seed, as after retraining nothing is the same.
        anew = project(after, mask, method, seed=1).places
        begun = project(after, mask, method, seed=1, start=first).places
        for words, places, laid in (
            ("left alone", anew, None),
            ("laid over", anew, aligned(anew, first)),
            ("begun from and laid over", begun, aligned(begun, first)),
        ):
            moved = laid.moved if laid else left_alone(anew, first)
            title = f"{PROJECTIONS[method].title}, {words}"
            head = [a.data[0].stem, len(after), title, len(after), "", ""]
            yield [*head, *quality(after, places), moved]


def left_alone(places: np.ndarray, old: np.ndarray) -> float:
    """How far objects lie apart on two maps, each brought to the middle and to a width of 1."""
    first, second = (
        (one - (one.max(axis=0) + one.min(axis=0)) / 2) / np.ptp(one, axis=0).max()
        for one in (places, old)
    )
    return float(np.median(np.linalg.norm(first - second, axis=1)))


WHAT = {"table": table, "million": million, "pair": pair}
COLUMNS = [
    *("table", "objects", "by", "arranged", "seconds", "seconds of processor"),
    *("trustworthiness", "kept of 15 nearest", "rare groups together", "moved"),
]

if __name__ == "__main__":
    main()
