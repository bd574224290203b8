"""Signals that end a training wait until its state is whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold the first SIGINT or SIGTERM back until the body is done; gives whether one came.

    A second one does at once what it does outside. Other threads than the main one receive no
    signals, and nothing is held back there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    before: dict[int, Any] = {}

    def let_through() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        let_through()

    for number in _HELD:
        # None is a handler that was not installed from Python and could not be put back.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        if not came:
            let_through()
    if came:
        handler = before[came[0]]
        if callable(handler):
            handler(came[0], None)
        else:
            signal.raise_signal(came[0])
