"""What the network is shown of an object: two looks, each with two residual pictures beside it.

A galaxy may fill its cutout or a tenth of it, so the network looks twice: at the whole picture,
and at its central half enlarged. Beside the bands it gets what is not symmetric under a
half turn, a band each, and the sharp structure of all bands together (unsharp mask): a second
nucleus, an arc or a trail stands out in these with its own colour, where in the bands it drowns in
the light of its host. The network could work them out itself, but with a few minutes of training
it does not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.representation.scaling import INPUT_PX, resized, to_bands

BANDS = 3
CHANNELS = 2 * BANDS + 1
"""The bands, the asymmetry of each, the sharp structure."""
LOOKS = 2
"""0 = the whole picture, 1 = its central half."""

UNSHARP_SIGMA = 0.04
"""Width of the unsharp mask as a fraction of the picture's side: 2.5 px of 64."""
SHARP_GAIN = 4.0
ASYMMETRY_GAIN = 2.0
"""Bring the residuals, a few per cent of the bands, to the bands' own range."""


def two_looks(scaled: Tensor) -> Tensor:
    """(B, any bands, y, x) scaled pixels -> (B, LOOKS, CHANNELS, INPUT_PX, INPUT_PX)."""
    x = resized(to_bands(scaled, BANDS), 2 * INPUT_PX)
    asymmetry = ASYMMETRY_GAIN * (x - torch.rot90(x, 2, (2, 3)))
    light = x.mean(1, keepdim=True)
    sharp = SHARP_GAIN * (light - _blurred(light, UNSHARP_SIGMA * 2 * INPUT_PX))
    x = torch.cat([x, asymmetry, sharp], dim=1)
    edge = INPUT_PX // 2
    centre = x[:, :, edge : edge + INPUT_PX, edge : edge + INPUT_PX]
    return torch.stack([functional.avg_pool2d(x, 2), centre], dim=1)


def _blurred(x: Tensor, sigma_px: float) -> Tensor:
    """(B, 1, y, x) convolved with a round Gaussian; the edge is reflected."""
    radius = round(3 * sigma_px)
    offset = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    x = functional.pad(x, (radius, radius, radius, radius), mode="reflect")
    x = functional.conv2d(x, kernel.view(1, 1, 1, -1))
    return functional.conv2d(x, kernel.view(1, 1, -1, 1))
