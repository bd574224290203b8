"""The members of a tar file, read from headers one after the other in bounded memory.

Python's tarfile keeps every member it has seen, takes a damaged header in the middle for the
end, and cannot say where a member's bytes lie in what a packed file unpacks to.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.survey.readers.forward_stream import CUT, CutShort, ForwardStream
from core.survey.readers.unreadable import Unreadable

BLOCK = 512
HEAD_BYTES = 4096
_MOST_NAME_BYTES = 1024**2
_EMPTY = bytes(BLOCK)
_LONG_NAME, _LONG_LINK, _ATTRIBUTES, _GLOBAL = b"L", b"K", b"x", b"g"
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class Bytes(Protocol):
    """A file by place."""

    def read_at(self, place: int, n: int) -> bytes:
        """`n` bytes, fewer only at the end; raises `Unreadable`."""
        ...

    def close(self) -> None: ...


class PlainFile:
    """A file that is not packed."""

    def __init__(self, path: Path) -> None:
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror or error})") from None

    def read_at(self, place: int, n: int) -> bytes:
        try:
            data = os.pread(self._handle, n, place)
            while 0 < len(data) < n and (more := self._more(place, n, data)):
                data += more
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror or error})") from None
        return data

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def _more(self, place: int, n: int, data: bytes) -> bytes:
        return os.pread(self._handle, n - len(data), place + len(data))


def opened_tar(path: Path, packing: str) -> Bytes:
    return ForwardStream(path, packing) if packing else PlainFile(path)


@dataclass(frozen=True)
class TarMember:
    """A member that is no folder.

    Attributes
    ----------
    place, size
        Of its bytes, in the tar file or what that unpacks to.
    problem
        Why it is no plain file; empty for one.
    head
        Its first bytes; all of them where `tar_members` was asked to.
    """

    name: str
    place: int
    size: int
    problem: str
    head: bytes


def tar_members(file: Bytes, whole: Callable[[str, int], bool]) -> Iterator[TarMember]:
    """All members in their order; `whole` says by name and size which are read as a whole.

    Raises
    ------
    CutShort
        After the last member that is whole: the file ends without its end mark.
    Unreadable
        After the last member before a damaged header.
    """
    place = 0
    name, size = "", -1
    while True:
        block = file.read_at(place, BLOCK)
        if block == _EMPTY:
            return
        if len(block) < BLOCK:
            raise CutShort(CUT)
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except Exception as error:  # checksums and numbers of damaged headers
            raise Unreadable("is damaged") from error
        place += BLOCK
        if header.size < 0:
            raise Unreadable("is damaged")
        if header.type in (_LONG_NAME, _LONG_LINK, _ATTRIBUTES, _GLOBAL):
            if header.size > _MOST_NAME_BYTES:
                raise Unreadable("is damaged")
            more = file.read_at(place, header.size)
            if len(more) < header.size:
                raise CutShort(CUT)
            if header.type == _LONG_NAME:
                name = more.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif header.type == _ATTRIBUTES:
                name, size = _attributes(more, name, size)
            place = _after(place, header.size)
            continue
        name = name or header.name
        size = header.size if size < 0 else size
        is_file = header.type in _FILES
        # Only files have bytes, whatever the size of a link says.
        n_bytes = size if is_file or header.type not in tarfile.SUPPORTED_TYPES else 0
        n_bytes = header.size if header.type == tarfile.GNUTYPE_SPARSE else n_bytes
        if not (header.isdir() or (is_file and name.endswith("/"))):
            problem = "" if is_file else _problem(header)
            wanted = n_bytes if not problem and whole(name, size) else min(n_bytes, HEAD_BYTES)
            head = file.read_at(place, wanted)
            # Never back to what was read: a packed file would have to be begun anew.
            is_cut = len(head) < wanted
            if is_cut or (n_bytes > wanted and not file.read_at(place + n_bytes - 1, 1)):
                raise CutShort(CUT)
            yield TarMember(printable(name), place, size, problem, head)
        place = _after(place, n_bytes)
        name, size = "", -1


def _after(place: int, size: int) -> int:
    return place + -(-size // BLOCK) * BLOCK


def _attributes(raw: bytes, name: str, size: int) -> tuple[str, int]:
    """Path and size from the records "LENGTH KEY=VALUE\\n" of an extended header."""
    at = 0
    while at < len(raw):
        digits, _, _ = raw[at : at + 20].partition(b" ")
        if not digits.isdigit() or not 5 <= int(digits) <= len(raw) - at:
            if raw[at:].strip(b"\0"):
                raise Unreadable("is damaged")
            break
        length = int(digits)
        key, _, value = raw[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value.isdigit() and len(value) < 20:
            size = int(value)
        at += length
    return name, size


def _problem(header: tarfile.TarInfo) -> str:
    if header.issym() or header.islnk():
        return "is a link"
    if header.isdev():
        return "is a device or a pipe"
    return "is no plain file"


def printable(name: str) -> str:
    """Bytes that are no UTF-8 as "%FF"."""
    return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in name)
