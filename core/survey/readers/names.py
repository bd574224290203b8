"""Millions of names in little memory: sorted, packed, and handed out one after the other."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Iterator

_RUN = 400_000
"""Names that lie unpacked while they are sorted, some 40 MB."""

_BLOCK = 4096


class SortedNames:
    """Text in the order of its characters, about ten bytes a path of a survey.

    Names are sorted and packed a run at a time; reading merges the runs. A name holds no zero
    byte; undecodable bytes of file names (surrogates) survive.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._runs: list[list[bytes]] = []
        self._n = 0
        run: list[str] = []
        for name in names:
            run.append(name)
            if len(run) >= _RUN:
                self._keep(run)
                run = []
        self._keep(run)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[str]:
        if len(self._runs) == 1:
            return _unpacked(self._runs[0])
        return heapq.merge(*map(_unpacked, self._runs))

    def sample(self, most: int) -> list[str]:
        """At most so many, evenly spread."""
        step = max(1, -(-self._n // most))
        return [name for number, name in enumerate(self) if number % step == 0]

    def _keep(self, run: list[str]) -> None:
        run.sort()
        blocks = (run[start : start + _BLOCK] for start in range(0, len(run), _BLOCK))
        packed = [
            zlib.compress("\0".join(block).encode("utf-8", "surrogateescape"), 1)
            for block in blocks
        ]
        if packed:
            self._runs.append(packed)
        self._n += len(run)


def _unpacked(run: list[bytes]) -> Iterator[str]:
    for block in run:
        yield from zlib.decompress(block).decode("utf-8", "surrogateescape").split("\0")
