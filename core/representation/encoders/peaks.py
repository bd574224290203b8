"""The sharpest peaks of a picture: how strong, where, and of what colour beside each other.

A second nucleus, a knot, a star in front and a neighbour are all a few pixels of light beside a
galaxy's own nucleus. What tells them apart is how bright they are beside it, how far from it, how
sharp, and whether they have its colour. A network of a few minutes does not learn to compare two
places of a picture; here they are compared outright.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.representation.encoder import register_encoder
from core.representation.encoders.pixel_numbers import PixelNumbers
from core.representation.inputs.scaling import resized, to_bands

PEAKS = 4
"""So many are described, the strongest first; the others compared with it."""

SIDE_PX = 96
FINE_PX, MIDDLE_PX, BROAD_PX = 1.5, 3.0, 6.0
"""Widths of Gaussians: what stands out between the first two is a peak, between the others light
round it."""

CENTRAL = 0.22
"""Width of the weight that prefers what is near the middle, as a fraction of the side."""

COUNTED_WITHIN, COUNTED_ABOVE = 0.25, 5.0
"""Peaks are counted within this fraction of the side and above so many deviations of noise."""

_SAME_COLOUR, _NEAR = 0.5, 0.15
_FLOOR = 1e-4
_OTHERS = PEAKS - 1
DIMENSIONS = 7 * PEAKS + 6 * _OTHERS + 1 + _OTHERS + 1


@register_encoder("peaks")
class PeaksEncoder(PixelNumbers):
    """(B, band, y, x) -> (B, 51): strength, distance, colour and sharpness of the four sharpest
    peaks, the others beside the strongest, and how much the picture looks like two nuclei.
    """

    def numbers(self, scaled: Tensor) -> Tensor:
        return peaks(scaled)


def peaks(scaled: Tensor) -> Tensor:
    """(B, any bands, y, x) scaled pixels -> (B, DIMENSIONS)."""
    x = resized(to_bands(scaled, 3), SIDE_PX)
    middle = _blurred(x, MIDDLE_PX)
    bands = _blurred(x, FINE_PX) - middle  # what is sharp, a band each
    sharp, light = bands.mean(1), middle.mean(1)
    flat = sharp.flatten(1)
    noise = 1.48 * _median((flat - _median(flat)).abs())
    noise = noise.clamp_min(_FLOOR)
    is_peak = (sharp == _tallest(_tallest(sharp).mT).mT).flatten(1)
    from_middle = _distances(SIDE_PX).to(x.device)
    weight = torch.exp(-0.5 * (from_middle / CENTRAL) ** 2)
    # A picture without peaks still has four places, with nothing there.
    places = torch.where(is_peak, flat * weight, torch.zeros_like(flat)).topk(PEAKS, dim=1).indices
    strength = flat.gather(1, places).clamp_min(_FLOOR)
    around = (light - _blurred(x.mean(1), BROAD_PX)).flatten(1).gather(1, places)
    colour = _colour(_at(bands, places), 0.01).clamp(-4, 4)
    host = _colour(_at(middle, places), 0.02).clamp(-4, 4)
    distance = _apart(places)
    ratio = strength[:, 1:] / strength[:, :1]
    blueness, green = colour[:, 0] - colour[:, 2], colour[:, 0] - colour[:, 1]
    differs = blueness[:, 1:] - blueness[:, :1]
    colour_gap = (colour[:, :, 1:] - colour[:, :, :1]).square().sum(1)
    like_two = ratio * torch.exp(-colour_gap / _SAME_COLOUR - (distance / _NEAR) ** 2)
    count = (is_peak & (flat > COUNTED_ABOVE * noise) & (from_middle < COUNTED_WITHIN)).sum(1)
    numbers = [
        torch.log(strength),
        torch.log1p(strength / noise),
        strength / (around.abs() + strength + 1e-3),
        from_middle[places],
        blueness,
        blueness - (host[:, 0] - host[:, 2]),
        green,
        torch.log(ratio.clamp(1e-3, 1.0)),
        distance,
        torch.log(distance + 0.02),
        differs,
        differs.abs(),
        green[:, 1:] - green[:, :1],
        torch.log1p(count.float())[:, None],
        like_two,
        like_two.amax(1, keepdim=True),
    ]
    return torch.cat(numbers, dim=1)


def _distances(side: int) -> Tensor:
    """(side * side,) distance of each pixel from the middle, as a fraction of the side."""
    offset = (torch.arange(side) - (side - 1) / 2) / side
    return torch.hypot(offset[:, None], offset[None, :]).flatten()


def _at(planes: Tensor, places: Tensor) -> Tensor:
    """(B, band, y, x) at (B, PEAKS) places -> (B, band, PEAKS)."""
    return planes.flatten(2).gather(2, places[:, None].expand(-1, planes.shape[1], -1))


def _colour(values: Tensor, softening: float) -> Tensor:
    """Bands (B, band, PEAKS) over their mean."""
    return values / (values.mean(1, keepdim=True).abs() + softening)


def _apart(places: Tensor) -> Tensor:
    """(B, PEAKS - 1) distance of the others from the strongest, as a fraction of the side."""
    rows, columns = places // SIDE_PX, places % SIDE_PX
    return (
        torch.hypot((rows[:, 1:] - rows[:, :1]).float(), (columns[:, 1:] - columns[:, :1]).float())
        / SIDE_PX
    )


def _median(x: Tensor) -> Tensor:
    """(B, n) -> (B, 1), the lower of two middle values; by numpy, several times as fast."""
    middle = (x.shape[1] - 1) // 2
    found = np.partition(x.cpu().numpy(), middle, axis=1)[:, middle : middle + 1]
    return torch.from_numpy(found).to(x.device)


def _tallest(x: Tensor) -> Tensor:
    """(..., x): the largest of each value and two on either side, along the last axis."""
    two = functional.pad(x, (2, 2), value=-torch.inf)
    two = torch.maximum(two[..., 1:], two[..., :-1])
    four = torch.maximum(two[..., 2:], two[..., :-2])
    return torch.maximum(four[..., :-1], four[..., 1:])


def _blurred(x: Tensor, sigma_px: float) -> Tensor:
    """(..., y, x) convolved with a round Gaussian, the picture reflected at its edges.

    By matrices: torch's convolution of single bands takes several times as long.
    """
    matrix = _gaussian_matrix(sigma_px).to(x.device).T
    across = (x @ matrix).mT.contiguous()
    return (across @ matrix).mT


@lru_cache(maxsize=8)
def _gaussian_matrix(sigma_px: float) -> Tensor:
    """(SIDE_PX, SIDE_PX): multiplying by it convolves along an axis with a Gaussian that ends at
    three times its width."""
    radius = round(3 * sigma_px)
    offset = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2)
    source = (torch.arange(SIDE_PX)[:, None] + offset).abs()
    source = torch.where(source < SIDE_PX, source, 2 * (SIDE_PX - 1) - source)
    matrix = torch.zeros(SIDE_PX, SIDE_PX)
    return matrix.scatter_add_(1, source, (kernel / kernel.sum()).expand(SIDE_PX, -1))
