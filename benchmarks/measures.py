"""Do the label-free measures tell which embedding is good? Rank correlation with probes.

python -m benchmarks.measures [--data FOLDER] [--sets ...]

Of each set, the newest embedding of every encoder, with each network and each choice of options
that it has (`benchmarks.backbone` on the same workspace makes them), is measured without labels as
the quality page does it, and by a linear probe of each target. Spearman's rank correlation over
the embeddings, a row a target and measure, signs turned so that 1 means that the measure orders
them as the probe does; its mean over the sets with a 95 % bootstrap interval over the sets; what
the embedding that a measure would pick reaches of the best one's average precision; and how often
the quality page's verdict, and each measure alone, names the better of two that differ by a tenth
or more. Each set is written to results/NAME.jsonl as it ends, and not measured again before it has
other embeddings; `--fresh` forgets what is there.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backbone_sets import SETS, LabelledSet, labelled_set
from benchmarks.common import RESULTS, arguments, report
from benchmarks.kept import Kept
from benchmarks.progress_figures import Look, Series, each_row, is_lower_better, summary
from core.errors import SkysiftError
from core.metrics import average_precision, linear_probe_scores
from core.representation.quality import (
    MEASURES,
    Assessment,
    assess_all,
    embedding_runs,
    embeddings_of,
)
from core.representation.quality.naming import origins
from core.representation.quality.verdict import best_of
from core.survey import RunRecord
from core.workspace import open_workspace

FEWEST_EMBEDDINGS = 4

CLEARLY = 0.9
"""One embedding is better than another where the other's probe has less than this share of its
average precision."""

Picks = Callable[[Sequence[Assessment]], Assessment | None]


@dataclass(frozen=True)
class Measured:
    """The embeddings of one set.

    Attributes
    ----------
    probes
        Of each assessment: target -> average precision of the linear probe.
    """

    set: str
    assessments: tuple[Assessment, ...]
    probes: tuple[dict[str, float], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "set": self.set,
            "assessments": [one.as_dict() for one in self.assessments],
            "probes": list(self.probes),
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Measured:
        found = tuple(Assessment.from_dict(one, {}) for one in kept["assessments"])
        return cls(kept["set"], found, tuple(kept["probes"]))

    def as_series(self) -> Series:
        """With what the verdict picks as a rule beside the measures."""
        looks = [
            Look(number, {m: v for m, v in one.measures.items() if v is not None}, probes)
            for number, (one, probes) in enumerate(
                zip(self.assessments, self.probes, strict=True), 1
            )
        ]
        best = best_of(self.assessments)
        taken = {} if best is None else self.probes[self.assessments.index(best)]
        return Series(self.set, looks, {"the verdict": taken})


def newest(runs: Sequence[RunRecord]) -> list[str]:
    """Run ids of the first of each encoder, network and other options: of runs that come newest
    first, the newest."""
    first: dict[str, str] = {}
    for run in runs:
        networks = list(origins(run.record.get("result") or {}))
        options = {k: v for k, v in (run.config.get("options") or {}).items() if k != "weights"}
        key = json.dumps([run.config["encoder"], networks, options], sort_keys=True)
        first.setdefault(key, run.run_id)
    return list(first.values())


def as_asked(name: str, version: int, runs: Sequence[str], seed: int) -> dict[str, Any]:
    """What the figures of a set rest on: they are measured again as soon as this is another.
    version : of the survey"""
    return {"set": name, "version": version, "runs": sorted(runs), "seed": seed}


def measure(given: LabelledSet, name: str, runs: Sequence[str], seed: int) -> Measured:
    """These embeddings of a set, without labels and with."""
    found = embeddings_of(given.survey, runs=runs)
    probes = []
    for one in found:
        values = np.nan_to_num(np.asarray(one.values, np.float32))
        probes.append(
            {
                target: average_precision(y, linear_probe_scores(values, y, seed=seed))
                for target, y in ((target, given.labels == target) for target in given.targets)
            }
        )
    assessed = assess_all(given.survey, found, seed=seed).assessments
    return Measured(name, assessed, tuple(probes))


def pairs_told(
    assessments: Sequence[Assessment], probes: Sequence[float], picks: Picks = best_of
) -> tuple[int, int, int]:
    """Pairs of embeddings of which one is clearly better (`CLEARLY`): how often it is named, the
    other one is, and neither. probes : average precision of each"""
    right = wrong = left_open = 0
    for (one, a), (other, b) in itertools.combinations(zip(assessments, probes, strict=True), 2):
        if min(a, b) >= CLEARLY * max(a, b):
            continue
        named = picks([one, other])
        if named is None:
            left_open += 1
        elif (named is one) == (a > b):
            right += 1
        else:
            wrong += 1
    return right, wrong, left_open


def told_shares(measured: Sequence[Measured], picks: Picks) -> list[float]:
    """Shares of the pairs told right, wrong and not at all; mean over sets and their targets. NaN
    where no two embeddings of any set are clearly apart."""
    of_sets = []
    for one in measured:
        told = [
            pairs_told(one.assessments, [each[target] for each in one.probes], picks)
            for target in one.probes[0]
        ]
        shares = [np.divide(pair, sum(pair)) for pair in told if any(pair)]
        if shares:
            of_sets.append(np.mean(shares, axis=0))
    if not of_sets:
        return [float("nan")] * 3
    return [float(share) for share in np.mean(of_sets, axis=0)]


def by_measure(name: str) -> Picks:
    """Picks, of two, the embedding whose measure is better by however little; none of equals."""

    def picks(pair: Sequence[Assessment]) -> Assessment | None:
        one, other = pair
        a, b = one.measures.get(name), other.measures.get(name)
        if a is None or b is None or a == b:
            return None
        return one if (a > b) != is_lower_better(name) else other

    return picks


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="measures", help="of the files with the results")
    parser.add_argument("--fresh", action="store_true", help="forget sets of an earlier run")
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    kept = Kept(RESULTS / f"{a.name}.jsonl", fresh=a.fresh)
    measured: list[Measured] = []
    for name in a.sets:
        try:
            given = labelled_set(name, workspace, Path(a.data) if a.data else None)
            runs = newest(embedding_runs(given.survey))
            if len(runs) < FEWEST_EMBEDDINGS:
                print(f"{name} is left out: it has {len(runs)} embeddings.")
                continue
            asked = as_asked(name, given.survey.manifest.version, runs, a.seed)
            if kept.get(asked) is None:
                kept.add(asked, measure(given, name, runs, a.seed).as_dict())
        except SkysiftError as error:
            print(f"{name} is left out: {error}")
            continue
        found = Measured.from_dict(kept.get(asked))
        print(f"{name}: {', '.join(one.encoder for one in found.assessments)}", flush=True)
        measured.append(found)
    if measured:
        _tables(measured, a.name, a.seed)


def _tables(measured: list[Measured], name: str, seed: int) -> None:
    every = [one.as_series() for one in measured]
    sizes = {one.set: len(one.looks) for one in every}
    settings = {"seed": seed, "embeddings": sizes}
    titles = {measure.name: measure.title for measure in MEASURES}
    columns = ["set", "target", "measure", "rank correlation", "picked", "probe AP"]
    rows: list[list[object]] = []
    for one in measured:
        for set_name, target, key, rho, taken, reached, best, most in each_row(one.as_series()):
            called = _called(one, taken), reached, _called(one, best), most
            rows.append([set_name, target, titles[str(key)], rho, *called])
    report(f"{name}_each", [*columns, "best", "best AP"], rows, settings)
    print()
    columns, found = summary(every, "consistency")
    report(name, columns, [[titles.get(str(r[0]), r[0]), *r[1:]] for r in found], settings)
    print()
    rules: dict[str, Picks] = {"the verdict": best_of}
    rules |= {titles[measure]: by_measure(measure) for measure in titles}
    rows = [[rule, *told_shares(measured, picks)] for rule, picks in rules.items()]
    report(f"{name}_pairs", ["rule", "right", "wrong", "left open"], rows, settings)


def _called(one: Measured, number: object) -> str:
    """The encoder of the embedding of that number; "" where none was picked."""
    at = int(str(number))
    return f"{one.assessments[at - 1].encoder} ({at})" if at else ""


if __name__ == "__main__":
    main()
