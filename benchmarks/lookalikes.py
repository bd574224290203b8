"""Look-alikes in a large embedding: time of a search, and what the search through cells misses.

A made-up embedding on disk in float16: 300 groups of very unequal size that overlap, in directions
of falling variance. Beside the pass over the memory-mapped file stands faiss' flat index, which
holds a float32 copy.

python -m benchmarks.lookalikes [--objects 1000000] [--dimensions 128]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments, report
from core.mapping.cells import make_cells
from core.mapping.lookalikes import COSINE, Lookalikes, Nearest, Wanted
from core.mapping.near_duplicates import near_duplicates

QUERIES, SHOWN = 40, 48
COPIES = 500


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=128)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        values = made(Path(folder) / "embedding.npy", a.objects, a.dimensions)
        mask = np.ones(a.objects, bool)
        queries = np.random.default_rng(1).choice(a.objects, QUERIES, replace=False)
        examples = np.asarray(values[queries], np.float32)
        rows: list[list[Any]] = []
        everywhere = Timed(lambda: Lookalikes(values, mask, COSINE))
        rows.append(["opened once", *everywhere.times, ""])
        exact = [Timed(searching(everywhere.result, Wanted(one[None]))) for one in examples]
        rows.append(["exact, one example", *middle(exact), 1.0])
        several = searching(everywhere.result, Wanted(examples[:5], examples[5:8]))
        times = middle([Timed(several) for _ in range(10)])
        rows.append(["exact, 5 examples, 3 counter-examples", *times, 1.0])
        cells = Timed(lambda: make_cells(values, mask, COSINE))
        count, probed = len(cells.result.centres), cells.result.probed
        rows.append([f"{count:,} cells made", *cells.times, cells.result.recall])
        through = Lookalikes(values, mask, COSINE, cells.result)
        found = [Timed(searching(through, Wanted(one[None]))) for one in examples]
        recall = [
            np.isin(all_.result.rows, one.result.rows).mean()
            for all_, one in zip(exact, found, strict=True)
        ]
        rows.append([f"through {probed} cells", *middle(found), float(np.mean(recall))])
        pairs = Timed(lambda: near_duplicates(values, mask, COSINE, cells=cells.result))
        known = {(row, a.objects - 1 - row) for row in range(COPIES)}
        kept = known & {(int(i), int(j)) for i, j in pairs.result.pairs}
        rows.append(["near-duplicates through cells", *pairs.times, len(kept) / COPIES])
        rows += flat_index(values, examples)
    report(
        "lookalikes",
        ["what", "seconds", "seconds of processor", "share found"],
        rows,
        {"objects": a.objects, "dimensions": a.dimensions, "shown": SHOWN, "queries": QUERIES},
    )


class Timed:
    """What a call gives, and its seconds: by the clock, and of processor time, which other work
    on the machine lengthens less."""

    def __init__(self, act: Callable[[], Any]) -> None:
        began, worked = time.perf_counter(), time.process_time()
        self.result = act()
        self.times = (time.perf_counter() - began, time.process_time() - worked)


def middle(timed: list[Timed]) -> tuple[float, float]:
    """The medians of both times."""
    wall, worked = np.median([one.times for one in timed], axis=0)
    return float(wall), float(worked)


def searching(searched: Lookalikes, wanted: Wanted) -> Callable[[], Nearest]:
    return lambda: searched.search(wanted, SHOWN)


def made(path: Path, objects: int, dimensions: int) -> np.ndarray:
    """The embedding, memory-mapped; its last rows are the first ones again with a little noise."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, dimensions + 1) ** -0.5
    centres = 1.5 * rng.normal(size=(300, dimensions)) * scale
    shares = rng.pareto(1.5, 300) + 0.05
    values = np.lib.format.open_memmap(path, "w+", np.float16, (objects, dimensions))
    for start in range(0, objects, 50_000):
        n = min(50_000, objects - start)
        group = rng.choice(300, n, p=shares / shares.sum())
        values[start : start + n] = centres[group] + rng.normal(size=(n, dimensions)) * scale
    noise = 0.02 * rng.normal(size=(COPIES, dimensions)) * scale
    values[objects - COPIES :] = (values[:COPIES] + noise)[::-1]
    values.flush()
    return np.load(path, mmap_mode="r")


def flat_index(values: np.ndarray, examples: np.ndarray) -> list[list[Any]]:
    """faiss.IndexFlatIP of unit vectors: filled, and searched one example at a time."""
    import faiss

    def fill() -> Any:
        index = faiss.IndexFlatIP(values.shape[1])
        for start in range(0, len(values), 50_000):
            index.add(unit(values[start : start + 50_000]))
        return index

    filled = Timed(fill)
    found = [
        Timed(lambda x=one: filled.result.search(unit(x[None]), SHOWN))  # type: ignore[misc]
        for one in examples
    ]
    return [
        ["faiss flat index filled", *filled.times, ""],
        ["faiss flat index, one example", *middle(found), 1.0],
    ]


def unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
