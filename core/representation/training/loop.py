"""Pretraining of a network without labels, resumable after a crash."""

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
from core.representation.augmentation.augment import ViewRecipe, random_view
from core.representation.device import autocast, best_device
from core.representation.inputs.looks import as_channels
from core.representation.methods.method import Method, method_named
from core.representation.weightfiles import write_tensors

CHECKPOINT_EVERY = 100
WARM_UP = 0.05

Fetch = Callable[[Tensor], Tensor]
"""(B,) indices -> (B, bands, FINE_PX, FINE_PX) scaled pictures."""


@dataclass(frozen=True)
class PretrainResult:
    """The trained method and one record of the loss and its parts every few steps."""

    method: Method
    history: list[dict[str, float]]


def pretrain(
    fetch: Fetch,
    count: int,
    config: PretrainConfig,
    *,
    bands: int = 3,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> PretrainResult:
    """Train a fresh network on `count` pictures by the method that the config names.

    Parameters
    ----------
    fetch
        Gives the scaled pictures of an index tensor.
    bands
        Of these pictures.
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
    cls = method_named(config.method)
    method = cls(cls.input_spec(bands), config.settings)
    method.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        [one for one in method.parameters() if one.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    generator = torch.Generator().manual_seed(config.seed)
    recipe = ViewRecipe().times(config.augmentation_strength)
    history: list[dict[str, float]] = []
    start = 0
    if checkpoint is not None:
        start = _restore(checkpoint, config, method, optimiser, generator, history)
    method.train()
    began = time.monotonic()
    for step in range(start, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        rows = torch.randint(count, (batch,), generator=generator)
        views = _views(method, fetch(rows).to(device), recipe, generator)
        with autocast():
            loss = method.loss(views)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        optimiser.step()
        method.after_step((step + 1) / config.steps)
        if step % 20 == 0 or step == config.steps - 1:
            record = {"step": float(step), "loss": loss.total.item()}
            record.update({name: loss.parts[name].item() for name in method.parts})
            history.append(record)
            left = (time.monotonic() - began) / (step - start + 1) * (config.steps - step - 1)
            progress(
                (step + 1) / config.steps,
                f"step {step + 1} of {config.steps}, loss {record['loss']:.2f}, {left:.0f} s left",
            )
        if checkpoint is not None and (step + 1) % CHECKPOINT_EVERY == 0:
            _save(checkpoint, step + 1, config, method, optimiser, generator, history)
    method.eval()
    return PretrainResult(method.to("cpu"), history)


def _views(
    method: Method, pictures: Tensor, recipe: ViewRecipe, generator: torch.Generator
) -> list[Tensor]:
    """What the method's loss takes: views of the pictures, as the network sees them."""
    spec = method.spec
    looks = torch.randint(spec.images, (len(pictures),), generator=generator)
    drawn = recipe if method.augments else recipe.times(0)
    found = []
    for _ in range(method.views):
        view = random_view(pictures, drawn, generator, looks=looks, size_px=spec.size_px)
        seen = as_channels(view) if spec.kind == "looks" else view
        found.append(seen.contiguous(memory_format=torch.channels_last))
    return found


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
