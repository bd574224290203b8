"""A cache of rendered pictures, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["PictureCache"]


class PictureCache:
    """Keeps the most recently used PNGs, at most `max_bytes` of them; safe between threads."""

    def __init__(self, max_bytes: int = 128 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        return self._bytes

    def get(self, key: Hashable, render: Callable[[], bytes]) -> bytes:
        """The picture of `key`, rendered if it is not there.

        Two threads may render the same picture at once; both get the same bytes.
        """
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
                return found
        picture = render()
        if len(picture) <= self._max_bytes:
            with self._lock:
                replaced = self._items.pop(key, None)
                self._bytes += len(picture) - (len(replaced) if replaced is not None else 0)
                self._items[key] = picture
                while self._bytes > self._max_bytes:
                    _, dropped = self._items.popitem(last=False)
                    self._bytes -= len(dropped)
        return picture
