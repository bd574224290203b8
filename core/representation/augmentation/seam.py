"""The seam of every augmentation: what may differ between two pictures of one object."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from torch import Tensor

from core.errors import BadInput
from core.representation.augmentation.chances import Chances
from core.representation.augmentation.conditions import Conditions


@dataclass(frozen=True)
class Dose:
    """How much of an augmentation, in its own unit (0 = none), and how often, per object."""

    amount: float
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and self.amount >= 0 and 0 <= self.probability <= 1):
            raise BadInput(
                "A dose has an amount of 0 or more and a probability from 0 to 1, but came"
                f" {self.amount} and {self.probability}; correct the recipe."
            )

    @property
    def given(self) -> bool:
        return self.amount > 0 and self.probability > 0


@dataclass(frozen=True)
class Sight:
    """What a batch of views shows.

    Attributes
    ----------
    conditions
        Of its objects, on the device of the pixels.
    scale
        (B,) view pixels that a native pixel measures; NaN where unknown.
    """

    conditions: Conditions
    scale: Tensor


class Augmentation(ABC):
    """One file may hold several; each is registered by `register_augmentation`.

    Class attributes
    ----------------
    reason
        Why two pictures that differ so show the same object, and what is at stake: for people.
    words
        What an amount means: a format string that it is put into.
    order
        When it happens: lower ones first.
    scales
        Whether amounts follow the strength. Turns and flips do not: the sky has no up at all.
    """

    name: ClassVar[str]
    reason: ClassVar[str]
    words: ClassVar[str]
    order: ClassVar[int]
    scales: ClassVar[bool] = True

    def said(self, dose: Dose) -> str:
        """What a dose of it does, and to how many objects."""
        share = "" if dose.probability == 1 else f", {dose.probability:.0%} of the objects"
        return self.words.format(dose.amount) + share


class Move(Augmentation):
    """Where a view's pixels come from. All moves together sample the picture once."""

    @abstractmethod
    def matrix(self, dose: Dose, chances: Chances) -> Tensor:
        """(B, 3, 3) on the CPU: place in the view -> place in what the next move makes of it.

        Places are (x, y, 1), -1 to 1 over the view.
        """


class Change(Augmentation):
    """What happens to a view's pixels.

    Class attributes
    ----------------
    in_light
        Whether it takes light, linear in flux and in the unit of the scaled pixels near the sky,
        rather than the scaled pixels themselves.
    """

    in_light: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, x: Tensor, dose: Dose, chances: Chances, sight: Sight) -> Tensor:
        """(B, band, y, x) -> the same shape, on the same device; `x` stays as it is."""


A = TypeVar("A", bound=type[Augmentation])
AUGMENTATIONS: dict[str, Augmentation] = {}
"""By name."""


def register_augmentation(name: str) -> Callable[[A], A]:
    """Class decorator: make an augmentation known by `name`; a taken name is refused."""

    def register(cls: A) -> A:
        if name in AUGMENTATIONS:
            raise ValueError(f"an augmentation named {name!r} is registered already")
        cls.name = name
        AUGMENTATIONS[name] = cls()
        return cls

    return register


def checked_name(name: str) -> str:
    """`name` if it is a registered augmentation, else `BadInput`."""
    if name not in AUGMENTATIONS:
        raise BadInput(
            f"The augmentations are {', '.join(AUGMENTATIONS)}, but {name!r} was named; choose"
            " among these."
        )
    return name


def in_order() -> list[Augmentation]:
    """All of them, as they happen."""
    return sorted(AUGMENTATIONS.values(), key=lambda one: one.order)
