"""The arrays that catalogue plots are made of, kept as long as there is room for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np

from pages._server.recent import Recent

__all__ = ["KEPT_BYTES", "RecentArrays"]

KEPT_BYTES = 1 << 30
"""Four plots of ten million objects: eight quantities, the positions and a plane of the sky."""
_MOST = 256
"""Of small surveys keys alone would add up: each middle of the sky is one."""

T = TypeVar("T")


class RecentArrays(Recent):
    """As `Recent`, with the values used last that take up to `n_bytes` of memory together.

    The last one is kept, however large. What counts of a value are its arrays: itself, those of a
    tuple, those of an object's attributes.
    """

    def __init__(self, n_bytes: int = KEPT_BYTES) -> None:
        super().__init__(_MOST)
        self._n_bytes = n_bytes

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made if it is not there; `make` must not ask for the same key."""
        value: T = super().get(key, make)
        with self._lock:
            sizes = [(one, _bytes_of(kept)) for one, kept in self._values.items()]
            taken = sum(size for _, size in sizes)
            for one, size in sizes[:-1]:
                if taken <= self._n_bytes:
                    break
                del self._values[one]
                taken -= size
        return value


def _bytes_of(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    parts: Iterable[Any] = value if isinstance(value, tuple) else getattr(value, "__dict__", {})
    if isinstance(parts, dict):
        parts = parts.values()
    return sum(one.nbytes for one in parts if isinstance(one, np.ndarray))
