"""Unpacks gzip, bzip2, xz and bare deflate forwards, a piece at a time, whatever they hold."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.survey.readers.source_file import brief
from core.survey.readers.unreadable import Unreadable

PIECE = 256 * 1024
MOST_RATIO = 1000
"""An archive that unpacks to more than this many times its size (deflate can reach 1032, xz far
more) is not read on once it is past `BOMB_BYTES`."""

BOMB_BYTES = 1024**3
_XZ_MEMORY = 256 * 1024**2
"""xz -9 needs 65 MB to unpack; a header can ask for 4 GB."""

CUT = "is cut short"

MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}


def packing(beginning: bytes) -> str:
    """ "gz", "bz2" or "xz" by the first bytes of a file, else ""."""
    for magic, name in MAGIC.items():
        if beginning.startswith(magic):
            return name
    return ""


class CutShort(Unreadable):
    """The stream ends before its end mark."""


class ForwardStream:
    """Bytes of a packed file, by their place in what it unpacks to.

    Places must not go backwards by much: going back means to begin anew.

    Parameters
    ----------
    kind
        "gz", "bz2", "xz", or "deflate" for the bare stream within a zip.
    start, length
        The stretch of the file that is packed; all of it when left out.
    """

    def __init__(self, path: Path, kind: str, start: int = 0, length: int | None = None) -> None:
        self._kind, self._start, self._length = kind, start, length
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror or error})") from None
        self._rewind()

    def _rewind(self) -> None:
        self.position = 0
        self._n_packed = 0
        self._decoder: Any = _DECODERS[self._kind]()
        self._rest = b""
        self._piece = memoryview(b"")
        self._file.seek(self._start)

    def read_at(self, place: int, n: int) -> bytes:
        """`n` bytes from `place`, fewer only where the stream ends; raises `Unreadable`."""
        if place < self.position:
            self._rewind()
        self._skip(place - self.position)
        parts = []
        while n > 0 and self._fill():
            part = self._piece[:n]
            self._piece = self._piece[n:]
            self.position += len(part)
            n -= len(part)
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()

    def _skip(self, n: int) -> None:
        while n > 0 and self._fill():
            step = min(n, len(self._piece))
            self._piece = self._piece[step:]
            self.position += step
            n -= step

    def _fill(self) -> bool:
        """Have something in `_piece`, or find the end."""
        while not self._piece:
            if self._decoder.eof and not self._next_stream():
                return False
            try:
                if not self._rest and getattr(self._decoder, "needs_input", True):
                    self._rest = self._packed()
                    if not self._rest:
                        raise CutShort(CUT)
                data, self._rest = self._rest, b""
                self._piece = memoryview(self._decoder.decompress(data, PIECE))
                if self._kind in ("gz", "deflate"):
                    self._rest = self._decoder.unconsumed_tail
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise Unreadable(f"is damaged ({brief(error)})") from None
            except MemoryError:
                raise Unreadable("needs too much memory to unpack") from None
            unpacked = self.position + len(self._piece)
            if unpacked > max(BOMB_BYTES, MOST_RATIO * self._n_packed):
                raise Unreadable(f"unpacks to more than {MOST_RATIO:,} times its size")
        return True

    def _packed(self) -> bytes:
        wanted = PIECE
        if self._length is not None:
            wanted = min(wanted, self._length - self._n_packed)
        data = self._file.read(wanted)
        self._n_packed += len(data)
        return data

    def _next_stream(self) -> bool:
        """Begin on the next of several streams in a row, as `cat a.gz b.gz` makes them."""
        if self._kind == "deflate":
            return False
        rest = self._decoder.unused_data
        while len(rest) < 8:
            more = self._packed()
            if not more:
                break
            rest += more
        if packing(rest) != self._kind:  # padding, or what does not belong to it
            return False
        self._decoder, self._rest = _DECODERS[self._kind](), rest
        return True


_DECODERS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}
