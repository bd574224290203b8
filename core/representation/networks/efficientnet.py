"""EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946; the Lite variant for devices, 2020).

Lite: ReLU6 instead of swish, no squeeze-and-excitation, stem and head of fixed width. The names of
parameters are those of the published weights, which load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = (
    # blocks, expansion, kernel, stride, channels
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
_EPSILON = 1e-3

STAGE_NAMES = tuple(f"stage{number}" for number in range(1, len(STAGES) + 1))
LAYERS = ("stem", *STAGE_NAMES, "pooled", "classifier")
"""What may be asked for: means over the picture of a stage, of the head, or the 1,000 classes."""


def _same(channels_in: int, channels_out: int, kernel: int, stride: int, groups: int) -> nn.Conv2d:
    """A convolution that halves an even side where the stride is 2."""
    return nn.Conv2d(
        channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
    )


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018): widen, convolve each channel, narrow."""

    def __init__(
        self, channels_in: int, channels_out: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        inside = channels_in * expansion
        self._widens = expansion > 1
        if self._widens:
            self._expand_conv = nn.Conv2d(channels_in, inside, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inside, _EPSILON)
        self._depthwise_conv = _same(inside, inside, kernel, stride, inside)
        self._bn1 = nn.BatchNorm2d(inside, _EPSILON)
        self._project_conv = nn.Conv2d(inside, channels_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels_out, _EPSILON)
        self._adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / stride, W / stride)"""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._widens else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y


class EfficientNetLite0(nn.Module):
    """(B, 3, H, W) pictures, scaled as they were in training -> what a layer says."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _same(3, STEM, 3, 2, 1)
        self._bn0 = nn.BatchNorm2d(STEM, _EPSILON)
        blocks: list[nn.Module] = []
        inside = STEM
        self._ends: dict[str, int] = {}
        for name, (count, expansion, kernel, stride, channels) in zip(
            STAGE_NAMES, STAGES, strict=True
        ):
            for number in range(count):
                step = stride if number == 0 else 1
                blocks.append(Block(inside, channels, expansion, kernel, step))
                inside = channels
            self._ends[name] = len(blocks)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inside, HEAD, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD, _EPSILON)
        self._fc = nn.Linear(HEAD, CLASSES)

    def layer(self, x: Tensor, name: str = "pooled") -> Tensor:
        """(B, 3, H, W) -> (B, D) of one of `LAYERS`; nothing beyond it is computed."""
        y = functional.relu6(self._bn0(self._conv_stem(x)))
        if name == "stem":
            return y.mean((2, 3))
        for block in self._blocks[: self._ends.get(name)]:
            y = block(y)
        if name in self._ends:
            return y.mean((2, 3))
        pooled = functional.relu6(self._bn1(self._conv_head(y))).mean((2, 3))
        if name == "pooled":
            return pooled
        classes: Tensor = self._fc(pooled)
        return classes

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1000) before the softmax."""
        return self.layer(x, "classifier")


def with_weights(state: Mapping[str, torch.Tensor]) -> EfficientNetLite0:
    """The network in evaluation mode; raises RuntimeError where a tensor is missing or of another
    shape."""
    network = EfficientNetLite0()
    network.load_state_dict(dict(state), strict=True)
    return network.eval()
