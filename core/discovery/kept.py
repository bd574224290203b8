"""What is worked out once an array and kept as long as the array lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
_Key = tuple[int, int, tuple[int, ...], tuple[int, ...]]


class Kept(Generic[T]):
    """`make(array)`, made at the first call for an array that does not change.

    An array is known by the memory it shows: the read-only views that one engine hands out at
    every re-rank are one and the same. What was made goes when the memory's owner goes.
    """

    def __init__(self, make: Callable[[np.ndarray], T]) -> None:
        self._make = make
        self._made: dict[_Key, tuple[weakref.ref[np.ndarray], T]] = {}

    def __call__(self, array: np.ndarray) -> T:
        owner = array.base if isinstance(array.base, np.ndarray) else array
        key = (id(owner), array.ctypes.data, array.shape, array.strides)
        if key in self._made:
            alive, value = self._made[key]
            if alive() is owner:  # ids are given anew
                return value
        value = self._make(array)
        self._made[key] = (weakref.ref(owner, lambda _: self._made.pop(key, None)), value)
        return value

    def __len__(self) -> int:
        return len(self._made)
