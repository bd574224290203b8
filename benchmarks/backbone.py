"""How much of the truth each encoder's embedding carries, on labelled sets of pictures.

python -m benchmarks.backbone --data FOLDER [--minutes 10] [--sets ...] [--encoders ...]

Networks are trained on each set's own pictures for the processor minutes given, without labels,
and named after their method; `NAME shipped` uses the shipped weights. An entry `fusion:PARTS` is a
fusion of those parts. Average precision of a linear probe (5 folds) and of 10 nearest neighbours
(leave one out), with 95 % bootstrap intervals; for some sets also with each target thinned to 1 %.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.backbone_sets import SETS, LabelledSet, labelled_set
from benchmarks.common import arguments, report
from core.config import PretrainConfig
from core.errors import SkysiftError
from core.mapping import NeighbourIndex
from core.metrics import average_precision, average_precision_interval, linear_probe_scores
from core.representation import METHODS, embed, load_embedding
from core.run import pretrain_network
from core.survey import Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

ENCODERS = (
    *("imagenet", "pca", "structure", "peaks", "morphology"),
    *("vicreg", "vicreg shipped", "fusion", "fusion shipped"),
)
SEPARATIONS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
NEIGHBOURS = 10
THINNED, DRAWS = 0.01, 5


@dataclass(frozen=True)
class Entry:
    """An encoder as the command line names it."""

    words: str
    encoder: str
    options: dict[str, str]
    methods: tuple[str, ...]
    """Networks that have to be trained for it."""


def entry(words: str) -> Entry:
    name, _, rest = words.partition(" ")
    name, _, parts = name.partition(":")
    options = {"weights": "shipped"} if rest == "shipped" else {}
    if parts:
        options["parts"] = parts
    trained: tuple[str, ...] = (name,) if name in METHODS and rest != "shipped" else ()
    if name == "fusion" and rest != "shipped":
        named = [one.split(":")[0] for one in parts.split(",")] if parts else ["vicreg"]
        trained = tuple(one for one in named if one in METHODS)
    return Entry(words, name, options, trained)


def values_of(
    workspace: Workspace, survey: Survey, one: Entry, minutes: float, seed: int
) -> NDArray[np.float32]:
    """(N, D) of the entry's encoder, trained first where it has to be; NaN rows become 0."""
    trained = {str(run.config.get("method")) for run in finished_runs(survey, JobKind.PRETRAIN)}
    for method in one.methods:
        if method not in trained:
            config = PretrainConfig(method=method, seed=seed)
            pretrain_network(
                workspace, [survey.name], config, minutes=minutes, clock=time.process_time
            )
    embed(survey, one.encoder, options=one.options)
    return np.nan_to_num(load_embedding(survey, one.encoder).rows())


def neighbour_scores(values: NDArray[np.float32], y: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) share of targets among the nearest others, nearer ones counting more."""
    index = NeighbourIndex(values, np.ones(len(values), bool))
    scores = np.zeros(len(values))
    for row in range(len(values)):
        rows, distances = index.query(row, NEIGHBOURS + 1)
        rows, distances = np.ravel(rows), np.ravel(distances)
        others = rows != row
        weight = 1 / (distances[others][:NEIGHBOURS] + 1e-6)
        scores[row] = np.average(y[rows[others][:NEIGHBOURS]], weights=weight)
    return scores


def thinned_ap(values: NDArray[np.float32], y: NDArray[np.bool_], seed: int) -> float:
    """Mean over draws of the probe's average precision with 1 % targets left."""
    others = np.flatnonzero(~y)
    count = max(5, round(THINNED * len(others)))
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, draw])
        rows = np.concatenate([others, rng.choice(np.flatnonzero(y), count, replace=False)])
        scores = linear_probe_scores(values[rows], y[rows], seed=seed)
        found.append(average_precision(y[rows], scores))
    return float(np.mean(found))


def rows_of(
    name: str, given: LabelledSet, one: Entry, values: NDArray[np.float32], seed: int
) -> list[list[object]]:
    """The table's rows for one set and encoder."""
    rows: list[list[object]] = []
    for target in given.targets:
        y = given.labels == target
        scores = linear_probe_scores(values, y, seed=seed)
        probe = average_precision_interval(y, scores, seed=seed)
        near = average_precision_interval(y, neighbour_scores(values, y), seed=seed)
        thin = thinned_ap(values, y, seed) if given.thin else float("nan")
        rows.append(
            [
                name,
                target,
                one.words,
                values.shape[1],
                probe.value,
                f"{probe.low:.3f} to {probe.high:.3f}",
                near.value,
                f"{near.low:.3f} to {near.high:.3f}",
                thin,
                float(y.mean()),
                *_by_separation(given, target, y, scores),
            ]
        )
    return rows


def _by_separation(
    given: LabelledSet, target: str, y: NDArray[np.bool_], scores: NDArray[np.float64]
) -> list[float]:
    """Average precision of the nuclei of each range of separations against all others."""
    if given.separation_fwhm is None or target != "dual_nucleus":
        return [float("nan")] * (len(SEPARATIONS) - 1)
    found = []
    for low, high in itertools.pairwise(SEPARATIONS):
        inside = y & (given.separation_fwhm >= low) & (given.separation_fwhm < high)
        kept = inside | ~y
        found.append(
            average_precision(inside[kept], scores[kept]) if inside.any() else float("nan")
        )
    return found


def summary(rows: Sequence[Sequence[object]]) -> list[str]:
    """Mean over sets and targets, and on how many each encoder is first."""
    best: dict[tuple[object, object], float] = {}
    by: dict[str, list[tuple[tuple[object, object], float]]] = {}
    for row in rows:
        key, value = (row[0], row[1]), float(str(row[4]))
        best[key] = max(best.get(key, 0.0), value)
        by.setdefault(str(row[2]), []).append((key, value))
    return [
        f"{words}: mean {np.mean([value for _, value in found]):.3f}, first on"
        f" {sum(value >= best[key] for key, value in found)} of {len(best)}"
        for words, found in by.items()
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="backbone", help="of the JSON file with the results")
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    rows: list[list[object]] = []
    for name in a.sets:
        try:
            given = labelled_set(name, workspace, Path(a.data) if a.data else None)
        except SkysiftError as error:
            print(f"{name} is left out: {error}")
            continue
        for words in a.encoders:
            one, began = entry(words), time.monotonic()
            try:
                values = values_of(workspace, given.survey, one, a.minutes, a.seed)
            except SkysiftError as error:
                print(f"{name}, {words}: {error}")
                continue
            rows += rows_of(name, given, one, values, a.seed)
            print(f"{name}, {words}: {time.monotonic() - began:.0f} s", flush=True)
    bins = [f"AP {low} to {high} FWHM" for low, high in itertools.pairwise(SEPARATIONS)]
    columns = ["set", "target", "encoder", "D", "probe AP", "interval", "kNN AP", "interval"]
    columns += ["probe AP at 1 %", "chance", *bins]
    settings = {"seed": a.seed, "minutes": a.minutes, "folds": 5, "neighbours": NEIGHBOURS}
    report(a.name, columns, rows, settings)
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
