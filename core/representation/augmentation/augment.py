"""Two views of an object that an astronomer would call the same object, made a batch at a time.

What may differ, and why, is said by the classes in `geometry`, `exposure` and `pasted`, one an
augmentation; how much, by a `ViewRecipe`. What is not changed is what must be told apart: the
sharpness of the core, and what lies close to it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput
from core.representation.augmentation.chances import Chances
from core.representation.augmentation.conditions import Conditions
from core.representation.augmentation.light import to_light, to_scaled
from core.representation.augmentation.recipe import ViewRecipe
from core.representation.augmentation.seam import AUGMENTATIONS, Change, Move, Sight

__all__ = ["ViewRecipe", "random_view"]


def random_view(
    x: Tensor,
    recipe: ViewRecipe,
    generator: torch.Generator,
    *,
    looks: Tensor | None = None,
    size_px: int | None = None,
    conditions: Conditions | None = None,
    part: tuple[int, int] | None = None,
) -> Tensor:
    """One augmented view of each object.

    Parameters
    ----------
    x
        (B, band, y, x) scaled square pixels on any device, of any number of bands.
    generator
        Source of every draw, on the CPU, so that a seed means the same on any device. It moves on
        by one number a call, whatever the recipe, the batch or the part.
    looks
        (B,) what each view shows: 0 the whole picture, 1 its central half; the whole if None.
    size_px
        Side of the views; that of `x` if None.
    conditions
        Of these objects, or of all alike (`SurveyConditions` gives them for a `PictureSource`):
        which noise, point spread and dust to draw against, and how to undo the stretch. Without
        them pixels count as light, and noise is drawn against what each object shows of it.
    part
        (first, all): `x` holds objects `first` and on of a batch of `all`, whose rest other
        processes have. They then get what one process with the whole batch would give them (but
        for neighbours pasted in, which come from the part).

    Returns
    -------
    Tensor
        (B, band, size_px, size_px), same device.
    """
    count, bands, side = len(x), x.shape[1], x.shape[-1]
    if x.ndim != 4 or x.shape[2] != side:
        raise BadInput(
            "Views are drawn from square pictures (object, band, y, x), but came"
            f" {tuple(x.shape)}; resize them first."
        )
    size = size_px or side
    first, batch = part or (0, count)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    known = (conditions or Conditions.unknown(bands)).to(x.device)
    centre = torch.zeros(count) if looks is None else looks.cpu().float()
    extent = 1 - 0.5 * centre
    places = torch.diag_embed(torch.stack([extent, extent, torch.ones(count)], 1))
    changes: list[Change] = []
    for name in recipe.given:
        augmentation = AUGMENTATIONS[name]
        if isinstance(augmentation, Move):
            chances = Chances(seed, name, count, first, batch)
            places = places @ augmentation.matrix(recipe.dose(name), chances)
        elif isinstance(augmentation, Change):
            changes.append(augmentation)
    view = _sampled(x, places[:, :2], centre == 0, size)
    sight = Sight(known, (size / extent).to(x.device) / known.native_px)
    in_light = False
    for change in changes:
        if change.in_light != in_light:
            view = to_light(view, known) if change.in_light else to_scaled(view, known)
            in_light = change.in_light
        chances = Chances(seed, change.name, count, first, batch)
        view = change(view, recipe.dose(change.name), chances, sight)
    return to_scaled(view, known) if in_light else view


def _sampled(x: Tensor, places: Tensor, whole: Tensor, size_px: int) -> Tensor:
    """The pictures at `places` (B, 2, 3) of theirs; (B, band, size_px, size_px)."""
    count, bands = x.shape[:2]
    side = x.shape[-1] // size_px
    places = places.to(x.device, x.dtype)
    view = x.new_empty(count, bands, size_px, size_px)
    for chosen, sparse in ((whole, True), (~whole, False)):
        rows = chosen.nonzero()[:, 0].to(x.device)
        if not len(rows):
            continue
        every = len(rows) == count
        source = x if every else x[rows]
        if sparse and side > 1:  # averaged first, so that sampling skips no pixels
            source = functional.avg_pool2d(source, side)
        theta = places if every else places[rows]
        grid = functional.affine_grid(
            theta, [len(rows), bands, size_px, size_px], align_corners=False
        )
        # Corners that turn in are filled by reflection: black would give the angle away.
        seen = functional.grid_sample(
            source, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        if every:
            return seen
        view[rows] = seen
    return view
