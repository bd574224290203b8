"""VICReg pretraining of the residual network, resumable after a crash."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from core.config import PretrainConfig
from core.errors import BadInput
from core.progress import Progress, silent
from core.representation.augment import ViewRecipe, random_view
from core.representation.device import autocast, best_device
from core.representation.looks import CHANNELS
from core.representation.network import Projector, SlimResNet
from core.representation.vicreg_loss import vicreg_loss
from core.representation.weightfiles import write_tensors

CHECKPOINT_EVERY = 100
WARM_UP = 0.05

Fetch = Callable[[Tensor], Tensor]
"""(B,) indices -> (B, channel, INPUT_PX, INPUT_PX) pictures as the network sees them."""


@dataclass(frozen=True)
class PretrainResult:
    """The trained network and one record of the loss terms every few steps."""

    network: SlimResNet
    history: list[dict[str, float]]


def pretrain(
    fetch: Fetch,
    count: int,
    config: PretrainConfig,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    channels: int = CHANNELS,
) -> PretrainResult:
    """Train a fresh network on `count` pictures by VICReg.

    Parameters
    ----------
    fetch
        Gives the scaled pictures of an index tensor.
    checkpoint
        Folder in which the state is kept every hundred steps; if it holds one of the same config,
        training goes on from there and ends with the weights of an unbroken run.
    progress
        May raise `Cancelled`.
    """
    batch = min(config.batch_size, count)
    if batch < 4:
        raise BadInput(
            f"Pretraining needs at least 4 pictures, but the survey has {count}; import more or"
            " use the shipped weights (`embed` without pretraining)."
        )
    torch.manual_seed(config.seed)
    device = best_device()
    network = SlimResNet(channels)
    projector = Projector(network.dimensions)
    both = torch.nn.ModuleDict({"network": network, "projector": projector})
    both.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        both.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    generator = torch.Generator().manual_seed(config.seed)
    recipe = ViewRecipe().times(config.augmentation_strength)
    history: list[dict[str, float]] = []
    start = 0
    if checkpoint is not None:
        start = _restore(checkpoint, config, both, optimiser, generator, history)
    both.train()
    began = time.monotonic()
    for step in range(start, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        rows = torch.randint(count, (batch,), generator=generator)
        pictures = fetch(rows).to(device)
        views = [random_view(pictures, recipe, generator) for _ in range(2)]
        with autocast():
            stacked = torch.cat(views).contiguous(memory_format=torch.channels_last)
            projected = projector(network(stacked)).float()
        terms = vicreg_loss(
            projected[:batch],
            projected[batch:],
            config.invariance_weight,
            config.variance_weight,
            config.covariance_weight,
        )
        optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        optimiser.step()
        if step % 20 == 0 or step == config.steps - 1:
            record = {
                "step": float(step),
                "loss": terms.total.item(),
                "invariance": terms.invariance.item(),
                "variance": terms.variance.item(),
                "covariance": terms.covariance.item(),
            }
            history.append(record)
            left = (time.monotonic() - began) / (step - start + 1) * (config.steps - step - 1)
            progress(
                (step + 1) / config.steps,
                f"step {step + 1} of {config.steps}, loss {record['loss']:.2f}, {left:.0f} s left",
            )
        if checkpoint is not None and (step + 1) % CHECKPOINT_EVERY == 0:
            _save(checkpoint, step + 1, config, both, optimiser, generator, history)
    network.eval()
    return PretrainResult(network.to("cpu"), history)


def _schedule(fraction: float) -> float:
    if fraction < WARM_UP:
        return (fraction + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))


def _optimiser_tensors(
    optimiser: torch.optim.Optimizer,
) -> Iterator[tuple[str, dict[str, Any], str]]:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        state = optimiser.state[parameter]
        for key in ("step", "exp_avg", "exp_avg_sq"):
            yield f"optimiser.{index}.{key}", state, key


def _save(
    folder: Path,
    step: int,
    config: PretrainConfig,
    both: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    history: list[dict[str, float]],
) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in both.state_dict().items()}
    for name, state, key in _optimiser_tensors(optimiser):
        tensors[name] = state[key].contiguous()
    tensors["generator"] = generator.get_state()
    folder.mkdir(parents=True, exist_ok=True)
    meta = json.dumps({"step": step, "config": config.as_dict(), "history": history})
    partial = folder / "checkpoint.safetensors.partial"
    write_tensors(tensors, partial, metadata={"state": meta})
    partial.replace(folder / "checkpoint.safetensors")


def _restore(
    folder: Path,
    config: PretrainConfig,
    both: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    history: list[dict[str, float]],
) -> int:
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, "pt") as handle:
        meta = json.loads(handle.metadata()["state"])
    if meta["config"] != config.as_dict():
        return 0
    tensors = load_file(path)
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    shapes = {k: v.shape for k, v in weights.items()}
    if shapes != {k: v.shape for k, v in both.state_dict().items()}:
        return 0  # left by another version of the network
    both.load_state_dict(weights)
    for parameter in (p for group in optimiser.param_groups for p in group["params"]):
        optimiser.state[parameter] = {}
    for name, state, key in _optimiser_tensors(optimiser):
        state[key] = tensors[name]
    generator.set_state(tensors["generator"])
    history.extend(meta["history"])
    return int(meta["step"])


def steps_within(
    fetch: Fetch, count: int, config: PretrainConfig, seconds: float
) -> PretrainConfig:
    """The same settings with as many steps as fit into `seconds`, by timing a few of them.

    A time budget becomes a step count once, and the count is what is saved: so a run repeats.
    """
    trial = replace(config, steps=4)
    pretrain(fetch, count, replace(config, steps=1))
    began = time.monotonic()
    pretrain(fetch, count, trial)
    each = (time.monotonic() - began) / trial.steps
    return replace(config, steps=max(1, int(seconds / each)))
