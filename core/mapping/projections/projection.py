"""The seam of every projection, and the registry in which each has its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.progress import Progress, silent

__all__ = ["PROJECTIONS", "Objects", "Projection", "projection", "register_projection"]


@dataclass(frozen=True, eq=False)
class Objects:
    """What a projection is given.

    Attributes
    ----------
    values
        (M, D) float32, finite, centred, of a spread of about 1; not all rows alike. A projection
        with axes gets the whole embedding instead, (N, D), which may be memory-mapped float16.
    seed
        The same seed gives the same places.
    start
        (M, 2) float32 to begin from, no two rows alike, of variance 1; None: as the method does.
    classes
        (M,) int, -1 for an object without an answer; None where labels shall not be used.
    progress
        Told how far it is; may raise `Cancelled`.
    rows, take
        Of a projection with axes: (M,) the rows that are meant, and what makes (B, D) numbers as
        others get them of some rows, so that large surveys are gone through in parts.
    """

    values: np.ndarray
    seed: int
    start: np.ndarray | None = None
    classes: np.ndarray | None = None
    progress: Progress = silent
    rows: np.ndarray | None = None
    take: Callable[[np.ndarray], np.ndarray] | None = None


Arrange = Callable[[Objects], np.ndarray]
"""(M, 2) places of the objects."""


@dataclass(frozen=True)
class Projection:
    """A way to lay an embedding out in two dimensions. One file each, `register_projection`.

    Attributes
    ----------
    name, title
        As it is asked for, and as people write it.
    about
        What it is good for, in a sentence.
    arrange
        Does it.
    fewest, most
        Objects below which there is nothing to arrange; above which a sample is arranged and the
        others are placed by their neighbours, None for never.
    takes_labels
        Whether answers can be taught to it.
    has_axes
        Whether right and up mean something: such a map is mirrored at most, never turned.
    """

    name: str
    title: str
    about: str
    arrange: Arrange
    fewest: int = 5
    most: int | None = None
    takes_labels: bool = False
    has_axes: bool = False


PROJECTIONS: dict[str, Projection] = {}


def register_projection(
    name: str,
    title: str,
    about: str,
    *,
    fewest: int = 5,
    most: int | None = None,
    takes_labels: bool = False,
    has_axes: bool = False,
) -> Callable[[Arrange], Arrange]:
    """Have a function found as the projection `name`."""

    def register(arrange: Arrange) -> Arrange:
        if name in PROJECTIONS:
            raise ValueError(f"There are two projections {name!r}; give one another name.")
        PROJECTIONS[name] = Projection(
            name, title, about, arrange, fewest, most, takes_labels, has_axes
        )
        return arrange

    return register


def projection(name: str) -> Projection:
    """The projection of that name (`BadInput`)."""
    if name not in PROJECTIONS:
        raise BadInput(
            f"A map is made by {', '.join(PROJECTIONS)}, but {name[:60]!r} was asked for; choose"
            " one of them."
        )
    return PROJECTIONS[name]
