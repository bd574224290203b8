"""Batches read ahead by a thread while the one before is encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 2
"""Batches in hand: one read, one being read."""

Item = TypeVar("Item")
Read = TypeVar("Read")


def read_ahead(
    read: Callable[[Item], Read], items: Iterable[Item], ahead: int = AHEAD
) -> Iterator[tuple[Item, Read]]:
    """Each item with what `read` gives for it, in order, at most `ahead` more in memory.

    Decoding gives up Python's lock, so that one thread reads while the other computes. What `read`
    raises comes out in its turn.
    """
    waiting: deque[tuple[Item, Future[Read]]] = deque()
    remaining = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        try:
            while True:
                while len(waiting) < ahead:
                    try:
                        item = next(remaining)
                    except StopIteration:
                        break
                    waiting.append((item, pool.submit(read, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield item, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
