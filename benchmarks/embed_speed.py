"""How fast a network embeds: each way to run it beside plain float32 of the same network.

`python -m benchmarks.embed_speed` times, in turns, in one process: float32 as PyTorch lays it out
(NCHW), float32 channels last, batch normalisation folded in, bf16, and compiled; of each the ratio
to the first and the share of the ten nearest neighbours (on the whitened embedding of 256 objects
of the survey) that are the same. Then the whole job over a survey, from disk to disk.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import arguments, demo_workspace, report
from core.metrics import neighbour_overlap
from core.representation import embed, fast
from core.representation.device import best_device, bf16_is_native
from core.representation.encoders.network import SHIPPED, NetworkEncoder
from core.representation.fast import Forward, exact_forward
from core.representation.methods import load_method
from core.survey import Survey

WAYS = (fast.FOLDED, fast.MIXED, fast.BF16, fast.COMPILED)


def main() -> None:
    """Time and print."""
    parser = arguments(__doc__)
    parser.add_argument("--survey", default="hubble")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--no-compile", action="store_true")
    a = parser.parse_args()
    workspace = demo_workspace(a.workspace, "hubble")
    survey = Survey.open(workspace, a.survey)
    method, _ = load_method(SHIPPED)
    method = method.to(best_device())
    spec = method.spec
    x = torch.rand(
        (a.batch, spec.channels, spec.size_px, spec.size_px),
        generator=torch.Generator().manual_seed(0),
    ).to(best_device())

    plain = copy.deepcopy(method)
    ways: dict[str, Callable[[Tensor], Tensor]] = {"float32, NCHW": plain.codes}
    forwards: dict[str, Forward] = {"float32, channels last": exact_forward(method)}
    for name in WAYS:
        if name != fast.FOLDED and not bf16_is_native():
            continue
        if name == fast.COMPILED and a.no_compile:
            continue
        made = fast.make_forward(method, name)
        if made is not None:
            forwards[name] = made
    ways.update(forwards)
    seconds = _in_turns(ways, x, a.rounds)
    overlaps = _overlaps(survey, forwards)

    base = seconds["float32, NCHW"]
    rows: list[list[Any]] = [
        [
            name,
            a.batch / statistics.median(times),
            statistics.median([b / t for b, t in zip(base, times, strict=True)]),
            overlaps.get(name, 1.0),
        ]
        for name, times in seconds.items()
    ]
    for encoder in ("vicreg", "fusion"):
        began = time.perf_counter()
        made_now = embed(survey, encoder)
        speed = len(made_now.mask) / (time.perf_counter() - began)
        rows.append([f"job: {encoder} of {survey.name}", speed, "", ""])
    report(
        "embed_speed",
        ["way", "pictures a second", "times float32 NCHW", "same neighbours"],
        rows,
        {
            "batch": a.batch,
            "rounds": a.rounds,
            "survey": survey.name,
            "network": "shipped vicreg",
            "device": str(best_device()),
            "threads": torch.get_num_threads(),
            "bf16": bf16_is_native(),
        },
    )


def _in_turns(
    ways: dict[str, Callable[[Tensor], Tensor]], x: Tensor, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each way in each round; one after the other, so that a busy moment meets all."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for name, run in ways.items():
            for _ in range(2):  # the first calls choose kernels and compile
                run(x)
            print(f"ready: {name}", flush=True)
        for _ in range(rounds):
            for name, run in ways.items():
                began = time.perf_counter()
                run(x)
                if x.is_cuda:
                    torch.cuda.synchronize()
                found[name].append(time.perf_counter() - began)
    return found


def _overlaps(survey: Survey, forwards: dict[str, Forward]) -> dict[str, float]:
    """Of each way, on the embedding that the network's encoder makes of 256 objects."""
    encoder: NetworkEncoder = _fitted(survey)
    rows = np.flatnonzero(survey.has_image)
    rows = np.sort(np.random.default_rng(0).choice(rows, min(256, len(rows)), replace=False))
    images = survey.images(rows)

    def embedded(way: Forward) -> Any:
        encoder.way = way
        return encoder.encode(images)

    truth = embedded(forwards["float32, channels last"])
    return {name: neighbour_overlap(truth, embedded(way)) for name, way in forwards.items()}


def _fitted(survey: Survey) -> Any:
    from core.representation import ENCODERS

    encoder = ENCODERS["vicreg"](SHIPPED)
    encoder.fit(survey, lambda _fraction, _message: None)
    return encoder


if __name__ == "__main__":
    main()
