"""FixMatch in AnomalyMatch's manner, from pixels, on the picture sets of the discovery benchmark.

python -m benchmarks.fixmatch --data FOLDER [--sets pictures | NAMES] [--network imagenet | own]
    [--starts 3] [--known 0] [--budget 200] [--batch 10] [--steps 50] [--table]
    [--beside discovery]

The same rows of the same starts, the same oracle and the same area as `benchmarks.discovery`,
whose figures for the default and AADForest, where they are kept in the files of `--beside`, stand
at the end beside its own from the same starts; of several files the last one that has a search on
a set counts.
Published (Gomez et al. 2025, arXiv 2505.03509): EfficientNet-Lite0 with ImageNet's weights and two
classes; half of the labelled pictures of a step are finds; RandAugment and Cutout against flips
and shifts, held to each other where P is .95 at least; descent by Nesterov's rule; what has the
highest P(anomaly) by the trailing average is shown, and the training goes on. Cut: the size of the
pictures, of a step and of a round (`Cut`), and weak views go through the network by themselves, so
that no gradient is reckoned of them. Added, which AnomalyMatch alone has not: until a target is
found Skysift's cold start on its default embedding shows; where only targets are known, ten rows
at random that nobody answered stand for others.

Each start is written to results/NAME.jsonl as it ends, and not run again. Where `--steps`,
`--labelled` or `--unlabelled` are others than the default's, the search is called by them
(fixmatch/steps=200), so that nothing is mixed. `--fresh` forgets what this very search found, on
every set; other networks and cuts stay. `--table` runs nothing and prints what is there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.common import RESULTS, arguments, report
from benchmarks.discovery import (
    LEFT_OUT,
    OTHER,
    TARGET,
    Asked,
    Found,
    Kept,
    opened_sets,
    rare_set,
    search,
    searches_table,
)
from benchmarks.discovery_figures import Areas, area_rows
from benchmarks.discovery_sets import PICTURES, RareSet
from benchmarks.fixmatch_network import Cut, FixMatch, pictures_of
from core.config import LoopConfig
from core.discovery import Engine
from core.discovery.ranking import Pick, Ranking
from core.errors import NotReady
from core.representation.refining import ALONE, Labels
from core.vocabulary import DEFAULT, ScoreKind

NAME = "fixmatch"
SEARCHES = {"imagenet": NAME, "own": f"{NAME}/own"}
"""Network -> what its search is called; the first is AnomalyMatch's."""

BESIDE = (DEFAULT, "aad_forest")
STAND_INS = 10
"""Unanswered rows that stand for others while only targets are known: as many as AnomalyMatch was
given labelled anomalies to start with."""


def called(network: str, cut: Cut) -> str:
    """What the search by that network is called, with what in the cut is not the default's."""
    usual = asdict(Cut())
    own = [f"{key}={value}" for key, value in asdict(cut).items() if value != usual[key]]
    return "/".join([SEARCHES[network], *own])


