"""How fast a step of pretraining is beside the same step in eager float32, channels first.

Steps of both alternate in one run. Processor seconds count beside those on the clock, which other
programs lengthen.

    python -m benchmarks.pretrain_speed
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.common import arguments, report
from core.config import PretrainConfig
from core.representation import METHODS
from core.representation.device import autocast, best_device, bf16_is_native
from core.representation.training.loop import Trainer
from core.representation.training.views import random_numbers, views_of

COUNT, ROUNDS = 1000, 5


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--methods", nargs="+", default=["vicreg"], choices=sorted(METHODS))
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(COUNT, 3, 128, 128, generator=generator).half()
    rows = []
    for name in a.methods:
        config = PretrainConfig(method=name, batch_size=a.batch)
        ours, plain = (
            Trainer(lambda i: pictures[i].float(), COUNT, config, fast=fast)
            for fast in (True, False)
        )
        taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        drawn = []
        for step in range(ROUNDS + 1):
            for trainer in (ours, plain):
                taken[trainer.fast].append(_timed(partial(trainer.step, step)))
            drawn.append(_timed(partial(_views, ours, step)))
        fast, slow, views = (
            [min(one[i] for one in times[1:]) for i in (0, 1)]  # the first of each allocates
            for times in (taken[True], taken[False], drawn)
        )
        rows.append(
            [
                name,
                a.batch / fast[1],
                slow[1] / fast[1],
                fast[0],
                slow[0],
                slow[0] / fast[0],
                (slow[0] - views[0]) / (fast[0] - views[0]),
                views[0] / fast[0],
            ]
        )
    report(
        "pretrain_speed",
        [
            "method",
            "objects/s",
            "times as fast (clock)",
            "processor s/step",
            "eager float32",
            "times as fast (processor)",
            "without the views",
            "views, part of a step",
        ],
        rows,
        {
            "batch": a.batch,
            "threads": a.threads,
            "device": str(best_device()),
            "bf16": bf16_is_native(),
            "rounds": ROUNDS,
        },
    )


def _views(trainer: Trainer, step: int) -> None:
    batch = trainer.batch
    pictures = trainer.fetch(trainer.order(step, batch)).to(best_device())
    with autocast(enabled=False):
        views_of(trainer.method, pictures, trainer.recipe, random_numbers(step), (0, batch))


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Processor seconds and seconds on the clock."""
    processor, clock = time.process_time(), time.perf_counter()
    act()
    if best_device().type == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - processor, time.perf_counter() - clock


if __name__ == "__main__":
    main()
