"""Finds of the rare class by every search beside its peers and chance, with an oracle answering.

python -m benchmarks.discovery --data FOLDER [--sets development | earlier | report | NAMES]
    [--searches NAMES] [--starts 10] [--known 0 1] [--budget 200] [--batch 10] [--jobs 2]

A search is SAMPLER or SAMPLER/LEARNER. Every start leaves out another tenth of the rows (and
of a class made rare, all but another few) and has another seed, so that searches without any
chance in them start differently too. `--known 0` starts
from nothing, `--known 1` from one target at random. Area: that under the finds curve, divided by
that of an ideal searcher (1 = every answer a find until none is left).

Each search is written to results/NAME.jsonl as it ends, and not run again: what was cut off goes
on, and searches added later join the table. `--fresh` forgets what is there, as is due when the
code of a search was changed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, arguments, report
from benchmarks.discovery_figures import Areas, area_rows, compared
from benchmarks.discovery_sets import DEVELOPMENT, EARLIER, REPORT, RareSet
from benchmarks.kept import Kept as KeptPairs
from core.config import LoopConfig
from core.discovery import Engine, simulate
from core.discovery.simulate import known_targets
from core.errors import SkysiftError
from core.metrics import discovery_area
from core.vocabulary import DEFAULT
from core.workspace import open_workspace

OURS = (DEFAULT, "ens", "portfolio", "positive_unlabelled")
PEERS = (
    *("astronomaly", "protege", "protege_plain", "pine_forest", "aad_forest"),
    *("uncertainty", "vote_entropy"),
)
LEFT_OUT = 0.1
SHOWN = (50, 100, 200)
TARGET, OTHER = "target", "other"


@dataclass(frozen=True)
class Asked:
    """One search from one start; `known` targets are there before the first answer."""

    set: str
    search: str
    start: int
    known: int
    budget: int
    batch: int


@dataclass(frozen=True)
class Found:
    """What it found: area, finds after so many answers of SHOWN, answers until the first find
    (None if there was none). `seconds` are the processor's."""

    area: float
    at: tuple[float, ...]
    first: int | None
    seconds: float
    targets: int
    objects: int


MakeEngine = Callable[[RareSet, NDArray[np.int64], Asked], Engine]
"""Makes what ranks the (M,) rows of a start."""


def engine_of(given: RareSet, rows: NDArray[np.int64], asked: Asked) -> Engine:
    """Skysift's, by the sampler and learner that are asked for. The control sample is left out: it
    would be the same for all."""
    values = given.features[rows]
    sampler, _, learner = asked.search.partition("/")
    config = LoopConfig(
        sampler=sampler, learner=learner or DEFAULT, control_share=0.0, seed=asked.start
    )
    return Engine(values, np.ones(len(values), bool), (OTHER, TARGET), TARGET, config)


def search(given: RareSet, asked: Asked, make: MakeEngine = engine_of) -> Found:
    """Run one search."""
    rows = given.drawn(asked.start, LEFT_OUT)
    began = time.process_time()
    engine = make(given, rows, asked)
    truth = {n: TARGET if hit else OTHER for n, hit in enumerate(given.is_target[rows].tolist())}
    known = known_targets(truth, TARGET, asked.known, asked.start)
    done = simulate(engine, truth, asked.budget, asked.batch, known=known)
    curve = np.cumsum(done.is_target)
    return Found(
        area=discovery_area(curve, done.n_targets),
        at=tuple(float(curve[min(n, len(curve)) - 1]) for n in SHOWN),
        first=done.first_find,
        seconds=time.process_time() - began,
        targets=given.n_targets,
        objects=given.n_objects,
    )


@lru_cache(maxsize=1)
def rare_set(name: str, workspace: str, data: str | None) -> RareSet:
    """The set of that name, kept until another is asked for."""
    every = {**DEVELOPMENT, **EARLIER, **REPORT}
    return every[name](open_workspace(workspace), Path(data) if data else None)


def opened_sets(
    asked_for: Sequence[str], groups: Mapping[str, Sequence[str]], workspace: str, data: str | None
) -> dict[str, tuple[int, int]]:
    """Set -> (targets, objects), of sets or groups of them; one that cannot be had is left out and
    why is printed."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in [one for asked in asked_for for one in groups.get(asked, [asked])]:
        try:
            given = rare_set(name, workspace, data)
        except (SkysiftError, KeyError) as error:
            print(f"{name} is left out: {error}")
        else:
            sizes[name] = given.n_targets, given.n_objects
            print(f"{name}: {sizes[name][0]} targets among {sizes[name][1]} objects", flush=True)
    return sizes


def run_search(asked: Asked, workspace: str, data: str | None) -> Found:
    """`search` on the set named."""
    return search(rare_set(asked.set, workspace, data), asked)


class Kept:
    """The searches that ended, in a file of `benchmarks.kept.Kept`."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self._kept = KeptPairs(path, fresh=fresh)
        self.found = {
            Asked(**asked): Found(**{**found, "at": tuple(found["at"])})
            for asked, found in self._kept.pairs()
        }

    def add(self, asked: Asked, found: Found) -> None:
        """Keep one, on disk before this returns."""
        self._kept.add(asdict(asked), asdict(found))
        self.found[asked] = found

    def forget(self, search: str) -> None:
        """Drop all that the search of that name found, in the file too."""
        self._kept.forget(lambda asked: bool(asked["search"] == search))
        self.found = {
            asked: found for asked, found in self.found.items() if asked.search != search
        }


