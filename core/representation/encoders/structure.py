"""What stands out in a picture, measured without any training: the baseline beside any network.

Network features of a few minutes' pretraining tell the common kinds of galaxies apart and lose
what only a few of them have; the extremes of the residual pictures are just these.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.representation.encoder import register_encoder
from core.representation.encoders.pixel_numbers import PixelNumbers
from core.representation.inputs.looks import CHANNELS, LOOKS, two_looks

SCALES_PX = (1, 3, 7)
"""Sides of the squares over which a look is averaged first: noise is loud at 1, arcs at 7."""
STATISTICS = ("maximum", "minimum", "root mean square")
DIMENSIONS = LOOKS * len(SCALES_PX) * len(STATISTICS) * CHANNELS


@register_encoder("structure")
class StructureEncoder(PixelNumbers):
    """(B, band, y, x) -> (B, 126): extremes and strength of bands, asymmetry and sharpness.

    The maximum, the minimum and the root mean square of every channel of both looks
    (`core.representation.inputs.looks`), after smoothing over 1, 3 and 7 px.
    """

    def numbers(self, scaled: Tensor) -> Tensor:
        return structure(two_looks(scaled))


def structure(looks: Tensor) -> Tensor:
    """(B, LOOKS, CHANNELS, y, x) -> (B, DIMENSIONS)."""
    flat = looks.flatten(0, 1)
    numbers = []
    for side in SCALES_PX:
        x = _smoothed(flat, side) if side > 1 else flat
        numbers += [x.amax((2, 3)), x.amin((2, 3)), x.square().mean((2, 3)).sqrt()]
    return torch.cat(numbers, dim=1).reshape(len(looks), DIMENSIONS)


def _smoothed(x: Tensor, side_px: int) -> Tensor:
    """Each pixel the mean of the square round it, zero beyond the edge.

    At every position, since a mean over squares that skip positions would depend on how the
    picture is turned. Sums of shifted copies take half the time of torch's average pooling.
    """
    edge, size = side_px // 2, x.shape[-1]
    padded = functional.pad(x, (edge, edge, edge, edge))
    across = padded[..., :size].clone()
    for step in range(1, side_px):
        across += padded[..., step : step + size]
    both = across[..., :size, :].clone()
    for step in range(1, side_px):
        both += across[..., step : step + size, :]
    return both.div_(side_px**2)
