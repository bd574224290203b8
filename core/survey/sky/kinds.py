"""What an answer must look like before it is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

MB = 1024 * 1024
HEAD_BYTES = 4096
TAIL_BYTES = 4096
_FITS_BLOCK = 2880
_LONGEST_WORDS = 120


def _any_end(_tail: bytes, _n_bytes: int) -> bool:
    return True


def _jpeg_end(tail: bytes, _n_bytes: int) -> bool:
    return b"\xff\xd9" in tail  # some servers pad after the end marker


def _fits_end(_tail: bytes, n_bytes: int) -> bool:
    return n_bytes % _FITS_BLOCK == 0


@dataclass(frozen=True)
class Kind:
    """A kind of answer.

    Attributes
    ----------
    words
        Its name in sentences: "a JPEG picture".
    begins
        How its bytes may begin; anything when empty.
    never
        How it does not begin: "<" of an error page.
    whole
        Whether the last bytes and the number of bytes are those of a whole one.
    max_bytes
        More is not taken.
    nothing
        What a service writes, under whatever status, when it has nothing for a position.
    """

    words: str
    begins: tuple[bytes, ...] = ()
    never: tuple[bytes, ...] = ()
    whole: Callable[[bytes, int], bool] = _any_end
    max_bytes: int = 64 * MB
    nothing: re.Pattern[str] = re.compile(
        r"no overlap|outside (of )?the|not in (the )?footprint|no data (found|available)",
        re.IGNORECASE,
    )

    def may_begin(self, head: bytes) -> bool:
        """Whether an answer of this kind begins with these bytes."""
        if self.never and head.lstrip().startswith(self.never):
            return False
        return not self.begins or head.startswith(self.begins)


JPEG = Kind("a JPEG picture", (b"\xff\xd8\xff",), whole=_jpeg_end)
FITS = Kind("a FITS file", (b"SIMPLE  =",), whole=_fits_end)
FITS_FRAME = Kind("a FITS file", (b"SIMPLE  =",), whole=_fits_end, max_bytes=1024 * MB)
BZ2_FRAME = Kind("a bzip2 file", (b"BZh",), max_bytes=512 * MB)
GZ_FRAME = Kind("a gzip file", (b"\x1f\x8b",), max_bytes=512 * MB)


def first_words(body: bytes) -> str:
    """The first words of a message for people: HTML, XML, JSON with a title, or plain text.

    Empty for what is no text.
    """
    import html  # its table of characters takes ten milliseconds

    start = body[:HEAD_BYTES]
    if b"\x00" in start:
        return ""
    text = start.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        text = _told_in_json(body) or text
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", text)
    text = re.sub(r"(?s)<[^>]*>?", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in html.unescape(text)).split())
    if text.count("�") > len(text) // 10:
        return ""
    return text if len(text) <= _LONGEST_WORDS else text[:_LONGEST_WORDS].rstrip() + " ..."


def _told_in_json(body: bytes) -> str:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    keys = ("title", "error", "message", "description", "ErrorMessage", "detail")
    return ": ".join(str(told[key]) for key in keys if isinstance(told.get(key), str))
