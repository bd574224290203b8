"""A network whose weights trail those of another one: the one that is kept."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

MOMENTUM = 0.99
"""As in FixMatch and AnomalyMatch."""


class Trailing(nn.Module):
    """An exponential moving average of a network, parameters and buffers alike.

    The momentum rises with the steps, min(0.99, (1 + t) / (10 + t)): in a hundred steps a steady
    0.99 would keep a third of what the network was before.
    """

    step: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """average <- momentum * average + (1 - momentum) * network; counts are taken over."""
        self.step += 1
        t = int(self.step)
        momentum = min(MOMENTUM, (1 + t) / (10 + t))
        present = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(present[name], 1 - momentum)
            else:
                average.copy_(present[name])

    def train(self, mode: bool = True) -> Trailing:  # noqa: ARG002 (an average is never trained)
        return self
