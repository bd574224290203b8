"""Results kept as they come, so that a benchmark which was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kept:
    """What was asked -> what was found, both JSON objects, a pair a line of a file.

    A line that a cut-off broke is passed over: it is found again.

    Parameters
    ----------
    fresh
        Forget what is there.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        self._found: dict[str, Any] = {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                asked, found = json.loads(line)
            except ValueError:
                continue
            self._found[_key(asked)] = found
        if text and not text.endswith("\n"):
            self._write("\n")

    def get(self, asked: dict[str, Any]) -> Any:
        """What was found; None where nothing is kept."""
        return self._found.get(_key(asked))

    def add(self, asked: dict[str, Any], found: Any) -> None:
        """Keep one, on disk before this returns."""
        line = json.dumps([asked, found])
        self._found[_key(asked)] = json.loads(line)[1]
        self._write(line + "\n")

    def pairs(self) -> list[tuple[dict[str, Any], Any]]:
        """All that was asked, each with what was found."""
        return [(json.loads(asked), found) for asked, found in self._found.items()]

    def forget(self, which: Callable[[dict[str, Any]], bool]) -> None:
        """Drop what was asked where `which` says so, in the file too."""
        left = [(asked, found) for asked, found in self.pairs() if not which(asked)]
        self._found = {_key(asked): found for asked, found in left}
        rewritten = self._path.with_suffix(".part")
        rewritten.write_text("".join(json.dumps(pair) + "\n" for pair in left), encoding="utf-8")
        rewritten.replace(self._path)

    def _write(self, text: str) -> None:
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(text)


def _key(asked: dict[str, Any]) -> str:
    return json.dumps(asked, sort_keys=True)
