"""Weak and strong views as FixMatch draws them: flips and shifts; RandAugment and Cutout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from core.representation.augmentation import ViewRecipe, random_view
from core.representation.augmentation.seam import Dose

WEAK = ViewRecipe({"flip": Dose(1.0, 0.5), "shift": Dose(0.125)})
"""Mirrored or not, moved by up to an eighth of the side, as AnomalyMatch does."""

OPERATIONS = 3
LARGEST_HIDDEN = 0.5
"""Side of the square that Cutout makes grey, as a fraction of the picture's, at most."""

_GREY = 127

_Operation = Callable[[Image.Image, float], Image.Image]


def _enhanced(kind: type[ImageEnhance.Brightness]) -> _Operation:
    return lambda picture, amount: kind(picture).enhance(amount)


def _moved(x: Callable[[float, int], tuple[float, ...]]) -> _Operation:
    return lambda picture, amount: picture.transform(
        picture.size, Image.Transform.AFFINE, x(amount, picture.width)
    )


RAND_AUGMENT: dict[str, tuple[_Operation, float, float]] = {
    "auto contrast": (lambda picture, _: ImageOps.autocontrast(picture), 0, 1),
    "brightness": (_enhanced(ImageEnhance.Brightness), 0.05, 0.95),
    "colour": (_enhanced(ImageEnhance.Color), 0.05, 0.95),  # type: ignore[arg-type]
    "contrast": (_enhanced(ImageEnhance.Contrast), 0.05, 0.95),  # type: ignore[arg-type]
    "equalise": (lambda picture, _: ImageOps.equalize(picture), 0, 1),
    "identity": (lambda picture, _: picture, 0, 1),
    "posterise": (lambda picture, bits: ImageOps.posterize(picture, int(bits)), 4, 8),
    "rotate": (lambda picture, degrees: picture.rotate(degrees), -30, 30),
    "sharpness": (_enhanced(ImageEnhance.Sharpness), 0.05, 0.95),  # type: ignore[arg-type]
    "shear x": (_moved(lambda amount, _: (1, amount, 0, 0, 1, 0)), -0.3, 0.3),
    "shear y": (_moved(lambda amount, _: (1, 0, 0, amount, 1, 0)), -0.3, 0.3),
    "solarise": (lambda picture, above: ImageOps.solarize(picture, int(above)), 0, 256),
    "translate x": (_moved(lambda amount, side: (1, 0, amount * side, 0, 1, 0)), -0.3, 0.3),
    "translate y": (_moved(lambda amount, side: (1, 0, 0, 0, 1, amount * side)), -0.3, 0.3),
}
"""What is done to a picture with an amount from the lowest to the highest (Sohn et al. 2020, arXiv
2001.07685, table 12)."""


def weak_view(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 3, y, x) uint8 -> the same shape, float32 from 0 to 1."""
    return random_view(pictures.float() / 255, WEAK, generator)


def strong_view(pictures: Tensor, generator: torch.Generator, rng: np.random.Generator) -> Tensor:
    """(B, 3, y, x) uint8 -> the same shape, float32 from 0 to 1: three operations at random and a
    grey square, and then what a weak view gets."""
    shown = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    changed = np.stack([_rand_augmented(one, rng) for one in shown])
    return weak_view(torch.from_numpy(changed).permute(0, 3, 1, 2), generator)


def _rand_augmented(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(y, x, 3) -> (y, x, 3)"""
    picture = Image.fromarray(pixels)
    operations = list(RAND_AUGMENT.values())
    for number in rng.integers(len(operations), size=OPERATIONS).tolist():
        operation, low, high = operations[number]
        picture = operation(picture, float(rng.uniform(low, high)))
    out = np.array(picture)
    side = rng.uniform(0, LARGEST_HIDDEN) * len(out)
    y, x = rng.uniform(0, len(out), 2) - side / 2
    rows, columns = (slice(max(0, round(at)), max(0, round(at + side))) for at in (y, x))
    out[rows, columns] = _GREY
    return out
