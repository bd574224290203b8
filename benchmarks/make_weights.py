"""The shipped VICReg weights, made again from the embedded surveys and a seed.

python -m benchmarks.make_weights [--out core/representation/weights]
"""

from __future__ import annotations

from benchmarks.common import arguments
from core.config import PretrainConfig
from core.run import pretrain_network
from core.survey import build_demo, list_surveys
from core.workspace import open_workspace

SURVEYS = ("simulated", "hubble")
CONFIG = PretrainConfig(steps=1000, batch_size=192, seed=0)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--out", default="core/representation/weights")
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    for name in SURVEYS:
        if name not in list_surveys(workspace):
            build_demo(workspace, name)
    print(pretrain_network(workspace, SURVEYS, CONFIG, a.out))


if __name__ == "__main__":
    main()
