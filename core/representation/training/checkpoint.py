"""The whole state of a pretraining on disk, from which a stopped one goes on."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from core.representation.weightfiles import write_tensors
from core.survey.partial import claim_partial, is_held, release_partial
from core.workspace import storage_errors

STATE = "checkpoint.safetensors"
PLAN = "plan.json"
"""Beside it: what the minutes became, so that they are not timed again."""

ABANDONED_DAYS = 30
"""Checkpoints that nobody went on from for so long are removed when another run ends."""

_MODEL, _BEST, _OPTIMISER = "model.", "best.", "optimiser."


def save_checkpoint(
    folder: Path,
    state: dict[str, Any],
    method: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor] | None,
) -> None:
    """Write the weights, the optimiser, the best weights so far and `state` (JSON), at once or
    not at all."""
    tensors = {_MODEL + name: value for name, value in method.state_dict().items()}
    tensors |= {_BEST + name: value for name, value in (best or {}).items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{index}.{key}": value for key, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (STATE + ".partial")
    # A copy of each: tensors that share memory are refused by the format.
    copies = {name: value.detach().clone() for name, value in tensors.items()}
    try:
        write_tensors(copies, partial, metadata={"state": json.dumps(state)})
        partial.replace(folder / STATE)
    finally:
        partial.unlink(missing_ok=True)  # half of it would only fill a full disk further


def load_checkpoint(
    folder: Path, identity: dict[str, Any], method: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Put the weights and the optimiser back; the state and the best weights.

    None, and nothing changed, if there is no checkpoint, it cannot be read, or it was left by
    other settings, other pictures or another version of the network.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as handle:
            state: dict[str, Any] = json.loads(handle.metadata()["state"])
        tensors = load_file(path)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None
    weights = _of(tensors, _MODEL)
    present = method.state_dict()
    if state.get("identity") != json.loads(json.dumps(identity)) or {
        name: value.shape for name, value in weights.items()
    } != {name: value.shape for name, value in present.items()}:
        return None
    method.load_state_dict(weights)
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    kept: dict[int, dict[str, Tensor]] = {}
    for name, value in _of(tensors, _OPTIMISER).items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        if value.shape == like.shape:
            # The fused optimiser walks through memory: the moments must lie as the weights do.
            value = torch.empty_like(like, requires_grad=False).copy_(value)
        kept.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": kept, "param_groups": groups})
    return state, _of(tensors, _BEST)


@contextlib.contextmanager
def claimed_checkpoint(folder: Path, what: str) -> Iterator[Path]:
    """Hold the folder of a training's state for this process: FOLDER.partial, as it was left.

    It stays for the next one to go on from, unless the body removes it or saved no state.

    Raises
    ------
    InUse
        Another process trains by it.
    """
    with storage_errors(folder):
        partial = claim_partial(folder, what, lambda left: (left / PLAN).exists())
    try:
        yield partial
    finally:
        if kept_step(partial) is None:  # a plan alone is soon made again
            shutil.rmtree(partial, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # unless another's is in it
        else:
            with contextlib.suppress(OSError):  # a full disk: the next one finds this one gone
                release_partial(partial)


def kept_step(folder: Path) -> int | None:
    """Steps done in the state that the folder holds; None where it holds none."""
    try:
        with safe_open(folder / STATE, "pt") as handle:
            return int(json.loads(handle.metadata()["state"])["step"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a training that ended, and trainings' beside it that were
    abandoned."""
    shutil.rmtree(folder, ignore_errors=True)
    limit = time.time() - ABANDONED_DAYS * 86400
    with contextlib.suppress(OSError):
        for other in folder.parent.iterdir():
            trained = (other / STATE).exists() or (other / PLAN).exists()
            if trained and other.stat().st_mtime < limit and not is_held(other):
                shutil.rmtree(other, ignore_errors=True)
        folder.parent.rmdir()  # unless another run's is in it


def _of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
