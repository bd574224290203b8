"""A whole small file into memory, unpacked where it is packed, and never more than a limit."""

from __future__ import annotations

import bz2
import os
import stat
import zlib
from pathlib import Path

from core.survey.readers.unreadable import Unreadable

MAX_BYTES = 512 * 1024 * 1024
"""Of one entry, as it lies on disk and unpacked."""

_STEP = 1024 * 1024
_FEED = 16 * 1024
"""Packed bytes that are unpacked at a time: what lies behind the end of one of many thousand gzip
members is copied for each."""

_CUT_SHORT = "is cut short (its compressed data end too soon)"


def read_whole(path: str | os.PathLike[str], most: int = MAX_BYTES) -> bytes:
    """All bytes of a plain file.

    Raises
    ------
    Unreadable
        It is no plain file, is empty, larger than `most`, may not be read, or somebody wrote to
        it meanwhile.
    """
    try:
        # A pipe that nobody writes to would otherwise hold the import for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise Unreadable("is not a plain file")
            if before.st_size == 0:
                raise Unreadable("is empty (zero bytes)")
            if before.st_size > most:
                raise Unreadable(f"is larger than {most // 2**20} MB")
            content = _read_all(handle, before.st_size)
            after = os.fstat(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise Unreadable(why_closed(error, path)) from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unreadable("changed while it was being read")
    return content


def why_closed(error: OSError, path: str | os.PathLike[str] = "") -> str:
    """Why a file could not be opened or read, in words that follow its name."""
    if path and _is_other(path):
        return "is not a plain file"  # a socket cannot even be opened
    if isinstance(error, PermissionError):
        return "may not be read by this user (permission denied)"
    if isinstance(error, FileNotFoundError):
        return "is not there (a link that leads nowhere?)"
    return f"cannot be read ({error.strerror or type(error).__name__})"


def unpacked(content: bytes, most: int = MAX_BYTES) -> bytes:
    """What gzip or bzip2 bytes hold; other bytes as they are.

    Raises
    ------
    Unreadable
        They are cut short, damaged, or unpack to more than `most`.
    """
    try:
        if content[:2] == b"\x1f\x8b":
            return _gunzip(content, most)
        if content[:3] == b"BZh":
            return _bunzip(content, most)
    except (zlib.error, OSError, ValueError, EOFError):
        raise Unreadable("is damaged (its compressed data cannot be unpacked)") from None
    return content


def unpacked_head(head: bytes, most: int = 64 * 1024) -> bytes:
    """As much as can be unpacked of the first bytes of a file; empty where nothing can."""
    try:
        if head[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=31).decompress(head, most)
        if head[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(head, most)
    except (zlib.error, OSError, ValueError, EOFError):
        return b""
    return head


def read_head(path: str | os.PathLike[str], most: int) -> bytes:
    """The first bytes of a plain file; empty where there are none or it may not be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(handle, most) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
        finally:
            os.close(handle)
    except OSError:
        return b""


def holds_zeros(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins with zeros, packed or not, as a tar file without members does."""
    head = unpacked_head(read_head(path, 64 * 1024))
    return len(head) >= 512 and not head.strip(b"\0")


def _read_all(handle: int, size: int) -> bytes:
    content = os.read(handle, size + 1)
    if len(content) >= size:
        return content
    parts = [content]  # a network disk hands over less at a time
    while part := os.read(handle, _STEP):
        parts.append(part)
        if sum(map(len, parts)) > size:
            break
    return b"".join(parts)


def _gunzip(content: bytes, most: int) -> bytes:
    # Not zlib.decompress: a file of a megabyte may unpack to a gigabyte.
    parts: list[bytes] = []
    at = n_bytes = 0
    while content[at : at + 2] == b"\x1f\x8b":  # gzip files may be laid one behind the other
        unpacker = zlib.decompressobj(wbits=31)
        while not unpacker.eof:
            piece = content[at : at + _FEED]
            part = unpacker.decompress(piece, _STEP)
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            at += len(piece) - len(left)
            n_bytes = _counted(part, parts, n_bytes, most)
            if not (piece or part):
                raise Unreadable(_CUT_SHORT)
    return b"".join(parts)


def _bunzip(content: bytes, most: int) -> bytes:
    parts: list[bytes] = []
    at = n_bytes = 0
    while content[at : at + 3] == b"BZh":
        unpacker = bz2.BZ2Decompressor()
        while not unpacker.eof:
            piece = content[at : at + _FEED] if unpacker.needs_input else b""
            if unpacker.needs_input and not piece:
                raise Unreadable(_CUT_SHORT)
            part = unpacker.decompress(piece, _STEP)
            at += len(piece)
            n_bytes = _counted(part, parts, n_bytes, most)
        at -= len(unpacker.unused_data)
    return b"".join(parts)


def _counted(part: bytes, parts: list[bytes], n_bytes: int, most: int) -> int:
    """The bytes unpacked so far, with `part` among the parts."""
    n_bytes += len(part)
    if n_bytes > most:
        raise Unreadable(f"unpacks to more than {most // 2**20} MB")
    if part:
        parts.append(part)
    return n_bytes


def _is_other(path: str | os.PathLike[str]) -> bool:
    try:
        return not Path(path).is_file() and Path(path).exists()
    except OSError:
        return False