def run_all(
    plan: Iterable[Asked], kept: Kept, workspace: str, data: str | None, jobs: int
) -> None:
    """Run what is not kept yet, in the order given."""
    left = [asked for asked in plan if asked not in kept.found]
    for asked, found in _ended(left, workspace, data, jobs):
        kept.add(asked, found)


def _ended(
    left: list[Asked], workspace: str, data: str | None, jobs: int
) -> Iterator[tuple[Asked, Found]]:
    if jobs == 1:
        for asked in left:
            yield asked, run_search(asked, workspace, data)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(run_search, asked, workspace, data) for asked in left]
        for asked, future in zip(left, waiting, strict=True):
            yield asked, future.result()


def estimate(plan: list[Asked], kept: Kept, sizes: dict[str, int]) -> str:
    """What the plan still costs, by the first start of each search on the smallest and the
    largest set, in between in proportion to the objects. sizes : set -> objects"""
    small, large = min(sizes, key=lambda name: sizes[name]), max(sizes, key=lambda n: sizes[n])
    at = {
        (one.set, one.search, one.known): found.seconds
        for one, found in kept.found.items()
        if one.start == 0 and one.set in (small, large)
    }
    total = 0.0
    for asked in plan:
        if asked not in kept.found:
            low, high = (at[where, asked.search, asked.known] for where in (small, large))
            span = max(sizes[large] - sizes[small], 1)
            total += low + (high - low) * (sizes[asked.set] - sizes[small]) / span
    return f"{total / 60:.0f} minutes of one core are left, estimated on {small} and {large}"


def searches_table(kept: Kept, plan: list[Asked]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows with a set and a search a row, every start taken together."""
    groups: dict[tuple[str, str, int], list[Found]] = {}
    for asked in plan:
        groups.setdefault((asked.set, asked.search, asked.known), []).append(kept.found[asked])
    rows: list[list[object]] = []
    for (name, one, known), found in groups.items():
        own = np.array([each.area for each in found])
        first = np.array([each.first or np.inf for each in found])
        at = np.mean([each.at for each in found], axis=0)
        rows.append(
            [
                *(name, found[0].targets, found[0].objects, one, known, len(found)),
                *(float(own.mean()), float(np.median(own)), float(own.min())),
                *(float(value) for value in at),
                *(float(np.median(first)), float(first.max())),
                float(np.mean([each.seconds for each in found])),
            ]
        )
    columns = ["set", "targets", "objects", "search", "known", "starts", "area", "median"]
    columns += ["worst", *(f"finds at {n}" for n in SHOWN)]
    return [*columns, "first find, median", "latest", "seconds"], rows


def areas_of(kept: Kept, plan: list[Asked], known: int) -> Areas:
    """Set -> search -> (S,) areas from so many known targets, starts in order."""
    areas: dict[str, dict[str, list[float]]] = {}
    for asked in plan:
        if asked.known == known:
            found = areas.setdefault(asked.set, {}).setdefault(asked.search, [])
            found.append(kept.found[asked].area)
    return {
        name: {one: np.array(values) for one, values in found.items()}
        for name, found in areas.items()
    }


def main() -> None:
    a = _parsed()
    groups = {
        "development": list(DEVELOPMENT),
        "earlier": list(EARLIER),
        "report": list(REPORT),
    }
    sizes = opened_sets(a.sets, groups, a.workspace, a.data)
    if not sizes:
        return
    plan = [
        Asked(name, one, start, known, a.budget, a.batch)
        for name in sizes
        for known in a.known
        for one in a.searches
        for start in range(min(a.starts, a.slow_starts) if one in a.slow else a.starts)
    ]
    kept = Kept(RESULTS / f"{a.name}.jsonl", fresh=a.fresh)
    objects = {name: size[1] for name, size in sizes.items()}
    ends = {min(objects, key=lambda n: objects[n]), max(objects, key=lambda n: objects[n])}
    first = [one for one in plan if one.start == 0 and one.set in ends]
    run_all(first, kept, a.workspace, a.data, a.jobs)
    print(estimate(plan, kept, objects), flush=True)
    run_all(plan, kept, a.workspace, a.data, a.jobs)

    settings = {"starts": a.starts, "budget": a.budget, "batch": a.batch, "left out": LEFT_OUT}
    report(a.name, *searches_table(kept, plan), settings)
    peers = [one for one in PEERS if one in a.searches]
    for known in a.known:
        areas = areas_of(kept, plan, known)
        print(f"\nArea, mean / worst over the starts, {known} known\n")
        settings["known"] = known
        report(f"{a.name}-{known}", *area_rows(areas, sizes, a.budget, a.searches), settings)
        for ours in a.searches if peers else ():
            if ours not in PEERS:
                found = compared(areas, ours, peers)
                print("\n".join(found.sentences(ours)))
                if ours == DEFAULT:
                    for name, share in found.share.items():
                        print(f"  {name}: {share:.2f} x {found.best[name]}")


def _parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=["development"])
    parser.add_argument("--searches", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--slow", nargs="*", default=[], help="searches with fewer starts")
    parser.add_argument("--slow-starts", type=int, default=5)
    parser.add_argument("--known", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--name", default="discovery", help="of the files with the results")
    parser.add_argument("--fresh", action="store_true", help="forget searches of an earlier run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
