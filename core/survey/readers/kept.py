"""What a worker keeps from one unit to the next: streams that can only be read forwards.

A compressed archive has no way into its middle. A worker that opened it anew for every unit
would unpack its beginning again and again; one that goes on where its last unit ended unpacks
the archive once. So with n workers it is unpacked n times at most, nothing is spooled to disk,
and memory stays at the size of one unit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol, TypeVar

MOST_KEPT = 64


class Closable(Protocol):
    def close(self) -> None: ...


_Thing = TypeVar("_Thing", bound=Closable)

_lock = threading.Lock()
_kept: OrderedDict[Hashable, Closable] = OrderedDict()


@contextlib.contextmanager
def going_on(key: Hashable, make: Callable[[], _Thing]) -> Iterator[_Thing]:
    """What was kept under `key`, or a new one; kept again unless the block raises.

    `key` must say all that tells things apart, the stamp of the file among it. While the block
    runs nobody else has the thing, in any thread; a forked process, which would share the place
    in the file, does not see it.
    """
    mine = (os.getpid(), key)
    with _lock:
        found = _kept.pop(mine, None)
    thing: _Thing = make() if found is None else found  # type: ignore[assignment]
    try:
        yield thing
    except BaseException:
        thing.close()
        raise
    with _lock:
        dropped = [_kept.pop(mine)] if mine in _kept else []
        _kept[mine] = thing
        while len(_kept) > MOST_KEPT:
            dropped.append(_kept.popitem(last=False)[1])
    for other in dropped:
        other.close()


def let_go() -> None:
    """Close everything that is kept."""
    with _lock:
        things = list(_kept.values())
        _kept.clear()
    for thing in things:
        thing.close()


atexit.register(let_go)
