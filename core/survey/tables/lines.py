"""Text files by lines: plain or compressed, of any size, found again by byte offset."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import BadInput
from core.survey.tables.base import forget, kept

MAX_LINE = 1024 * 1024
_HEAD = 64 * 1024

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma"}


def checked_file(path: Path) -> os.stat_result:
    """The state of a plain file that may be read, else `BadInput`."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}; check the path.") from None
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise BadInput(f"The file {path} cannot be opened ({why}); check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"A table must be a plain file, but {path} is none; name another.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"The file {path} may not be read by this user; change its permissions.")
    if found.st_size == 0:
        raise BadInput(f"The file {path} is empty; name another.")
    return found


def compression(head: bytes) -> str:
    """ "gzip", "bz2", "lzma" or nothing, by the first bytes of a file."""
    return next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), "")


def open_plain(path: Path) -> BinaryIO:
    """The file's bytes, unpacked if they are compressed; seekable."""
    import bz2
    import gzip
    import lzma

    with open(path, "rb") as file:
        kind = compression(file.read(8))
    if kind == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if kind == "bz2":
        return bz2.open(path, "rb")  # type: ignore[return-value]
    if kind == "lzma":
        return lzma.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb")


def read_head(path: Path, size: int = _HEAD) -> bytes:
    """The first bytes, unpacked; fewer where the file is damaged further on."""
    parts = []
    try:
        with open_plain(path) as file:
            while size > 0 and (part := file.read(min(size, 8192))):
                parts.append(part)
                size -= len(part)
    except Exception:  # damaged compression: what came before is what there is
        pass
    return b"".join(parts)


def kept_open(key: Any, path: Path) -> BinaryIO:
    """The unpacked file, kept open in this thread, so that the next slice goes on from there."""
    file: BinaryIO = kept(key, lambda: open_plain(path))
    if file.closed:
        forget(key)
        file = kept(key, lambda: open_plain(path))
    return file


class Line:
    """One line of a file.

    Attributes
    ----------
    offset, number
        Where it starts in the unpacked file; counted from 1.
    text
        Without the line end; `None` for a line that is longer than `MAX_LINE` bytes.
    is_latin
        It is not UTF-8 and was read as Latin-1.
    is_cut
        The compressed file breaks off within it.
    """

    __slots__ = ("is_cut", "is_latin", "number", "offset", "text")

    def __init__(
        self, offset: int, number: int, text: str | None, is_latin: bool, is_cut: bool
    ) -> None:
        self.offset, self.number, self.text = offset, number, text
        self.is_latin, self.is_cut = is_latin, is_cut


def read_lines(file: BinaryIO, offset: int, number: int) -> Iterator[Line]:
    """The lines from an offset on, where line `number` starts.

    Damage of the compression ends them with one line that is cut.
    """
    try:
        file.seek(offset)
    except (OSError, EOFError, ValueError):
        yield Line(offset, number, "", False, True)
        return
    while True:
        is_cut = False
        try:
            raw = file.readline(MAX_LINE + 2)
            length = len(raw)
            is_long = length > MAX_LINE + 1
            while is_long and not raw.endswith(b"\n"):
                raw = file.readline(MAX_LINE)
                length += len(raw)
                if not raw:
                    break
        except Exception:  # zlib, lzma and bz2 have errors of their own
            raw, length, is_long, is_cut = b"", 0, False, True
        if not raw and not is_long and not is_cut:
            return
        is_latin = False
        text: str | None = None
        if not is_long:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text, is_latin = raw.decode("latin-1"), True
            if offset == 0:
                text = text.removeprefix("\ufeff").removeprefix("ï»¿")
            text = text.rstrip("\r\n")
        yield Line(offset, number, text, is_latin, is_cut)
        if is_cut:
            return
        offset += length
        number += 1
