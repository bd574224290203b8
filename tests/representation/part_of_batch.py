"""One of two processes that train together: what some steps of every method give, beside what one
process gets of the whole batch. Run as `part_of_batch.py RANK FOLDER`."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from core.representation.methods import METHODS
from core.representation.weightfiles import write_tensors

WORLD, BATCH, STEPS = 2, 8, 2
NARROW: dict[str, Any] = {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "projector_width": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "vicreg": NARROW,
    "simclr": {**NARROW, "projection": 8},
    "byol": {**NARROW, "projection": 8},
    "moco": {**NARROW, "projection": 8, "queue_length": 20},
    "mae": {"width": 16, "depth": 1, "decoder_width": 16},
    "autoencoder": {},
    "dense_autoencoder": {"widths": [16, 8]},
    "vae": {"latent": 4, "widths": [8, 8, 8, 8]},
    "aae": {"latent": 4, "widths": [8, 8, 8, 8]},
}


def trained(name, rank, world):
    """Losses, gradients and the state after a few steps of plain descent."""
    torch.manual_seed(3)
    cls = METHODS[name]
    method = cls(cls.input_spec(2), SETTINGS.get(name, {})).train()
    part = slice(rank * BATCH // world, (rank + 1) * BATCH // world)
    found = {}
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(step)
        shape = (method.views, BATCH, method.spec.channels, *[method.spec.size_px] * 2)
        pictures = torch.rand(shape, generator=generator)
        loss = method.loss([view[part] for view in pictures])
        method.zero_grad()
        loss.total.backward()
        total = loss.total.detach().clone()
        if world > 1:  # as every trainer does: gradients are averaged over the processes
            distributed.all_reduce(total)
            total /= world
        found[f"{name}/loss/{step}"] = total
        for key, parameter in method.named_parameters():
            if parameter.grad is None:
                continue
            if world > 1:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= world
            found[f"{name}/gradient/{step}/{key}"] = parameter.grad.clone()
            with torch.no_grad():
                parameter.sub_(parameter.grad, alpha=0.05)
        method.after_step((step + 1) / STEPS)
    return found | {f"{name}/state/{key}": one for key, one in method.state_dict().items()}


def main(rank, folder):
    alone: dict[str, torch.Tensor] = {}
    together: dict[str, torch.Tensor] = {}
    for name in METHODS:
        if rank == 0:
            alone |= trained(name, 0, 1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD
    )
    for name in METHODS:
        together |= trained(name, rank, WORLD)
    distributed.destroy_process_group()
    write_tensors(together, folder / f"together-{rank}.safetensors")
    if rank == 0:
        write_tensors(alone, folder / "alone.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]))
