"""What each augmentation of the standard preset is worth: networks trained without it.

python -m benchmarks.ablation [--set simulated] [--steps 300] [--seeds 0 1]

Each network is trained from scratch for the same steps on the same objects, and nothing else
changes: leaving one augmentation out changes no other draw. Linear-probe average precision of the
network's own 64 components, and the held-out neighbour consistency that training ended with.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from benchmarks.backbone_sets import SETS, labelled_set
from benchmarks.common import arguments, report
from core.config import PretrainConfig
from core.metrics import average_precision, linear_probe_scores
from core.representation import embed
from core.representation.augmentation import preset
from core.run import pretrain_network
from core.workspace import open_workspace

KEPT = ("flip", "quarter_turn")
"""The sky has no up, and no pixel changes: these are not in question."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--set", default="simulated", choices=list(SETS))
    parser.add_argument("--method", default="vicreg")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    given = labelled_set(a.set, workspace, Path(a.data) if a.data else None)
    off = [(), *((one,) for one in preset("standard").given if one not in KEPT)]
    rows: list[list[object]] = []
    for left_out in [*off, None]:
        found, consistency = [], []
        for seed in a.seeds:
            config = PretrainConfig(
                method=a.method,
                steps=a.steps,
                augmentation="standard" if left_out is not None else "strong",
                augmentation_off=left_out or (),
                early_stop=False,
                seed=seed,
            )
            folder = pretrain_network(workspace, [given.survey.name], config)
            ended = json.loads((folder / "config.json").read_text())["result"]
            quality = ended.get("best_quality") or {}
            consistency.append(float(quality.get("neighbour_consistency", np.nan)))
            made = embed(given.survey, a.method, options={"weights": str(folder)})
            values = np.nan_to_num(made.rows())
            found.append(
                [
                    average_precision(y, linear_probe_scores(values, y, seed=seed))
                    for y in (given.labels == target for target in given.targets)
                ]
            )
        words = "strong" if left_out is None else ", ".join(left_out) or "(nothing: standard)"
        rows.append([words, *np.mean(found, axis=0).tolist(), float(np.mean(consistency))])
        print(words, rows[-1][1:], flush=True)
    columns = ["left out", *(f"probe AP {target}" for target in given.targets)]
    settings = {"set": a.set, "method": a.method, "steps": a.steps, "seeds": a.seeds}
    report("ablation", [*columns, "neighbour consistency"], rows, settings)


if __name__ == "__main__":
    main()
