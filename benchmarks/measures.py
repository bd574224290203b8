"""Do the label-free measures tell which embedding is good? Rank correlation with probes.

python -m benchmarks.measures [--data FOLDER] [--sets ...]

Of each set, the newest embedding of every encoder that it has (`benchmarks.backbone` on the same
workspace makes them) is measured without labels, and by a linear probe of each target. Spearman's
rank correlation over the encoders, a row a target and measure; signs are turned so that 1 means
that the measure orders the embeddings as the probe does.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.backbone_sets import SETS, labelled_set
from benchmarks.common import arguments, report
from core.errors import SkysiftError
from core.metrics import average_precision, linear_probe_scores
from core.representation import load_embedding
from core.representation.quality import MEASURES, assess_all, embeddings_of
from core.workspace import open_workspace

FEWEST_ENCODERS = 4


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    rows: list[list[object]] = []
    together: dict[str, list[float]] = {}
    for name in a.sets:
        try:
            given = labelled_set(name, workspace, Path(a.data) if a.data else None)
            found = assess_all(given.survey, embeddings_of(given.survey), seed=a.seed).assessments
        except SkysiftError as error:
            print(f"{name} is left out: {error}")
            continue
        if len(found) < FEWEST_ENCODERS:
            print(f"{name} is left out: it has {len(found)} embeddings.")
            continue
        print(f"{name}: {', '.join(one.encoder for one in found)}", flush=True)
        values = [
            np.nan_to_num(load_embedding(given.survey, run_id=one.run_id).rows()) for one in found
        ]
        for target in given.targets:
            y = given.labels == target
            good = [
                average_precision(y, linear_probe_scores(one, y, seed=a.seed)) for one in values
            ]
            for measure in MEASURES:
                numbers = [one.measures.get(measure.name) for one in found]
                known = [row for row, number in enumerate(numbers) if number is not None]
                if len(known) < FEWEST_ENCODERS:
                    continue
                sign = -1 if measure.higher_is_better is False else 1
                taken = [sign * float(numbers[row] or 0.0) for row in known]
                rho = float(spearmanr(taken, [good[row] for row in known]).statistic)
                rows.append([name, target, measure.title, len(known), rho])
                together.setdefault(measure.title, []).append(rho)
    for title, correlations in together.items():
        rows.append(["(mean)", "", title, len(correlations), float(np.nanmean(correlations))])
    columns = ["set", "target", "measure", "encoders", "rank correlation"]
    report("measures", columns, rows, {"seed": a.seed})


if __name__ == "__main__":
    main()
