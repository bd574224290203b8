"""The sharpest peaks of a picture: how strong, where, and of what colour beside each other.

A second nucleus, a knot, a star in front and a neighbour are all a few pixels of light beside a
galaxy's own nucleus. What tells them apart is how bright they are beside it, how far from it, how
sharp, and whether they have its colour. A network of a few minutes does not learn to compare two
places of a picture; here they are compared outright.
"""

from __future__ import annotations

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
    fine, middle, broad = (_blurred(x, width) for width in (FINE_PX, MIDDLE_PX, BROAD_PX))
    bands = fine - middle  # what is sharp, a band each
    sharp = bands.mean(1)
    flat = sharp.flatten(1)
    noise = 1.48 * (flat - flat.median(1, keepdim=True).values).abs().median(1).values
    noise = noise.clamp_min(_FLOOR)[:, None]
    is_peak = (sharp == functional.max_pool2d(sharp[:, None], 5, 1, 2)[:, 0]).flatten(1)
    from_middle = _distances(SIDE_PX).to(x.device)
    weight = torch.exp(-0.5 * (from_middle / CENTRAL) ** 2)
    # A picture without peaks still has four places, with nothing there.
    places = torch.where(is_peak, flat * weight, torch.zeros_like(flat)).topk(PEAKS, dim=1).indices
    strength = flat.gather(1, places).clamp_min(_FLOOR)
    around = (middle - broad).mean(1).flatten(1).gather(1, places)
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


def _blurred(x: Tensor, sigma_px: float) -> Tensor:
    """Each band convolved with a round Gaussian, the picture reflected at its edges."""
    bands, radius = x.shape[1], round(3 * sigma_px)
    offset = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(bands, 1, -1)
    x = functional.pad(x, [radius] * 4, mode="reflect")
    x = functional.conv2d(x, kernel[:, :, None, :].contiguous(), groups=bands)
    return functional.conv2d(x, kernel[:, :, :, None].contiguous(), groups=bands)
