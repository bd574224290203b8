"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


class Dense(nn.Sequential):
    """Linear layers from each width to the next, an activation between them but not at the end.

    (B, widths[0]) -> (B, widths[-1])
    """

    def __init__(self, widths: Sequence[int], leak: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(leak)]
        super().__init__(*layers[:-1])
