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


def random_view(
    x: Tensor,
    recipe: ViewRecipe,
    generator: torch.Generator,
    *,
    looks: Tensor | None = None,
    size_px: int | None = None,
) -> Tensor:
    """One augmented view of each object.

    Parameters
    ----------
    x
        (B, band, y, x) scaled pixels on any device.
    generator
        Source of every draw, on the CPU so that a seed means the same on any device.
    looks
        (B,) what each view shows: 0 the whole picture, 1 its central half; the whole if None.
    size_px
        Side of the views; that of `x` if None.

    Returns
    -------
    Tensor
        (B, band, size_px, size_px), same device.
    """
    count, bands, side = len(x), x.shape[1], x.shape[-1]
    size = size_px or side

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    angle = uniform(0, 2 * math.pi, count)
    flip = torch.where(uniform(0, 1, count) < 0.5, -1.0, 1.0)
    factor = torch.exp(uniform(-1, 1, count) * math.log(recipe.zoom))
    shift = uniform(-2 * recipe.shift, 2 * recipe.shift, count, 2)  # grid spans -1 to 1
    centre = torch.zeros(count) if looks is None else looks.cpu().float()
    extent = (1 - 0.5 * centre) / factor
    cos, sin = torch.cos(angle) * extent, torch.sin(angle) * extent
    shift = shift * (1 - 0.5 * centre)[:, None]
    theta = torch.stack(
        [
            torch.stack([cos * flip, -sin, shift[:, 0]], dim=1),
            torch.stack([sin * flip, cos, shift[:, 1]], dim=1),
        ],
        dim=1,
    ).to(x.device)
    view = x.new_empty(count, bands, size, size)
    whole = (centre == 0).to(x.device)
    for chosen, source in ((whole, _reduced(x, size)), (~whole, x)):
        rows = chosen.nonzero()[:, 0]
        if len(rows):
            grid = functional.affine_grid(
                theta[rows], [len(rows), bands, size, size], align_corners=False
            )
            # Corners that turn in are filled by reflection: black would give the angle away.
            view[rows] = functional.grid_sample(
                source[rows], grid, mode="bilinear", padding_mode="reflection", align_corners=False
            )
    gain = torch.exp(
        recipe.brightness * torch.randn(count, 1, 1, 1, generator=generator)
        + recipe.colour * torch.randn(count, bands, 1, 1, generator=generator)
    ).to(x.device)
    level = uniform(0, recipe.noise, count, 1, 1, 1)
    noise = level * torch.randn(view.shape, generator=generator)
    return view * gain + noise.to(x.device)


def _reduced(x: Tensor, size_px: int) -> Tensor:
    """Averaged to about `size_px`, so that sampling it skips no pixels."""
    side = x.shape[-1] // size_px
    return functional.avg_pool2d(x, side) if side > 1 else x
