"""Turns, flips, shifts and zoom: an object does not depend on how the camera was held."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.representation.augmentation.chances import Chances
from core.representation.augmentation.seam import Dose, Move, register_augmentation


@register_augmentation("flip")
class Flip(Move):
    reason = "The sky has no handedness: a mirrored galaxy is as likely as the galaxy."
    words = "mirrored"
    order = 0
    scales = False

    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        out = _identity(chances.count)
        out[:, 0, 0] = torch.where(chances.chosen(dose.probability), -1.0, 1.0)
        return out


@register_augmentation("quarter_turn")
class QuarterTurn(Move):
    reason = "The sky has no up. Quarter turns keep every pixel as it is."
    words = "turned by 0, 90, 180 or 270 degrees"
    order = 1
    scales = False

    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        quarters = chances.integers(4) * chances.chosen(dose.probability)
        # Looked up, since the cosine of a quarter turn is not quite 0.
        cos = torch.tensor([1.0, 0.0, -1.0, 0.0])
        return _turned(cos[quarters], cos[(quarters + 3) % 4])


@register_augmentation("rotation")
class Rotation(Move):
    reason = (
        "The sky has no up, so objects lie at any angle. Pixels are interpolated, and corners"
        " that turn in are filled by reflection: black would give the angle away."
    )
    words = "turned by any angle"
    order = 2
    scales = False

    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        angle = chances.uniform(0, 2 * math.pi) * chances.chosen(dose.probability)
        return _turned(torch.cos(angle), torch.sin(angle))


@register_augmentation("zoom")
class Zoom(Move):
    reason = (
        "The same object stands nearer or farther, and cutouts are not cut to one rule. Kept"
        " small: how sharp a core is must still be seen."
    )
    words = "up to {:.0%} larger or smaller"
    order = 3

    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        power = chances.uniform(-dose.amount, dose.amount) * chances.chosen(dose.probability)
        out = _identity(chances.count)
        out[:, 0, 0] = out[:, 1, 1] = torch.exp(power)
        return out


@register_augmentation("shift")
class Shift(Move):
    reason = (
        "A cutout's centring is as rough as its catalogue's positions. Kept small: what lies off"
        " the centre, a second nucleus or a lensed arc, is told by where it is."
    )
    words = "moved by up to {:.1%} of the side"
    order = 4

    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        # The side spans -1 to 1.
        shift = chances.uniform(-2 * dose.amount, 2 * dose.amount, 2)
        out = _identity(chances.count)
        out[:, :2, 2] = shift * chances.chosen(dose.probability)[:, None]
        return out


def _identity(count: int) -> Tensor:
    return torch.eye(3).repeat(count, 1, 1)


def _turned(cos: Tensor, sin: Tensor) -> Tensor:
    out = _identity(len(cos))
    out[:, 0, 0], out[:, 0, 1] = cos, -sin
    out[:, 1, 0], out[:, 1, 1] = sin, cos
    return out
