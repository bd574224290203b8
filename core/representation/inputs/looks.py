"""What the network is shown of an object: two looks, each with two residual pictures beside it.

A galaxy may fill its cutout or a tenth of it, so the network looks twice: at the whole picture,
and at its central half enlarged. Beside the bands it gets what is not symmetric under a
half turn, a band each, and the sharp structure of all bands together (unsharp mask): a second
nucleus, an arc or a trail stands out in these with its own colour, where in the bands it drowns in
the light of its host. The network could work them out itself, but with a few minutes of training
it does not.
"""

from __future__ import annotations

from functools import lru_cache

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

_AT_ONCE = 16
"""Pictures whose intermediate arrays stay in a processor's cache: twice as fast as 256."""


def two_looks(scaled: Tensor, bands: int = BANDS, size_px: int = INPUT_PX) -> Tensor:
    """(B, any bands, y, x) scaled pixels -> (B, LOOKS, 2 bands + 1, size_px, size_px)."""
    out = scaled.new_empty(len(scaled), LOOKS, 2 * bands + 1, size_px, size_px)
    at_once = _AT_ONCE if scaled.device.type == "cpu" else max(1, len(scaled))
    for part, shown in zip(scaled.split(at_once), out.split(at_once), strict=True):
        _show(resized(to_bands(part, bands), 2 * size_px), shown)
    return out


def _show(fine: Tensor, out: Tensor) -> None:
    """Write what `two_looks` gives of pictures at twice the size, (B, bands, y, x)."""
    bands, size_px = fine.shape[1], out.shape[-1]
    whole = _halved(fine)
    # The centre is blurred with what lies round it, the whole picture with its reflection.
    fine_sigma = UNSHARP_SIGMA * 2 * size_px
    edge, margin = size_px // 2, _radius(fine_sigma)
    surround = slice(edge - margin, edge + size_px + margin)
    centre = fine[:, :, edge : edge + size_px, edge : edge + size_px]
    padding = [_radius(fine_sigma / 2)] * 4
    for look, (x, around, sigma_px) in enumerate(
        (
            (whole, functional.pad(_light(whole), padding, mode="reflect"), fine_sigma / 2),
            (centre, _light(fine[:, :, surround, surround]), fine_sigma),
        )
    ):
        out[:, look, :bands] = x
        out[:, look, bands : 2 * bands] = ASYMMETRY_GAIN * (x - torch.rot90(x, 2, (2, 3)))
        out[:, look, 2 * bands :] = SHARP_GAIN * (_light(x) - _blurred(around, sigma_px))


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


def _halved(x: Tensor) -> Tensor:
    """(..., 2 y, 2 x) -> (..., y, x), means of squares of four pixels."""
    rows = x[..., ::2, :] + x[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def _blurred(x: Tensor, sigma_px: float) -> Tensor:
    """(B, 1, y, x) convolved with a round Gaussian, less its radius on every side.

    By matrices: torch's convolution of a single channel takes several times as long.
    """
    down = _gaussian_matrix(x.shape[-2], sigma_px).to(x)
    across = _gaussian_matrix(x.shape[-1], sigma_px).to(x)
    return down @ (x @ across.T)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _gaussian_matrix(side: int, sigma_px: float) -> Tensor:
    """(side - twice the radius, side): multiplying by it convolves along an axis."""
    radius = _radius(sigma_px)
    offset = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2)
    places = torch.arange(side - 2 * radius)[:, None] + torch.arange(2 * radius + 1)
    matrix = torch.zeros(len(places), side)
    return matrix.scatter_(1, places, (kernel / kernel.sum()).expand(len(places), -1))
