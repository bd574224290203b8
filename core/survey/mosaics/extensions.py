"""Which images a FITS file holds, by its headers alone, however large it is."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.errors import StorageFull
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.unreadable import Unreadable

BLOCK = 2880
MAX_HEADER_BYTES = 4000 * BLOCK
MAX_HDUS = 1000
MAX_SIDE_PX = 1_000_000
MAX_PLANES = 64
MAX_SKIPPED_BYTES = 8 * 1024**3
"""Of a gzip or bzip2 stream before the image: a small file can unpack to more than a disk."""

MAX_TILE_PIXELS = 2**28
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Extension:
    """An image HDU as its header describes it.

    Attributes
    ----------
    index, name
        Its number in the file, counted from 0, and EXTNAME.
    cards, primary
        Its header, and the first one of the file. The header of a tile-compressed image is that
        of the table that holds it.
    header
        Its header as astropy wants it for coordinates; damaged cards raise there.
    start, n_bytes
        Where its data begin (in the unpacked stream), and how many there should be.
    shape
        (planes, y, x); leading axes of length 1 are dropped.
    bitpix
        As in FITS: negative for floating point.
    is_compressed
        Tile-compressed as by fpack.
    """

    index: int
    name: str
    cards: FitsHeader
    primary: FitsHeader
    header: Any
    start: int
    n_bytes: int
    shape: tuple[int, int, int]
    bitpix: int
    is_compressed: bool


def image_extensions(path: Path) -> Iterator[Extension]:
    """Every two-dimensional image of a file (and cubes of a few planes), by the headers alone.

    A packed file is unpacked on the way, so stop at the first that serves.

    Raises
    ------
    Unreadable
        It is no FITS file, may not be read, or its headers are damaged.
    """
    with unreadable_for(path):
        stream = open_stream(path)
    with stream:
        walk = _walk(stream, is_packed=not isinstance(stream, io.BufferedReader))
        while True:
            with unreadable_for(path):
                extension = next(walk, None)
            if extension is None:
                return
            yield extension


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of change (ns): whether a file is still the one that was looked at."""
    with unreadable_for(path):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns


