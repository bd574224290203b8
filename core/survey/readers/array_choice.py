"""Guesses which array of a file holds the images, how its axes run, and what its bands are."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.options import MIN_SIDE_PX

IMAGE_NAMES = ("images", "image", "imgs", "img", "cutouts", "cutout", "stamps", "pictures")
SCALE_NAMES = ("pxscale", "pixscale", "pixel_scale", "pixel_scale_arcsec")
MOST_BANDS = 64
MOST_ENTRY_BYTES = 512 * 1024**2
ORDERS = ("NYX", "NYXC", "NCYX")

_SSL_NAMES = frozenset(("inds", "brickid"))
_SSL_BANDS = ("g", "r", "z")
SSL_PIXEL_ARCSEC = 0.262
"""Pixels of the Legacy Surveys, whose self-supervised sets come as one HDF5 layout."""


@dataclass(frozen=True)
class ArrayInfo:
    """An array of a file.

    Attributes
    ----------
    chunk_rows
        Rows that are unpacked together; 0 where each row can be had alone.
    text
        Whether an array of Python objects holds text.
    unit
        Of its values, as the file gives it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int = 0
    text: bool = False
    unit: str = ""

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'one'} {self.dtype}"


def is_images(info: ArrayInfo) -> bool:
    """Whether an array can be the images of a survey."""
    if info.dtype.kind not in "biuf" or len(info.shape) not in (3, 4) or 0 in info.shape:
        return False
    try:
        axes_of(info.shape)
    except BadInput:
        return False
    return info.row_bytes <= MOST_ENTRY_BYTES


def chosen_images(
    arrays: Mapping[str, ArrayInfo], wished: str | None, what: str, left_out: str = ""
) -> str:
    """The name of the array that holds the images; `left_out` says what cannot be read."""
    if wished is not None:
        name = wished if wished in arrays else wished.strip("/")
        if name not in arrays:
            raise BadInput(
                f"There is no array {wished!r} in {what} (there: {_listed(arrays)}); choose one"
                " of these for `images`."
            )
        if not is_images(arrays[name]):
            raise BadInput(
                f"The array {name!r} of {what} should be images (object, y, x), (object, y, x,"
                " band) or (object, band, y, x) of numbers, each side at least"
                f" {MIN_SIDE_PX} pixels, but is {arrays[name]}; choose another for `images`."
            )
        return name
    fitting = [name for name, info in arrays.items() if is_images(info)]
    if not fitting:
        raise BadInput(
            f"No array of {what} holds images, (object, y, x), (object, y, x, band) or (object,"
            f" band, y, x) of numbers, each side at least {MIN_SIDE_PX} pixels (there:"
            f" {'; '.join(filter(None, (_listed(arrays), left_out)))}); check the file."
        )

    def key(name: str) -> tuple[bool, int, str]:
        usual = PurePosixPath(name).name.lower() in IMAGE_NAMES
        return (not usual, -math.prod(arrays[name].shape) * arrays[name].dtype.itemsize, name)

    return min(fitting, key=key)


def axes_of(shape: Sequence[int], wished: str | None = None) -> str:
    """ "NYX", "NYXC" or "NCYX": how the axes of the images run."""
    if wished is not None:
        order = wished.strip().upper()
        if order not in ORDERS or len(order) != len(shape):
            raise BadInput(
                f"`axes` is one of {', '.join(ORDERS)} and has a letter for each axis of the"
                f" images {tuple(shape)}, but is {wished!r}; change it."
            )
    elif len(shape) == 3:
        order = "NYX"
    else:
        first, middle, last = shape[1:]
        # Pixels are square as a rule; where that does not tell, there are fewer bands.
        if (first == middle) != (middle == last):
            order = "NYXC" if first == middle else "NCYX"
        else:
            order = "NYXC" if last <= first else "NCYX"
    sides = [n for n, axis in zip(shape, order, strict=True) if axis in "YX"]
    n_bands = shape[order.index("C")] if "C" in order else 1
    if min(sides) < MIN_SIDE_PX or n_bands > MOST_BANDS:
        raise BadInput(
            f"Images have at least {MIN_SIDE_PX} pixels a side and at most {MOST_BANDS} bands,"
            f" but an array of {tuple(shape)} read as {order} does not; say how its axes run"
            f" with `axes` ({', '.join(ORDERS)})."
        )
    return order


def guessed_bands(n: int, is_uint8: bool, names: Collection[str]) -> tuple[str, ...]:
    """Names for `n` bands of the images in a file that holds arrays of these names."""
    if n == 3 and is_uint8:
        return ("R", "G", "B")
    if n == 3 and is_ssl(names):
        return _SSL_BANDS
    return tuple(f"band{number}" for number in range(1, n + 1))


def is_ssl(names: Collection[str]) -> bool:
    """Whether a file is laid out as the self-supervised sets of the Legacy Surveys."""
    return bool(_SSL_NAMES & {PurePosixPath(name).name.lower() for name in names})


def chosen_bands(known: Sequence[str], wished: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Names of the bands and their places in the data: some of the known ones, or new names."""
    if not wished:
        return tuple(known), list(range(len(known)))
    if set(wished) <= set(known):
        return tuple(wished), [list(known).index(name) for name in wished]
    if len(wished) != len(known):
        raise BadInput(
            f"The data have {len(known)} bands ({', '.join(known)}), and `bands` names"
            f" {', '.join(wished)}; choose among them, or give a new name to each."
        )
    return tuple(wished), list(range(len(known)))


def _listed(arrays: Mapping[str, ArrayInfo]) -> str:
    told = [f"{name} ({info})" for name, info in list(arrays.items())[:12]]
    if len(arrays) > len(told):
        told.append(f"{len(arrays) - len(told)} more")
    return ", ".join(told) or "none"
