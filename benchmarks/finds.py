"""Dual nuclei found on `simulated` by many samplers beside random, with an oracle answering.

Each on the embedding that the app uses; the default sampler on the other encoders too.

python -m benchmarks.finds [--seeds 5] [--budget 200] [--samplers NAMES]
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import arguments, demo_workspace, embedding_of, report
from core.config import LoopConfig
from core.discovery import Engine, read_truth, simulate
from core.representation import DEFAULT_ENCODER
from core.survey import Survey
from core.vocabulary import DEFAULT

TARGET = "dual_nucleus"
RANDOM = "random"
SAMPLERS = (
    *("portfolio", "ens", "positive_unlabelled", "margin", "vote_entropy", "bald", "badge"),
    *("anomaly", "diverse", "typiclust", "astronomaly", "protege", "pine_forest", "aad_forest"),
)
SHOWN = (50, 100, 200)
SEPARATION_BINS = (0.5, 1.0, 2.0, 3.0, 4.0)
"""Edges in units of the PSF's full width at half maximum."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument(
        "--others", nargs="*", default=["vicreg", "structure", "morphology", "pca"]
    )
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS))
    a = parser.parse_args()
    workspace = demo_workspace(a.workspace, "simulated")
    survey = Survey.open(workspace, "simulated")
    path = workspace.truth("simulated")
    truth = read_truth(path, survey.object_ids)
    table = pd.read_csv(path, dtype={"object_id": str}).set_index("object_id")
    separation = table["separation_fwhm"].reindex(survey.object_ids).to_numpy()
    classes = (TARGET, *sorted(set(truth.values()) - {TARGET}))
    targets = np.array([truth.get(row) == TARGET for row in range(len(survey))])
    bins = list(pairwise(SEPARATION_BINS))
    rows: list[list[Any]] = []
    plan = {DEFAULT_ENCODER: (DEFAULT, *a.samplers, RANDOM)}
    plan |= dict.fromkeys(a.others, (DEFAULT,))
    for encoder, samplers in plan.items():
        embedding = embedding_of(workspace, "simulated", encoder)
        values = embedding.rows()
        for sampler in samplers:
            finds, recall = [], []
            for seed in range(a.seeds):
                config = LoopConfig(sampler=sampler, queue_length=100, seed=seed)
                engine = Engine(values, embedding.mask, classes, TARGET, config)
                done = simulate(engine, truth, a.budget, a.batch)
                curve = dict(zip(done.labels, done.finds, strict=True))
                finds.append([curve.get(n, float("nan")) for n in SHOWN])
                found = np.zeros(len(survey), bool)
                found[[step.pick.row for step in done.order if step.answer == TARGET]] = True
                recall.append(
                    [
                        found[targets & (separation >= low) & (separation < high)].mean()
                        for low, high in bins
                    ]
                )
            mean = np.mean(finds, axis=0)
            spread = np.array(finds)[:, -1].astype(int)
            print(encoder, sampler, *mean, flush=True)
            rows.append(
                [
                    encoder,
                    sampler,
                    *map(float, mean),
                    f"{spread.min()} to {spread.max()}",
                    *(f"{value:.2f}" for value in np.mean(recall, axis=0)),
                ]
            )
    at_random = next(float(row[4]) for row in rows if row[1] == RANDOM)
    for row in rows:
        row.insert(6, f"{float(row[4]) / max(at_random, 1e-9):.1f}")
    columns = ["encoder", "sampler", *(f"finds at {n}" for n in SHOWN), "range at 200"]
    columns += ["x random", *(f"recall {low:g}-{high:g} FWHM" for low, high in bins)]
    settings = {"target": TARGET, "n_targets": int(targets.sum()), "n_objects": len(survey)}
    settings.update(seeds=a.seeds, budget=a.budget, batch=a.batch)
    report("finds", columns, rows, settings)


if __name__ == "__main__":
    main()
