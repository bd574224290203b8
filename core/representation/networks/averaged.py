"""A network that follows another one as a moving average, without gradient of its own."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Averaged(nn.Module):
    """A copy of a network whose parameters are moving averages of the network's.

    It starts as the network stands. Batch normalisation goes by the batch that the copy sees;
    averaged statistics lag behind averaged weights, and in trainings of a hundred steps the codes
    learn less by them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """average <- momentum * average + (1 - momentum) * network."""
        for average, value in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(value, 1 - momentum)
