"""How much one person may ask of the server, so that nobody's script slows the others down.

A token bucket for each person and kind of request, in memory. The limits lie far above what a
fast person needs: ten answers a second for hours, a page of 64 pictures at once, and all of it in
two or three tabs. Pictures cost the server most, so that no more than a few of one person's are
made at the same moment; the others wait their turn, which costs no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pages._server.requests import Refused, RouteSpec

__all__ = ["LIMITS", "Allowance", "Kind", "Limits", "TooMany", "kind_of"]

PICTURE_PATHS = (
    *("/api/image", "/api/spectrum", "/api/levels", "/api/pixels"),
    *("/api/measure", "/api/nuclei", "/api/odd_picture"),
    *("/api/map_points", "/api/map_colours", "/api/map_filter", "/api/map_picture"),
)
"""What reads and works on pixels, whatever it answers, or goes over all objects of a map."""

PICTURES_AT_ONCE = 12
"""Of one person: browsers ask for six at once of one host, and for many more through HTTP/2."""
MAX_PEOPLE = 512
"""Remembered at once; who was longest away is forgotten first."""


class Kind(StrEnum):
    """What a request costs."""

    PICTURES = "pictures"
    READS = "reads"
    WRITES = "writes"


@dataclass(frozen=True)
class Allowance:
    """A bucket: `burst` requests at once, and `per_second` in the long run."""

    burst: int
    per_second: float


LIMITS: Mapping[Kind, Allowance] = {
    Kind.PICTURES: Allowance(600, 100),
    Kind.READS: Allowance(400, 80),
    Kind.WRITES: Allowance(400, 50),
}

_WORDS = {
    Kind.PICTURES: "pictures are fetched",
    Kind.READS: "questions are asked",
    Kind.WRITES: "answers are sent",
}


class TooMany(Refused):
    """429; `retry_after_s` is in whole seconds, at least 1."""

    def __init__(self, kind: Kind, allowance: Allowance, retry_after_s: int) -> None:
        span = "1 second" if retry_after_s == 1 else f"{retry_after_s} seconds"
        super().__init__(
            429,
            f"More {_WORDS[kind]} than one person may ({allowance.per_second:g} a second); this"
            f" goes on by itself in {span}.",
        )
        self.retry_after_s = retry_after_s


def kind_of(spec: RouteSpec) -> Kind:
    """Which allowance a route draws on."""
    if spec.method != "GET":
        return Kind.WRITES
    return Kind.PICTURES if spec.path in PICTURE_PATHS else Kind.READS


class _Bucket:
    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._left = float(allowance.burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take one; 0, or the seconds until there is one."""
        gained = max(0.0, now - self._at) * self._allowance.per_second
        self._left = min(self._left + gained, float(self._allowance.burst))
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._allowance.per_second
        self._left -= 1
        return 0.0


class _Person:
    def __init__(self, limits: Mapping[Kind, Allowance], at_once: int, now: float) -> None:
        self.buckets = {kind: _Bucket(one, now) for kind, one in limits.items()}
        self.pictures = asyncio.Semaphore(at_once)


class Limits:
    """What each person has left.

    Parameters
    ----------
    limits
        The allowance of each kind.
    at_once
        Pictures of one person in the making at the same moment.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        limits: Mapping[Kind, Allowance] = LIMITS,
        *,
        at_once: int = PICTURES_AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._at_once = at_once
        self._clock = clock
        self._people: OrderedDict[str, _Person] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many people are remembered."""
        return len(self._people)

    @contextlib.asynccontextmanager
    async def admit(self, user: str, kind: Kind) -> AsyncIterator[None]:
        """Let one request of `user` in, or raise `TooMany`; pictures wait their turn."""
        person = self._take(user, kind)
        if kind is not Kind.PICTURES:
            yield
            return
        async with person.pictures:
            yield

    def _take(self, user: str, kind: Kind) -> _Person:
        now = self._clock()
        with self._lock:
            person = self._people.get(user)
            if person is None:
                person = self._people[user] = _Person(self._limits, self._at_once, now)
                while len(self._people) > MAX_PEOPLE:
                    self._people.popitem(last=False)
            self._people.move_to_end(user)
            wait_s = person.buckets[kind].take(now)
        if wait_s > 0:
            raise TooMany(kind, self._limits[kind], max(1, math.ceil(wait_s)))
        return person
