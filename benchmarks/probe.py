"""Linear-probe quality of the embeddings on `simulated`: average precision with its interval.

python -m benchmarks.probe
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import arguments, demo_workspace, embedding_of, report
from core.discovery import read_truth
from core.metrics import average_precision_interval, linear_probe_scores
from core.survey import Survey


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--encoders",
        nargs="+",
        default=["imagenet", "pca", "structure", "peaks", "morphology", "vicreg", "fusion"],
    )
    parser.add_argument("--targets", nargs="+", default=["dual_nucleus", "lens", "artefact"])
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    workspace = demo_workspace(a.workspace, "simulated")
    survey = Survey.open(workspace, "simulated")
    truth = read_truth(workspace.truth("simulated"), survey.object_ids)
    rows = []
    for target in a.targets:
        y = np.array([truth[row] == target for row in range(len(survey))])
        for encoder in a.encoders:
            embedding = embedding_of(workspace, "simulated", encoder)
            scores = linear_probe_scores(embedding.rows(), y, seed=a.seed)
            found = average_precision_interval(y, scores, seed=a.seed)
            top = int(y[np.argsort(-scores)[:200]].sum())
            interval = f"{found.low:.3f} to {found.high:.3f}"
            rows.append([target, encoder, found.value, interval, top, int(y.sum())])
        rows.append([target, "(chance)", float(y.mean()), "", round(200 * float(y.mean()), 1), ""])
    columns = ["target", "encoder", "average precision", "95 % interval", "in top 200", "of"]
    report("probe", columns, rows, {"seed": a.seed, "folds": 5, "n_objects": len(survey)})


if __name__ == "__main__":
    main()
