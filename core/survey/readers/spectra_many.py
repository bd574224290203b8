"""What files that hold many spectra have in common."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from core.survey.readers.spectra_raw import RawSpectrum
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_head, read_whole, unpacked, why_closed


class ManySpectra(Protocol):
    """An open file of many spectra.

    `problems` are words to be counted, of what belongs to the file and could not be used.
    """

    @property
    def problems(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def spectra(self, rows: Sequence[int]) -> Iterator[tuple[int, RawSpectrum | str]]:
        """Each row with its spectrum, or with the reason why there is none, in order."""
        ...


class Slices:
    """A file that is sliced as its bytes would be, without having them all in memory.

    (Not mapped: a mapped file that somebody cuts short ends the process.)
    """

    def __init__(self, handle: int, size: int) -> None:
        self._handle, self._size = handle, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _step = part.indices(self._size)
        return os.pread(self._handle, max(0, stop - start), start)


@contextmanager
def sliced(path: Path) -> Iterator[Any]:
    """The bytes of a file: slices of a plain one, all of a compressed one.

    Raises
    ------
    Unreadable
        It may not be read, is no plain file, unpacks to too much, or changed meanwhile.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(why_closed(error, path)) from None
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise Unreadable("is not a plain file")
        if before.st_size == 0:
            raise Unreadable("is empty (zero bytes)")
        if os.pread(handle, 2, 0) in (b"\x1f\x8b", b"BZ"):
            yield unpacked(read_whole(path))
        else:
            yield Slices(handle, before.st_size)
        after, now = os.fstat(handle), os.stat(path)
        stamps = {(one.st_size, one.st_mtime_ns, one.st_ino) for one in (before, after, now)}
        if len(stamps) > 1:
            raise Unreadable("changed while it was being read")
    except OSError as error:
        raise Unreadable(why_closed(error, path)) from None
    finally:
        os.close(handle)


def head_of(path: Path, most: int = 64 * 1024) -> bytes:
    """The first bytes of a plain file, unpacked; empty where they cannot be had."""
    head = read_head(path, most)
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as file:
                return file.read(most)
        except (OSError, EOFError, ValueError):
            return b""
    return head
