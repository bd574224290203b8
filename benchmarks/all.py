"""Every benchmark in turn, on one workspace.

python -m benchmarks.all
"""

from __future__ import annotations

import runpy
import sys

from benchmarks.common import arguments

EACH = (
    *("finds", "rerank", "label_speed", "label_storm", "picture_route", "start"),
    *("label_writes", "label_reads", "import_speed"),
    *("two_point", "embed_speed", "pretrain_speed", "backbone", "measures", "progress"),
    *("discovery", "several_targets", "selections", "lookalikes", "map", "catalogue"),
    *("artefact_study", "projections"),
)


def main() -> None:
    a = arguments(__doc__).parse_args()
    for name in EACH:
        print(f"\n{name}\n", flush=True)
        sys.argv = [name, "--workspace", a.workspace]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
