"""Finds of the rare class by every search beside its peers and chance, with an oracle answering.

python -m benchmarks.discovery --data FOLDER [--sets development | report | NAMES]
    [--searches NAMES] [--starts 10] [--budget 200] [--batch 10] [--jobs 2]

A search is SAMPLER or SAMPLER/LEARNER. Every start leaves out another tenth of the rows and has
another seed, so that searches without any chance in them start differently too. Area: that under
the finds curve, divided by that of an ideal searcher (1 = every answer a find until none is left).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import arguments, report
from benchmarks.discovery_sets import DEVELOPMENT, REPORT, RareSet
from core.config import LoopConfig
from core.discovery import Engine, simulate
from core.errors import SkysiftError
from core.metrics import discovery_area
from core.vocabulary import DEFAULT
from core.workspace import open_workspace

OURS = (DEFAULT,)
PEERS = ("astronomaly", "protege", "pine_forest", "aad_forest", "uncertainty", "vote_entropy")
CHANCE = "random"
LEFT_OUT = 0.1
SHOWN = (50, 100, 200)
TARGET, OTHER = "target", "other"


@dataclass(frozen=True)
class Found:
    """One search from one start: its area, finds at SHOWN, answers until the first find."""

    area: float
    at: tuple[float, ...]
    first: float
    seconds: float


def search(given: RareSet, name: str, start: int, budget: int, batch: int) -> Found:
    """Run one search. The control sample is left out: it would be the same for all."""
    rng = np.random.default_rng([start, 77])
    kept = np.sort(rng.permutation(len(given.features))[round(LEFT_OUT * len(given.features)) :])
    values, is_target = given.features[kept], given.is_target[kept]
    sampler, _, learner = name.partition("/")
    config = LoopConfig(sampler=sampler, learner=learner or DEFAULT, control_share=0.0, seed=start)
    began = time.monotonic()
    engine = Engine(values, np.ones(len(values), bool), (TARGET, OTHER), TARGET, config)
    truth = {row: TARGET if hit else OTHER for row, hit in enumerate(is_target.tolist())}
    done = simulate(engine, truth, budget, batch)
    curve = np.cumsum([step.answer == TARGET for step in done.order])
    hits = np.flatnonzero(curve)
    return Found(
        area=discovery_area(curve, int(is_target.sum())),
        at=tuple(float(curve[min(n, len(curve)) - 1]) for n in SHOWN),
        first=float(hits[0] + 1) if len(hits) else float("inf"),
        seconds=time.monotonic() - began,
    )


def compared(
    areas: dict[str, dict[str, NDArray[np.float64]]], ours: str, peers: list[str], seed: int = 0
) -> list[str]:
    """Sentences on the mean shortfall (1 - area) of `ours` beside the best single peer's, with a
    paired bootstrap over sets and starts, and on each set beside the best peer of that set.

    areas : set -> search -> (S,) area of each start
    """
    names = list(areas)
    table = {
        one: np.array([areas[name][one] for name in names]) for one in (ours, *peers)
    }  # (sets, starts)
    short = {one: 1 - values.mean() for one, values in table.items()}
    best = min(peers, key=lambda one: short[one])
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(2000):
        sets = rng.integers(len(names), size=len(names))
        starts = rng.integers(table[ours].shape[1], size=table[ours].shape[1])
        chosen = np.ix_(sets, starts)
        ratios.append((1 - table[ours][chosen].mean()) / (1 - table[best][chosen].mean()))
    low, high = np.percentile(ratios, [2.5, 97.5])
    lines = [
        f"{ours}: mean shortfall {short[ours]:.3f}; the best single peer's ({best}) is"
        f" {short[best]:.3f}; ratio {short[ours] / short[best]:.2f} ({low:.2f} to {high:.2f})"
    ]
    for index, name in enumerate(names):
        of = max(peers, key=lambda one: table[one][index].mean())
        share = table[ours][index].mean() / max(1e-9, table[of][index].mean())
        lines.append(f"  {name}: {share:.2f} x {of}")
    return lines


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=["development"])
    parser.add_argument("--searches", nargs="+", default=[*OURS, *PEERS, CHANCE])
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--name", default="discovery", help="of the JSON file with the results")
    a = parser.parse_args()
    every = {**DEVELOPMENT, **REPORT}
    groups = {"development": list(DEVELOPMENT), "report": list(REPORT)}
    names = [one for asked in a.sets for one in groups.get(asked, [asked])]
    workspace = open_workspace(a.workspace)
    rows: list[list[Any]] = []
    areas: dict[str, dict[str, NDArray[np.float64]]] = {}
    with ProcessPoolExecutor(a.jobs, mp_context=get_context("spawn")) as pool:
        for name in names:
            try:
                given = every[name](workspace, Path(a.data) if a.data else None)
            except (SkysiftError, KeyError) as error:
                print(f"{name} is left out: {error}")
                continue
            waiting = {
                one: [
                    pool.submit(search, given, one, start, a.budget, a.batch)
                    for start in range(a.starts)
                ]
                for one in a.searches
            }
            areas[name] = {}
            for one, futures in waiting.items():
                found = [future.result() for future in futures]
                own = np.array([each.area for each in found])
                areas[name][one] = own
                at = np.mean([each.at for each in found], axis=0)
                rows.append(
                    [
                        *(name, int(given.is_target.sum()), len(given.features), one),
                        *(float(own.mean()), float(np.median(own)), float(own.min())),
                        *map(float, at),
                        float(np.median([each.first for each in found])),
                        float(np.max([each.first for each in found])),
                        float(np.mean([each.seconds for each in found])),
                    ]
                )
                print(name, one, *(f"{value:.3g}" for value in rows[-1][4:]), flush=True)
    columns = ["set", "targets", "objects", "search", "area", "median", "worst"]
    columns += [f"finds at {n}" for n in SHOWN]
    columns += ["first find, median", "worst", "seconds"]
    settings = {"starts": a.starts, "budget": a.budget, "batch": a.batch, "left out": LEFT_OUT}
    report(a.name, columns, rows, settings)
    peers = [one for one in PEERS if one in a.searches]
    for one in a.searches:
        mean = np.mean([values[one].mean() for values in areas.values()])
        print(f"{one}: mean area {mean:.3f} over {len(areas)} sets")
    if DEFAULT in a.searches and peers and areas:
        print("\n".join(compared(areas, DEFAULT, peers)))


if __name__ == "__main__":
    main()
