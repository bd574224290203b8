"""A network that follows another one as a moving average, without gradient of its own."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Averaged(nn.Module):
    """A copy of a network whose parameters are moving averages of the network's.

    Parameters
    ----------
    network
        What is copied; the copy starts as the network stands.
    own_statistics
        True: batch normalisation goes by the batch that the copy sees, as in the network itself.
        False: by statistics that are averaged like the parameters (Cai et al. 2021, arXiv
        2101.08482); the codes of a picture then do not depend on the batch it came in.
    """

    def __init__(self, network: nn.Module, own_statistics: bool) -> None:
        super().__init__()
        self.own_statistics = own_statistics
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Averaged:
        super().train(mode)
        self.network.train(mode and self.own_statistics)
        return self

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """average <- momentum * average + (1 - momentum) * network."""
        pairs = list(zip(self.network.parameters(), network.parameters(), strict=True))
        if not self.own_statistics:
            pairs += list(zip(self.network.buffers(), network.buffers(), strict=True))  # type: ignore[arg-type]
        for average, value in pairs:
            if average.is_floating_point():
                average.lerp_(value, 1 - momentum)
            else:
                average.copy_(value)
