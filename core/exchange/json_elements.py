"""The elements of a JSON array, one by one, with their lines; the array may be far too large
for the memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from core.exchange.incoming import Place
from core.exchange.text import LONGEST_LINE

_NEAR_END = 16
"""An error so close to the end of what was read may be the cut alone."""

_DECODER = json.JSONDecoder()


class _Text:
    """A window on a text that comes in pieces."""

    def __init__(self, chunks: Iterable[str], place: Place) -> None:
        self._chunks, self._place = iter(chunks), place
        self.buffer, self.at, self.line, self.ended = "", 0, 1, False

    def more(self) -> None:
        """Read at least as much again, so that a long element is not tried too often."""
        wanted = max(1, len(self.buffer) - self.at)
        parts, got = [self.buffer[self.at :]], 0
        while got < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            got += len(chunk)
        self.buffer, self.at = "".join(parts), 0
        if len(self.buffer) > 2 * LONGEST_LINE:
            raise self.bad(f"one element has more than {LONGEST_LINE} characters; split it.")

    def step(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            rest = self.at
            while rest < len(self.buffer) and self.buffer[rest] in " \t\r\n":
                rest += 1
            self.step(rest)
            if rest < len(self.buffer):
                return self.buffer[rest]
            if self.ended:
                return ""
            self.more()

    def bad(self, what: str, offset: int | None = None) -> Exception:
        line = self.line
        if offset is not None:
            line += self.buffer.count("\n", self.at, offset)
        return self._place.bad(line, what)


def json_elements(chunks: Iterable[str], place: Place) -> Iterator[tuple[int, Any]]:
    """Yield (line of its first character, element) of the array in the text `chunks`.

    Raises `BadInput` with the line where the text stops being JSON.
    """
    text = _Text(chunks, place)
    if text.peek() != "[":
        raise text.bad("a JSON array should start here; export the file anew.")
    text.step(text.at + 1)
    if text.peek() == "]":
        return
    while True:
        text.peek()
        line = text.line
        yield line, _element(text)
        mark = text.peek()
        if mark == "]":
            text.step(text.at + 1)
            if text.peek():
                raise text.bad("something follows the end of the JSON array; remove it.")
            return
        if mark != ",":
            raise text.bad(
                "the JSON ends too soon; export the file anew."
                if not mark
                else "a comma or the end of the array should stand here; export the file anew."
            )
        text.step(text.at + 1)


def _element(text: _Text) -> Any:
    while True:
        try:
            value, end = _DECODER.raw_decode(text.buffer, text.at)
        except RecursionError:
            raise text.bad("the JSON is nested too deeply; export the file anew.") from None
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated") or (
                error.pos >= len(text.buffer) - _NEAR_END
            )
            if text.ended or not cut:
                raise text.bad(
                    f"the JSON is broken ({error.msg}); export the file anew.", error.pos
                ) from None
            text.more()
            continue
        if end == len(text.buffer) and not text.ended:  # a number may go on
            text.more()
            continue
        text.step(end)
        return value
