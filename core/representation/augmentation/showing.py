"""Views of a survey's own objects, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import NotFound
from core.representation.augmentation.augment import ViewRecipe, random_view
from core.representation.augmentation.conditions import SurveyConditions
from core.representation.inputs.looks import as_channels
from core.representation.inputs.pictures import FINE_PX
from core.representation.inputs.scaling import PixelScaling, resized, to_bands
from core.representation.inputs.spec import MAX_BANDS, InputSpec
from core.survey import Survey

_COMPANIONS = 8


def objects_to_show(survey: Survey, count: int, seed: int) -> list[str]:
    """Ids of `count` objects that have a picture, drawn by a seed; fewer where there are fewer."""
    rows = np.flatnonzero(survey.has_image)
    drawn = np.random.default_rng(seed).choice(rows, min(count, len(rows)), replace=False)
    return [str(name) for name in survey.object_ids[drawn]]


def shown_views(
    survey: Survey,
    object_ids: Sequence[str],
    recipe: ViewRecipe,
    *,
    views: int = 7,
    look: int = 0,
    scaling: str = "asinh",
    seed: int = 0,
) -> Tensor:
    """Objects as they are, and views of them, as a network with "looks" sees them.

    Parameters
    ----------
    look
        0 the whole picture, 1 its central half.

    Returns
    -------
    Tensor
        (object, 1 + views, 2 band + 1, y, x) float32, the object as it is first: the bands, what
        is asymmetric in each, and what is sharp in all.

    Raises
    ------
    NotFound
        The survey has no such object, or it has no picture.
    """
    rows = np.array([survey.row(name) for name in object_ids], np.int64)
    for name, there in zip(object_ids, survey.has_image[rows], strict=True):
        if not there:
            raise NotFound(f"The object {name!r} has no picture; choose another.")
    # Others beside them, so that there is somebody to be a neighbour.
    others = [survey.row(name) for name in objects_to_show(survey, _COMPANIONS, seed)]
    every = np.array([*rows, *others], np.int64)
    bands = min(len(survey.manifest.bands), MAX_BANDS)
    spec = InputSpec("looks", bands, scaling=scaling)
    scaler = PixelScaling.of(survey.manifest, scaling)
    scaled = scaler(survey.images(every))
    fine = resized(to_bands(scaled, bands), FINE_PX)
    known = SurveyConditions([survey], [scaler], np.zeros(len(every), np.int64), every, bands)
    conditions = known(torch.arange(len(every)))
    generator = torch.Generator().manual_seed(seed)
    looks = torch.full((len(every),), look)
    found = [spec(scaled[: len(rows)])[:, look]]
    for _ in range(views):
        view = random_view(
            fine, recipe, generator, looks=looks, size_px=spec.size_px, conditions=conditions
        )
        found.append(as_channels(view[: len(rows)]))
    return torch.stack(found, dim=1)