class FixMatchEngine(Engine):
    """Ranks by a network that is trained on at each call; before a target is answered, as an
    `Engine` does.

    Not pure, unlike an `Engine`: each call goes on from the network of the last.

    Parameters
    ----------
    values
        (N, D) embedding, for the cold start.
    pictures
        (N, 3, y, x) uint8
    """

    def __init__(
        self, values: NDArray[np.float32], pictures: Tensor, network: str, seed: int, cut: Cut
    ) -> None:
        config = LoopConfig(control_share=0.0, seed=seed)
        super().__init__(values, np.ones(len(values), bool), (OTHER, TARGET), TARGET, config)
        self._pictures, self._network, self._cut = pictures, network, cut
        self.fixmatch: FixMatch | None = None

    def rerank(
        self,
        labels: Mapping[int, str],
        excluded: Collection[int] = (),
        n: int | None = None,
        *,
        asked_by: Mapping[int, str] | None = None,
        budget: int | None = None,
        trust: Mapping[int, float] | None = None,
    ) -> Ranking:
        """Train one round and rank by it, however answers are trusted; see `Engine.rerank`."""
        taken = {*labels, *excluded}
        left = np.array([row for row in range(len(self)) if row not in taken], dtype=np.int64)
        if TARGET not in labels.values() or not len(left):
            return super().rerank(
                labels, excluded, n, asked_by=asked_by, budget=budget, trust=trust
            )
        if self.fixmatch is None:
            self.fixmatch = FixMatch(self._network, self._pictures, self.config.seed, self._cut)
        taught = with_stand_ins(labels, left, self.config.seed)
        sure = self.fixmatch.train(taught, left)
        scores = self.fixmatch.scores()
        length = self.config.queue_length if n is None else n
        best = left[np.argsort(-scores[left], kind="stable")][:length]
        return Ranking(
            picks=[
                Pick(row, NAME, float(scores[row]), 1.0, rank)
                for rank, row in enumerate(best.tolist())
            ],
            scores=scores,
            score_kind=ScoreKind.TARGET_PROBABILITY,
            sampler=NAME,
            learner=None,
            state=f"The highest P(target) by FixMatch; it was sure of {sure:.0%} of the rest.",
            n_labels=len(labels),
        )


def with_stand_ins(labels: Mapping[int, str], left: NDArray[np.int64], seed: int) -> Labels:
    """The answers as they are taught; where none is another class, with `STAND_INS` of the
    unanswered rows `left` in its place."""
    index = np.fromiter(labels, dtype=np.int64, count=len(labels))
    is_target = np.array([label == TARGET for label in labels.values()])
    if is_target.all():
        rng = np.random.default_rng([seed, len(labels), 0xD1])
        count = min(STAND_INS, len(left))
        index = np.concatenate([index, rng.choice(left, count, replace=False)])
        is_target = np.concatenate([is_target, np.zeros(count, bool)])
    return Labels(index, np.where(is_target, 0, ALONE))


@lru_cache(maxsize=1)
def pictures_of_set(name: str, workspace: str, data: str | None) -> Tensor:
    """(N, 3, y, x) uint8, a picture for each row of the set of that name.

    Raises
    ------
    NotReady
        It is a table.
    """
    survey = rare_set(name, workspace, data).survey
    if survey is None:
        raise NotReady(f"{name} has no pictures, which FixMatch needs; leave it out.")
    return pictures_of(survey)


def engine_of(
    pictures: Tensor,
    network: str,
    cut: Cut,
    given: RareSet,
    rows: NDArray[np.int64],
    asked: Asked,
) -> Engine:
    """What ranks the (M,) rows of a start."""
    return FixMatchEngine(given.features[rows], pictures[rows], network, asked.start, cut)


def run_all(
    plan: Iterable[Asked], kept: Kept, workspace: str, data: str | None, network: str, cut: Cut
) -> None:
    """Run what is not kept yet, in the order given, and tell each as it ends."""
    for asked in plan:
        if asked not in kept.found:
            pictures = pictures_of_set(asked.set, workspace, data)
            make = partial(engine_of, pictures, network, cut)
            found = search(rare_set(asked.set, workspace, data), asked, make)
            kept.add(asked, found)
            print(told(asked, found), flush=True)


def told(asked: Asked, found: Found) -> str:
    """One line."""
    at = ", ".join(f"{value:.0f}" for value in found.at)
    return (
        f"{asked.set}, start {asked.start}, {asked.known} known: area {found.area:.3f}, finds"
        f" {at}, first at {found.first}, {found.seconds:.0f} s"
    )


def found_in(paths: Iterable[Path]) -> dict[Asked, Found]:
    """What the files hold. Of a search on a set the last file that has it counts, with all its
    starts: another file's may be of other code."""
    every: dict[Asked, Found] = {}
    for path in paths:
        if not path.exists():
            print(f"There is no {path}, so nothing of it stands beside.")
            continue
        found = Kept(path).found
        of_any_start = {replace(asked, start=0) for asked in found}
        for asked in [one for one in every if replace(one, start=0) in of_any_start]:
            del every[asked]
        every |= found
    return every


