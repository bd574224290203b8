"""Millions of entries in little memory: packed in their order, and handed out again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

_BLOCK = 2048


class PackedEntries:
    """JSON values, about ten bytes each where they are much alike."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[Any] = []
        self._n = 0

    def add(self, entry: Any) -> None:
        self._open.append(entry)
        self._n += 1
        if len(self._open) >= _BLOCK:
            self._blocks.append(zlib.compress(json.dumps(self._open).encode(), 1))
            self._open = []

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Any]:
        for block in self._blocks:
            yield from json.loads(zlib.decompress(block))
        yield from self._open

    def units(self, most: int) -> Iterator[list[Any]]:
        """All entries, at most so many at a time."""
        part = []
        for entry in self:
            part.append(entry)
            if len(part) >= most:
                yield part
                part = []
        if part:
            yield part
