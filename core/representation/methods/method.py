"""The seam of every way to train a network without labels, and the registry of their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from core.errors import BadInput
from core.representation.inputs.spec import InputSpec


@dataclass(frozen=True)
class Loss:
    """What a step minimises (scalar), and its unweighted parts by name (scalars), for curves."""

    total: Tensor
    parts: dict[str, Tensor]


class Method(nn.Module, ABC):
    """A network together with what trains it. One file a method, registered by `register_method`.

    Everything that changes while training is a parameter or buffer of this module (an averaged
    network, a queue too), so that a checkpoint of its state is whole.

    Class attributes
    ----------------
    description
        One line for people.
    parts
        Names of the loss's parts, in the order shown.
    views
        Augmented views of an object a step: 2 where they are compared, else 1.
    augments
        Whether views differ by more than turns and flips. An autoencoder copies what it is given.
    reconstructs
        Whether `decode` gives pictures back; then the reconstruction error of held-out pictures
        picks the weights. Not so of one that draws in what was hidden: it is trained for codes.
    training_only
        Prefixes of state that embedding does not need; not written with the weights.
    batch_size, learning_rate
        Where nobody says otherwise.

    Parameters
    ----------
    spec
        What the network sees.
    settings
        Of the architecture and the loss; missing ones have defaults. `self.settings` holds all,
        as JSON, and makes the same module again.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]
    views: ClassVar[int] = 2
    augments: ClassVar[bool] = True
    reconstructs: ClassVar[bool] = False
    training_only: ClassVar[tuple[str, ...]] = ()
    batch_size: ClassVar[int] = 192
    learning_rate: ClassVar[float] = 1.5e-3

    spec: InputSpec
    settings: dict[str, Any]

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.settings = self.default_settings()
        unknown = set(settings or {}) - set(self.settings)
        if unknown:
            raise BadInput(
                f"The method {self.name} has the settings {', '.join(self.settings) or 'none'},"
                f" but came {', '.join(sorted(unknown))}; leave out what it does not know."
            )
        self.settings.update(settings or {})

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        """Names and defaults of the settings, as JSON can hold them."""
        return {}

    @classmethod
    def input_spec(cls, bands: int) -> InputSpec:
        """What the network is shown of a survey with so many bands."""
        return InputSpec(bands=bands)

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of a code."""

    @abstractmethod
    def loss(self, views: Sequence[Tensor]) -> Loss:
        """The loss of `views` views, each (B, channels, size_px, size_px), of the same objects.

        With several processes, each has a part of the batch; terms over the batch are taken over
        all of it through `core.representation.training.gathering.gathered`, with gradient, so
        that the loss is the same on each and that of one process with the whole batch.
        """

    @abstractmethod
    def codes(self, x: Tensor) -> Tensor:
        """(B, channels, size_px, size_px) -> (B, dimensions): what an encoder keeps."""

    def decode(self, codes: Tensor) -> Tensor:
        """(B, dimensions) -> (B, channels, size_px, size_px), where `reconstructs`."""
        raise BadInput(f"The method {self.name} makes no pictures from codes ({codes.shape}).")

    def after_step(self, fraction: float) -> None:
        """Called after each step of the optimiser; `fraction` of the training is done."""


M = TypeVar("M", bound=type[Method])
METHODS: dict[str, type[Method]] = {}


def register_method(name: str) -> Callable[[M], M]:
    """Class decorator: make a method known by `name`; a taken name is refused."""

    def register(cls: M) -> M:
        if name in METHODS:
            raise ValueError(f"a method named {name!r} is registered already")
        cls.name = name
        METHODS[name] = cls
        return cls

    return register


def method_named(name: str) -> type[Method]:
    """The class of a registered method, else `BadInput`."""
    if name not in METHODS:
        raise BadInput(
            f"The method of pretraining must be one of {', '.join(sorted(METHODS))}, but is"
            f" {name!r}; choose one of them."
        )
    return METHODS[name]
