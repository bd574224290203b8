"""A slim residual network: small enough for two cores, wide enough to tell galaxies apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.representation.inputs.looks import CHANNELS
from core.representation.networks.normalisation import BatchNorm


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions round a shortcut (He et al. 2016); halves the picture if `stride` is 2.

    (B, C_in, H, W) -> (B, C_out, H / stride, W / stride)
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = BatchNorm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = BatchNorm(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                BatchNorm(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return functional.relu(y + self.shortcut(x))


class SlimResNet(nn.Module):
    """Residual backbone with average and maximum pooling side by side.

    A second nucleus is a few pixels wide: the average over the picture dilutes it, the maximum
    keeps it, so both are kept.

    Parameters
    ----------
    channels
        Of the input picture.
    widths
        Channels of the four stages; the picture is halved on entering each.
    blocks
        Residual blocks in each stage.

    Attributes
    ----------
    dimensions
        Length of what comes out: twice the last width.
    """

    def __init__(
        self,
        channels: int = CHANNELS,
        widths: tuple[int, int, int, int] = (16, 32, 64, 128),
        blocks: tuple[int, int, int, int] = (1, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "channels": channels,
            "widths": list(widths),
            "blocks": list(blocks),
        }
        self.dimensions = 2 * widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 5, 2, 2, bias=False),
            BatchNorm(widths[0]),
            nn.ReLU(),
        )
        stages: list[nn.Module] = []
        inside = widths[0]
        for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                stride = 2 if block == 0 and index > 0 else 1
                stages.append(ResidualBlock(inside, width, stride))
                inside = width
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 2C): the mean and the maximum over the picture."""
        y = self.stages(self.stem(x))  # (B, C, H / 16, W / 16)
        return torch.cat([y.mean((2, 3)), y.amax((2, 3))], dim=1)


class Projector(nn.Module):
    """The head behind which a loss is taken; thrown away after pretraining.

    (B, D) -> (B, `outside`), through layers `width` wide. `outside` is `width` where not said.
    """

    def __init__(
        self, dimensions: int, width: int = 256, outside: int | None = None, layers: int = 3
    ) -> None:
        super().__init__()
        found: list[nn.Module] = []
        inside = dimensions
        for _ in range(layers - 1):
            found += [nn.Linear(inside, width, bias=False), BatchNorm(width), nn.ReLU()]
            inside = width
        found.append(nn.Linear(inside, outside or width, bias=False))
        self.layers = nn.Sequential(*found)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out
