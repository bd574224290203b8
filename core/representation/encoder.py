"""The seam of every encoder, and the registry in which each has its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, NotReady
from core.progress import Progress
from core.survey import Survey
from core.vocabulary import DEFAULT

DEFAULT_ENCODER = "fusion"
"""What `default` stands for."""


class Encoder(Protocol):
    """Turns pictures into an embedding. One file an encoder, registered by `register_encoder`."""

    name: str

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Learn what has to be learnt from the survey (at least its pixel limits)."""

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """(B, band, y, x) native pixels -> (B, D) float32."""

    def save(self, folder: Path) -> dict[str, Any]:
        """Write weights (safetensors) into `folder`; return the rest as JSON settings."""

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> Encoder:
        """The encoder that `save` wrote."""


E = TypeVar("E", bound=type[Any])
ENCODERS: dict[str, type[Any]] = {}


def register_encoder(name: str) -> Callable[[E], E]:
    """Class decorator: make an encoder known by `name`; a taken name is refused."""

    def register(cls: E) -> E:
        if name in ENCODERS or name == DEFAULT:
            raise ValueError(f"an encoder named {name!r} is registered already")
        cls.name = name
        ENCODERS[name] = cls
        return cls

    return register


def sampled_rows(survey: Survey, count: int, seed: int = 0) -> NDArray[np.int64]:
    """At most `count` rows that have a picture, drawn with a fixed seed, in ascending order."""
    rows = np.flatnonzero(survey.has_image)
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    if not len(rows):
        raise NotReady(f"No object of {survey.name} has a picture to learn from; import pictures.")
    return rows


def encoder_name(name: str) -> str:
    """Resolve `default` and check the name."""
    resolved = DEFAULT_ENCODER if name == DEFAULT else name
    if resolved not in ENCODERS:
        raise BadInput(
            f"The encoder must be one of {', '.join(sorted([DEFAULT, *ENCODERS]))}, but is"
            f" {name!r}; choose one of them."
        )
    return resolved
