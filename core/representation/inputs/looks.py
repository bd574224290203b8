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

from core.representation.inputs.scaling import INPUT_PX, resized, to_bands

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


def two_looks(scaled: Tensor, bands: int = BANDS, size_px: int = INPUT_PX) -> Tensor:
    """(B, any bands, y, x) scaled pixels -> (B, LOOKS, 2 bands + 1, size_px, size_px)."""
    fine = resized(to_bands(scaled, bands), 2 * size_px)
    whole = functional.avg_pool2d(fine, 2)
    # The centre is blurred with what lies round it, the whole picture with its reflection.
    fine_sigma = UNSHARP_SIGMA * 2 * size_px
    edge, margin = size_px // 2, _radius(fine_sigma)
    surround = slice(edge - margin, edge + size_px + margin)
    centre = fine[:, :, edge : edge + size_px, edge : edge + size_px]
    padding = [_radius(fine_sigma / 2)] * 4
    out = scaled.new_empty(len(fine), LOOKS, 2 * bands + 1, size_px, size_px)
    for look, (x, around, sigma_px) in enumerate(
        (
            (whole, functional.pad(_light(whole), padding, mode="reflect"), fine_sigma / 2),
            (centre, _light(fine[:, :, surround, surround]), fine_sigma),
        )
    ):
        out[:, look, :bands] = x
        out[:, look, bands : 2 * bands] = ASYMMETRY_GAIN * (x - torch.rot90(x, 2, (2, 3)))
        out[:, look, 2 * bands :] = SHARP_GAIN * (_light(x) - _blurred(around, sigma_px))
    return out


def as_channels(x: Tensor) -> Tensor:
    """(B, band, y, x) of one look -> (B, 2 band + 1, y, x), as `two_looks` adds them.

    Blurred with its reflection round it, as nothing is known beyond.
    """
    sigma_px = UNSHARP_SIGMA * x.shape[-1]
    light = _light(x)
    around = functional.pad(light, [_radius(sigma_px)] * 4, mode="reflect")
    sharp = SHARP_GAIN * (light - _blurred(around, sigma_px))
    return torch.cat([x, ASYMMETRY_GAIN * (x - torch.rot90(x, 2, (2, 3))), sharp], dim=1)


def _light(x: Tensor) -> Tensor:
    return x.mean(1, keepdim=True)


def _radius(sigma_px: float) -> int:
    return round(3 * sigma_px)


def _blurred(x: Tensor, sigma_px: float) -> Tensor:
    """(B, 1, y, x) convolved with a round Gaussian, less its radius on every side."""
    radius = _radius(sigma_px)
    offset = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    x = functional.conv2d(x, kernel.view(1, 1, 1, -1))
    return functional.conv2d(x, kernel.view(1, 1, -1, 1))
