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
    numbers = []
    for x in _smoothed(looks.flatten(0, 1)):
        flat = x.flatten(2)
        numbers += [flat.amax(2), flat.amin(2), flat.square().mean(2).sqrt()]
    return torch.cat(numbers, dim=1).reshape(len(looks), DIMENSIONS)


def _smoothed(x: Tensor) -> tuple[Tensor, ...]:
    """(..., y, x) over each of SCALES_PX: a pixel is the mean of the square round it, zero beyond
    the edge.

    At every position, since a mean over squares that skip positions would depend on how the
    picture is turned. Sums of shifted copies take half the time of torch's average pooling.
    """
    padded = functional.pad(x, (3, 3, 3, 3))
    small = _sums_of_3(_sums_of_3(padded[..., 2:-2, 2:-2], -1), -2)
    large = _sums_of_7(_sums_of_7(padded, -1), -2)
    return x, small.div_(9), large.div_(49)


def _sums_of_3(x: Tensor, axis: int) -> Tensor:
    """Of neighbours along an axis, which gets shorter by 2."""
    n = x.shape[axis] - 2
    sums = x.narrow(axis, 0, n) + x.narrow(axis, 1, n)
    return sums.add_(x.narrow(axis, 2, n))


def _sums_of_7(x: Tensor, axis: int) -> Tensor:
    """Of neighbours along an axis, which gets shorter by 6: twice three and the middle."""
    n, three = x.shape[axis] - 6, _sums_of_3(x, axis)
    sums = three.narrow(axis, 0, n) + x.narrow(axis, 3, n)
    return sums.add_(three.narrow(axis, 4, n))
