"""Two views of an object that an astronomer would call the same object, made a batch at a time.

Each change has its reason: the sky has no up (rotation, flip), the cutout's centring is rough
(shift), distance varies (scale, brightness), exposures vary (noise), calibration and dust vary
(mild colour). What is not changed is what must be told apart: the sharpness of the core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class ViewRecipe:
    """Ranges from which each view draws; all scale with the augmentation strength.

    Attributes
    ----------
    shift
        Largest shift, as a fraction of the picture's side.
    zoom
        Largest factor by which the picture is enlarged or reduced.
    brightness, colour
        Standard deviation of the gain common to all bands, and of each band's own.
    noise
        Largest standard deviation of added noise, in units of the scaled pixels.
    """

    shift: float = 0.05
    zoom: float = 1.15
    brightness: float = 0.3
    colour: float = 0.03
    noise: float = 0.02

    def times(self, strength: float) -> ViewRecipe:
        return ViewRecipe(
            self.shift * strength,
            self.zoom**strength,
            self.brightness * strength,
            self.colour * strength,
            self.noise * strength,
        )


def random_view(x: Tensor, recipe: ViewRecipe, generator: torch.Generator) -> Tensor:
    """One augmented view of each object.

    Parameters
    ----------
    x
        (B, band, y, x) scaled pixels on any device.
    generator
        Source of every draw, on the CPU so that a seed means the same on any device.

    Returns
    -------
    Tensor
        (B, band, y, x), same device.
    """
    count = len(x)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    angle = uniform(0, 2 * math.pi, count)
    flip = torch.where(uniform(0, 1, count) < 0.5, -1.0, 1.0)
    factor = torch.exp(uniform(-1, 1, count) * math.log(recipe.zoom))
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    shift = uniform(-2 * recipe.shift, 2 * recipe.shift, count, 2)  # grid spans -1 to 1
    theta = torch.stack(
        [
            torch.stack([cos * flip, -sin, shift[:, 0]], dim=1),
            torch.stack([sin * flip, cos, shift[:, 1]], dim=1),
        ],
        dim=1,
    ).to(x.device)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    # Corners that turn in are filled by reflection: a black wedge would give the angle away.
    view = functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    bands = x.shape[1]
    gain = torch.exp(
        recipe.brightness * torch.randn(count, 1, 1, 1, generator=generator)
        + recipe.colour * torch.randn(count, bands, 1, 1, generator=generator)
    ).to(x.device)
    level = uniform(0, recipe.noise, count, 1, 1, 1)
    noise = level * torch.randn(view.shape, generator=generator)
    return view * gain + noise.to(x.device)
