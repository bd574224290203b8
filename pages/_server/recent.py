"""The last few values of a costly function."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")


@dataclass
class _Making:
    """A value that is being made, and how many threads want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted_by: int = 0


class Recent:
    """Keeps the values of the `size` keys used last.

    Of one key one thread computes and others wait; values of different keys are made side by side,
    so that nobody waits for what somebody else asked.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()  # never held while a value is made
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, _Making] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made if it is not there; `make` must not ask for the same key."""
        with self._lock:
            if key in self._values:
                return self._used(key)
            making = self._making.setdefault(key, _Making())
            making.wanted_by += 1
        try:
            with making.lock:
                with self._lock:
                    if key in self._values:
                        return self._used(key)
                value = make()
                with self._lock:
                    self._values[key] = value
                    while len(self._values) > self._size:
                        self._values.popitem(last=False)
                return value
        finally:
            with self._lock:
                making.wanted_by -= 1
                if not making.wanted_by:
                    del self._making[key]

    def _used(self, key: Hashable) -> Any:
        self._values.move_to_end(key)
        return self._values[key]
