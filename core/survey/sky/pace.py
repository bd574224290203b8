"""Keeping to what a service asks of its guests: not too fast, and not on when it is down."""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput, NotReady

MAX_WAIT_S = 300.0
"""The longest that a service may ask to be left alone before it is asked again."""


@dataclass(frozen=True)
class Manners:
    """How a service is asked.

    Attributes
    ----------
    concurrent
        Questions open at once, 1 to 16.
    per_second
        Questions begun in a second, over all threads; above 0, up to 100.
    timeout_s
        Silence after which a question counts as unanswered; an answer may take ten times as
        long altogether.
    retries
        Times that a question is asked again after a failure that may pass.
    give_up_after
        Failures in a row, over all questions, after which the service counts as down.
    seed
        Of the jitter in the waits between.
    """

    concurrent: int = 4
    per_second: float = 5.0
    timeout_s: float = 60.0
    retries: int = 5
    give_up_after: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "concurrent": (1, 16),
            "per_second": (0.001, 100),
            "timeout_s": (0.05, 3600),
            "retries": (0, 20),
            "give_up_after": (1, 1_000_000),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(
                    f"{name} must be {low:,} to {high:,}, but is {value!r}; change that setting."
                )


MANNERS = {
    "concurrent": "questions open at once (4; at most 16)",
    "per_second": "questions begun in a second (5)",
    "timeout_s": "seconds of silence after which a question is asked again (60)",
    "retries": "times that a question is asked again (5)",
    "give_up_after": "failures in a row after which the import stops, to go on later (20)",
}
"""Settings of every reader that asks other machines."""


def manners_from(own: Mapping[str, Any]) -> Manners:
    """Manners from the settings of a reader, given as text."""
    given: dict[str, Any] = {}
    for name in MANNERS:
        if name not in own:
            continue
        whole = name not in ("per_second", "timeout_s")
        try:
            given[name] = int(own[name]) if whole else float(own[name])
        except (TypeError, ValueError):
            raise BadInput(
                f"{name} must be a number, but is {own[name]!r}; change that setting."
            ) from None
    return Manners(**given)


class Pace:
    """Lets questions begin one after the other, a fixed time apart.

    Parameters
    ----------
    clock, sleep
        Seconds that only grow, and a wait for some of them.
    """

    def __init__(
        self, per_second: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._gap = 1.0 / per_second
        self._clock, self._sleep = clock, sleep
        self._next = -1e300
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until the next question may begin."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._next - now
                if wait <= 0:
                    self._next = now + self._gap
                    return
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Begin no question for so long; a longer pause that was asked for stays."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class Health:
    """Notices when a service is down, so that its silence is not taken for an answer.

    A machine that cannot be reached at all counts as down after as many failures in a row as
    one question may have: that is never the fault of the one position.
    """

    def __init__(self, manners: Manners) -> None:
        self._limit = manners.give_up_after
        self._unreachable_limit = min(manners.give_up_after, manners.retries + 1)
        self._failures = self._unreachable = 0
        self._sentence = ""
        self._lock = threading.Lock()

    def good(self) -> None:
        with self._lock:
            self._failures = self._unreachable = 0

    def bad(self, host: str, reason: str, unreachable: bool) -> None:
        with self._lock:
            self._failures += 1
            self._unreachable = self._unreachable + 1 if unreachable else 0
            down = self._unreachable >= self._unreachable_limit
            if self._sentence or not (down or self._failures >= self._limit):
                return
            count = self._unreachable if down else self._failures
            self._sentence = (
                f"The service does not answer as it should: {host} {reason}, and {count}"
                " questions in a row came to nothing; run the same command again later to go"
                " on where it stopped."
            )

    def check(self) -> None:
        """Raises `NotReady` once the service counts as down."""
        if self._sentence:
            raise NotReady(self._sentence)


def retry_after(value: str | None, now: float) -> float:
    """Seconds that a Retry-After header asks for: a number or a date of HTTP (RFC 9110, 10.2.3).

    Never negative and at most `MAX_WAIT_S`; 0 for what cannot be read.
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError, OSError):
            return 0.0
    # The comparison also turns NaN into 0.
    return min(seconds, MAX_WAIT_S) if seconds > 0 else 0.0