@contextmanager
def unreadable_for(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file inside the block becomes `Unreadable`."""
    try:
        with warnings.catch_warnings():
            # astropy warns of headers that are not by the book; what matters here is checked.
            warnings.simplefilter("ignore")
            yield
    except (Unreadable, StorageFull):
        raise
    except EOFError:
        raise Unreadable("is cut short") from None
    except PermissionError:
        raise Unreadable("may not be read by this user (permission denied)") from None
    except FileNotFoundError:
        raise Unreadable("is not there (a link that leads nowhere?)") from None
    except MemoryError:
        raise Unreadable("wants more memory than there is") from None
    except Exception as error:
        # Decoders meet hostile bytes and raise anything; the file is named with the reason.
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise Unreadable(f"cannot be read ({error.strerror})") from None
        reason = str(error).replace(str(path), path.name).strip().split("\n")[0]
        raise Unreadable(f"cannot be decoded ({reason[:160] or type(error).__name__})") from None


def open_stream(path: Path) -> IO[bytes]:
    """A FITS file opened for reading, unpacked on the way where it is gzip or bzip2."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
        raise Unreadable("is not a plain file")
    file = open(path, "rb")  # noqa: SIM115
    try:
        start = file.peek(8)[:8]
        if start.startswith(b"SIMPLE"):
            return file
        file.close()
        if start.startswith(b"\x1f\x8b"):
            return gzip.open(path, "rb")  # type: ignore[return-value]
        if start.startswith(b"BZh"):
            return bz2.open(path, "rb")
    except BaseException:
        file.close()
        raise
    raise Unreadable(
        "is empty (zero bytes)" if not start else "is not a FITS file, whatever its name says"
    )


def _walk(stream: IO[bytes], is_packed: bool) -> Iterator[Extension]:
    place = 0
    primary: FitsHeader | None = None
    for index in range(MAX_HDUS):
        found = _read_header(stream, index)
        if found is None:
            return
        cards, text = found
        primary = cards if primary is None else primary
        start = place + len(text)
        n_bytes = _data_bytes(cards)
        extension = _image(cards, primary, text, index, start, n_bytes)
        if extension is not None:
            yield extension
        place = start + -(-n_bytes // BLOCK) * BLOCK
        if is_packed and place > MAX_SKIPPED_BYTES:
            return
        try:
            stream.seek(place)
        except (EOFError, OSError, ValueError):
            return  # cut short, or a size beyond all files: it shows when the image is read


def _read_header(stream: IO[bytes], index: int) -> tuple[FitsHeader, bytes] | None:
    """A header and its bytes; None after the last HDU."""
    blocks: list[bytes] = []
    while len(blocks) * BLOCK < MAX_HEADER_BYTES:
        block = stream.read(BLOCK)
        if len(block) < BLOCK or (not blocks and index and not block.startswith(b"XTENSION")):
            # Bytes after the last HDU are no HDU; a first header must be whole.
            if index:
                return None
            raise Unreadable("is cut short within its header")
        blocks.append(block)
        if any(block[at : at + 80].rstrip() == b"END" for at in range(0, BLOCK, 80)):
            text = b"".join(blocks)
            return FitsHeader.parse(text)[0], text
    raise Unreadable("has a header without an end")


def _data_bytes(header: FitsHeader) -> int:
    n_axes = _whole(header.get("NAXIS", 0))
    if not 0 <= n_axes <= 999:
        raise Unreadable(f"has a header with {n_axes} axes")
    if n_axes == 0:
        return 0
    n_values = 1
    for axis in range(1, n_axes + 1):
        n_values *= _whole(header.get(f"NAXIS{axis}", 0))
    n_values = _whole(header.get("GCOUNT", 1)) * (_whole(header.get("PCOUNT", 0)) + n_values)
    return n_values * abs(_whole(header.get("BITPIX", 8))) // 8


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < -(2**62):
        raise Unreadable(f"has a header with {str(value)[:40]!r} where a number should be")
    if value < 0 and abs(value) not in (32, 64):
        raise Unreadable(f"has a header with {value} where a size should be")
    return value


def _image(
    header: FitsHeader, primary: FitsHeader, text: bytes, index: int, start: int, n_bytes: int
) -> Extension | None:
    is_compressed = header.get("ZIMAGE") is True and header.get("XTENSION") == "BINTABLE"
    if index and not is_compressed and header.get("XTENSION") != "IMAGE":
        return None
    if header.get("GROUPS") is True:
        return None
    prefix = "Z" if is_compressed else ""
    n_axes = _whole(header.get(prefix + "NAXIS", 0))
    sides = [_whole(header.get(f"{prefix}NAXIS{axis}", 0)) for axis in range(n_axes, 0, -1)]
    while len(sides) > 3 and sides[0] == 1:
        sides = sides[1:]
    if len(sides) == 2:
        sides = [1, *sides]
    if len(sides) != 3 or min(sides) < 1 or sides[0] > MAX_PLANES or max(sides) > MAX_SIDE_PX:
        return None
    bitpix = _whole(header.get(prefix + "BITPIX", 0))
    if bitpix not in DTYPES:
        raise Unreadable(f"has BITPIX {bitpix}, which FITS does not know")
    if is_compressed:
        tile = [_whole(header.get(f"ZTILE{axis}", 1)) for axis in range(2, n_axes + 1)]
        n_pixels = math.prod(tile, start=_whole(header.get("ZTILE1", sides[2])))
        if n_pixels > MAX_TILE_PIXELS:
            raise Unreadable(f"is compressed in tiles of {n_pixels} pixels")
    name = header.text("EXTNAME")
    # astropy.io.fits is a tenth of a second that a survey without mosaics need not pay.
    from astropy.io import fits

    for_astropy = fits.Header.fromstring(text.decode("ascii", "replace"))
    shape = (sides[0], sides[1], sides[2])
    return Extension(
        index, name, header, primary, for_astropy, start, n_bytes, shape, bitpix, is_compressed
    )
