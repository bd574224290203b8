"""The views of a step: drawn the same however many processes share them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.config import PretrainConfig
from core.representation.augmentation import Conditions, ViewRecipe, preset, random_view
from core.representation.inputs.looks import as_channels
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Method


def random_numbers(*key: int) -> torch.Generator:
    """A generator on the CPU for a key such as (seed, step)."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def recipe_of(config: PretrainConfig) -> ViewRecipe:
    """The augmentations that a configuration names, else `BadInput`."""
    chosen = preset(config.augmentation).without(*config.augmentation_off)
    return chosen.times(config.augmentation_strength)


def views_of(
    method: Method,
    pictures: Tensor,
    recipe: ViewRecipe,
    generator: torch.Generator,
    part: tuple[int, int],
    conditions: Conditions | None = None,
) -> list[Tensor]:
    """What the method's loss takes of this process's part of a batch.

    Parameters
    ----------
    pictures
        (B, bands, y, x) scaled, on the device.
    generator
        The same on each process.
    part
        (first, all): the pictures are numbers `first` to `first + B` of a batch of `all`.

    Returns
    -------
    list
        `method.views` of (B, channels, size_px, size_px).
    """
    first, batch = part
    drawn = recipe if method.augments else recipe.times(0)
    looks = torch.randint(method.spec.images, (batch,), generator=generator)
    own = looks[first : first + len(pictures)]
    return [
        as_seen(pictures, method.spec, drawn, generator, own, part, conditions)
        for _ in range(method.views)
    ]


def as_seen(
    pictures: Tensor,
    spec: InputSpec,
    recipe: ViewRecipe,
    generator: torch.Generator,
    looks: Tensor,
    part: tuple[int, int] | None = None,
    conditions: Conditions | None = None,
) -> Tensor:
    """One view of each picture as the network sees it: (B, channels, size_px, size_px)."""
    view = random_view(
        pictures,
        recipe,
        generator,
        looks=looks,
        size_px=spec.size_px,
        conditions=conditions,
        part=part,
    )
    return as_channels(view) if spec.kind == "looks" else view
