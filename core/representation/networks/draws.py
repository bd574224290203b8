"""Random numbers of a training step that a run taken up again draws alike."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from core.representation.training.gathering import processes


class Draws(nn.Module):
    """Normal numbers by seed and step, both of them state and so kept with a checkpoint.

    With several processes each takes its part of what one would draw for the whole batch.
    """

    seed: Tensor
    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def normal(self, count: int, dimensions: int, device: torch.device, part: int = 0) -> Tensor:
        """(count, dimensions) for this step; each `part` of a step has its own."""
        world = processes()
        rank = distributed.get_rank() if world > 1 else 0
        generator = torch.Generator()
        # The generator keeps the low 32 bits of a seed.
        mixed = int(self.seed) * 1_000_003 + 16 * int(self.step) + part
        generator.manual_seed(mixed % 2**32)
        drawn = torch.randn(world * count, dimensions, generator=generator)
        return drawn[rank * count : (rank + 1) * count].to(device)

    def advance(self) -> None:
        """To the next step."""
        self.step += 1
