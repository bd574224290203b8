"""What lies in a picture by chance: neighbours on the sky, and faults of the camera."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from core.representation.augmentation.chances import Chances
from core.representation.augmentation.seam import Change, Dose, Sight, register_augmentation

CENTRE = 0.3
"""Radius of the centre that stays as it is, in half sides of the view."""

NEIGHBOUR_WIDTH = 0.25
"""Of the window round a neighbour's centre (standard deviation, half sides): its own sky and
edges stay out."""


@register_augmentation("neighbours")
class Neighbours(Change):
    reason = (
        "Other objects stand in front or behind by chance. The light of another object of the"
        " batch is added off the centre and fainter. Not in the default: pairs and mergers are"
        " told by just such a neighbour."
    )
    words = "up to {:.0%} as bright as they are"
    order = 20

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, _sight: Sight) -> Tensor:
        angle, turn = chances.uniform(0, 2 * math.pi), chances.uniform(0, 2 * math.pi)
        distance = chances.uniform(0.65, 0.95)
        fade = chances.uniform(0.3, 1.0) * dose.amount
        # Of the objects in this process, so this one draw depends on how a batch is split.
        other = chances.integers(max(len(x) - 1, 1)) % max(len(x) - 1, 1)
        rows = chances.chosen(dose.probability).nonzero()[:, 0]
        if not len(rows) or len(x) < 2:
            return x
        partner = (rows + 1 + other[rows]) % len(x)
        cos, sin = torch.cos(turn[rows]), torch.sin(turn[rows])
        at = torch.stack([torch.cos(angle), torch.sin(angle)], 1)[rows] * distance[rows, None]
        # What is at `at` in the view is at the partner's centre.
        matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        theta = torch.cat([matrix, -(matrix @ at[:, :, None])], 2).to(x.device, x.dtype)
        grid = functional.affine_grid(theta, list(x[rows].shape), align_corners=False)
        light = x[partner.to(x.device)]
        pasted = functional.grid_sample(
            light - _sky(light), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        window = torch.exp(-0.5 * grid.square().sum(3) / NEIGHBOUR_WIDTH**2)
        radius = _places(x).square().sum(0).sqrt()
        outside = 1 - torch.exp(-((radius / CENTRE) ** 4))
        weight = fade[rows].to(x.device, x.dtype)[:, None, None] * window * outside
        out = x.clone()
        out[rows.to(x.device)] += weight[:, None] * pasted
        return out


@register_augmentation("artefacts")
class Artefacts(Change):
    reason = (
        "Trails, dead columns, hot pixels and cut-off edges say nothing of the object beneath."
        " Each is drawn off the centre. Not in the default: a network that learns to overlook"
        " them cannot find them."
    )
    words = "up to {:.0%} as bright as the brightest cores"
    order = 30
    in_light = False

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, _sight: Sight) -> Tensor:
        kind = chances.integers(4)
        level = chances.uniform(0.3, 1.0) * dose.amount
        # In half of the cases one band alone has it: bands are exposed one after another.
        band = chances.integers(2 * x.shape[1])
        place = chances.uniform(0, 1, 3)
        hot = chances.uniform(-1, 1, 6, 2)
        chosen = chances.chosen(dose.probability)
        out = x
        for number, mask_of in enumerate((_trail, _column, _hot_pixels, _edge)):
            rows = (chosen & (kind == number)).nonzero()[:, 0]
            if not len(rows):
                continue
            out = x.clone() if out is x else out
            draws = hot if mask_of is _hot_pixels else place
            mask = mask_of(draws[rows].to(x.device), x)[:, None]
            bands = torch.arange(x.shape[1])[None] == band[rows, None]
            bands = (bands | (band[rows, None] >= x.shape[1])).to(x.device)[:, :, None, None]
            bright = level[rows] if number in (0, 2) else torch.zeros(len(rows))
            value = bright.to(x.device, x.dtype)[:, None, None, None]
            at = rows.to(x.device)
            seen = x[at]
            # A trail adds to what is there, a dead or hot pixel replaces it.
            spoilt = torch.maximum(seen, value * mask) if number == 0 else value.expand_as(seen)
            out[at] = torch.where(bands & (mask > 0), spoilt, seen)
        return out


def _trail(place: Tensor, x: Tensor) -> Tensor:
    """(B, 3) draws -> (B, y, x): a straight line past the centre, bell-shaped across."""
    angle = 2 * math.pi * place[:, 0]
    normal = torch.stack([torch.cos(angle), torch.sin(angle)], 1)
    distance = CENTRE + (0.9 - CENTRE) * place[:, 1]
    across = torch.einsum("bi,iyx->byx", normal, _places(x)) - distance[:, None, None]
    width_px = 0.7 + 0.8 * place[:, 2]
    profile = torch.exp(-0.5 * (across * x.shape[3] / 2 / width_px[:, None, None]) ** 2)
    return torch.where(profile > 0.01, profile, 0.0)


def _column(place: Tensor, x: Tensor) -> Tensor:
    """(B, 3) draws -> (B, y, x): one column or row off the centre."""
    side = torch.where(place[:, 0] < 0.5, -1.0, 1.0)
    at = side * (CENTRE + (1 - CENTRE) * place[:, 1])
    places = _places(x)
    along = torch.where(place[:, 2, None, None] < 0.5, places[:1], places[1:])
    return ((along - at[:, None, None]).abs() <= 1 / x.shape[3]).to(x.dtype)


def _hot_pixels(hot: Tensor, x: Tensor) -> Tensor:
    """(B, 6, 2) places -> (B, y, x): single pixels, those in the centre left out."""
    size = torch.tensor(x.shape[2:], device=x.device)
    index = ((hot + 1) / 2 * size).long().clamp_min(0).minimum(size - 1)
    mask = torch.zeros(len(hot), *x.shape[2:], dtype=x.dtype, device=x.device)
    far = (hot.square().sum(2).sqrt() > CENTRE).to(x.dtype)
    rows = torch.arange(len(hot), device=x.device)[:, None].expand(-1, hot.shape[1])
    return mask.index_put((rows, index[..., 0], index[..., 1]), far)


def _edge(place: Tensor, x: Tensor) -> Tensor:
    """(B, 3) draws -> (B, y, x): a strip along one side, up to a quarter of the picture wide."""
    width = 0.1 + 0.4 * place[:, 0]
    side = torch.where(place[:, 1] < 0.5, -1.0, 1.0)[:, None, None]
    places = _places(x)
    along = torch.where(place[:, 2, None, None] < 0.5, places[:1], places[1:])
    return (side * along > 1 - width[:, None, None]).to(x.dtype)


def _places(x: Tensor) -> Tensor:
    """(2, y, x): x and y of the pixels' centres, -1 to 1 over the sides."""
    down, across = (
        (2 * torch.arange(size, device=x.device, dtype=x.dtype) + 1) / size - 1
        for size in x.shape[2:]
    )
    y, x_ = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x_, y])


def _sky(light: Tensor) -> Tensor:
    """(B, band, y, x) -> (B, band, 1, 1): the median of the outermost pixels."""
    border = torch.cat([light[..., 0, :], light[..., -1, :], light[..., 0], light[..., -1]], dim=2)
    return border.median(2).values[:, :, None, None]