def beside(
    own: Mapping[Asked, Found], others: Mapping[Asked, Found], plan: list[Asked], known: int
) -> Areas:
    """Set -> search -> (S,) areas from the starts, in order, that all searches shown of that set
    have: of the plan those that ended, and the same by `BESIDE`. A search that has none of the
    starts of those before it is not shown."""
    done = [asked for asked in plan if asked in own and asked.known == known]
    areas: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name in dict.fromkeys(asked.set for asked in done):
        of_set = [asked for asked in done if asked.set == name]
        found: dict[str, dict[int, float]] = {}
        for asked in of_set:
            found.setdefault(asked.search, {})[asked.start] = own[asked].area
        for one in BESIDE:
            same = [replace(asked, search=one) for asked in of_set]
            found[one] = {asked.start: others[asked].area for asked in same if asked in others}
        starts = {asked.start for asked in of_set}
        shown: dict[str, dict[int, float]] = {}
        for one, by_start in found.items():
            if starts & by_start.keys():
                starts &= by_start.keys()
                shown[one] = by_start
        areas[name] = {
            one: np.array([by_start[start] for start in sorted(starts)])
            for one, by_start in shown.items()
        }
    return areas


def main() -> None:
    a = _parsed()
    cut = Cut(a.steps, a.labelled, a.unlabelled)
    searches = {network: called(network, cut) for network in SEARCHES}
    sizes = opened_sets(a.sets, {"pictures": PICTURES}, a.workspace, a.data)
    if not sizes:
        return
    plans = {
        network: [
            Asked(name, one, start, known, a.budget, a.batch)
            for name in sizes
            for known in a.known
            for start in range(a.starts)
        ]
        for network, one in searches.items()
    }
    kept = Kept(RESULTS / f"{a.name}.jsonl")
    if a.fresh:
        kept.forget(searches[a.network])
    if not a.table:
        run_all(plans[a.network], kept, a.workspace, a.data, a.network, cut)
    done = [asked for plan in plans.values() for asked in plan if asked in kept.found]
    if not done:
        print("Nothing has ended yet.")
        return
    settings = asdict(cut) | {"budget": a.budget, "batch": a.batch, "left out": LEFT_OUT}
    report(a.name, *searches_table(kept, done), settings)
    others = found_in(RESULTS / f"{name}.jsonl" for name in a.beside)
    for known in a.known:
        areas = beside(kept.found, others, done, known)
        if areas:
            starts = {name: len(next(iter(found.values()))) for name, found in areas.items()}
            each = ", ".join(f"{name} {count}" for name, count in starts.items())
            print(f"\nArea, mean / worst over the same starts ({each}), {known} known\n")
            columns, rows = area_rows(areas, sizes, a.budget, (*searches.values(), *BESIDE))
            told_of = settings | {"known": known, "starts": starts, "beside": a.beside}
            report(f"{a.name}-{known}", columns, rows, told_of)


def _parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=["pictures"])
    parser.add_argument("--network", choices=SEARCHES, default="imagenet")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--known", nargs="+", type=int, default=[0])
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--steps", type=int, default=Cut.steps, help="of training a round")
    parser.add_argument("--labelled", type=int, default=Cut.labelled, help="pictures a step")
    parser.add_argument("--unlabelled", type=int, default=Cut.unlabelled, help="pictures a step")
    parser.add_argument("--table", action="store_true", help="run nothing, show what is kept")
    parser.add_argument("--name", default="discovery_fixmatch", help="of the files of results")
    parser.add_argument(
        "--beside", nargs="+", default=["discovery"], help="files of results of other searches"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what this search found")
    a = parser.parse_args()
    if a.table and a.fresh:
        parser.error("--table shows what is kept, and --fresh would forget it; give one of them.")
    return a


if __name__ == "__main__":
    main()
