"""The pixels of one large FITS image, read by sections: the whole is never in memory.

Files are read by plain reads rather than mapped into memory: a mapped file that somebody cuts
short while it is read ends the process, and its pages count as the process's memory.
"""

from __future__ import annotations

import errno
import io
import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.errors import StorageFull
from core.survey.mosaics.extensions import DTYPES, Extension, open_stream, unreadable_for
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.unreadable import Unreadable

MAX_UNPACKED_BYTES = 64 * 1024**3
"""In the temporary folder, for one image."""

_STRIP_BYTES = 16 * 1024**2
_PART_BYTES = 1024**2


class Sections:
    """Reads rectangles of one image HDU as float32, scaled, with NaN where pixels are missing.

    A plain file is read where the pixels lie. One packed by gzip or bzip2 is unpacked into a
    temporary file when it is first read. A tile-compressed one is unpacked so when that costs
    less than the sections that are asked for, and else read section by section.

    Raises
    ------
    Unreadable
        From any method: why the pixels cannot be had.
    StorageFull
        The temporary folder takes no more.
    """

    def __init__(self, path: Path, extension: Extension) -> None:
        self.path = path
        self.shape = extension.shape
        self._extension = extension
        header = extension.cards
        self._dtype = np.dtype(DTYPES[extension.bitpix])
        self._scale, self._zero = _number(header, "BSCALE", 1.0), _number(header, "BZERO", 0.0)
        blank = header.get("BLANK")
        self._blank = blank if isinstance(blank, int) and extension.bitpix > 0 else None
        self._file: IO[bytes] | None = None
        self._start = extension.start
        self._astropy: Any = None
        self._stream: Any = None
        self._rows_asked = 0
        self._is_vast = 4 * math.prod(self.shape) > MAX_UNPACKED_BYTES
        self._lock = threading.Lock()
        with unreadable_for(path), open_stream(path) as stream:
            self._is_packed = not isinstance(stream, io.BufferedReader)
            self._n_there = os.stat(path).st_size - extension.start

    @property
    def loses_digits(self) -> bool:
        """Whether float32 holds fewer digits than the file."""
        return self._extension.bitpix in (32, 64, -64)

    @property
    def n_rows_there(self) -> int:
        """Rows of the last plane that the file is long enough for."""
        planes, rows, columns = self.shape
        if self._is_packed or self._extension.is_compressed:
            return rows
        whole_rows = self._n_there // (columns * self._dtype.itemsize)
        return max(0, min(rows, whole_rows - (planes - 1) * rows))

    def read(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """(y1 - y0, x1 - x0) float32; the rectangle must lie within the image."""
        with unreadable_for(self.path), self._lock:
            if self._extension.is_compressed and self._file is None:
                self._rows_asked += y1 - y0
                # fpack's tiles are rows: a section costs as much as its rows over all columns.
                if self._rows_asked <= self.shape[1] or self._is_vast:
                    return self._compressed(plane, y0, y1, x0, x1)
                self._unpack_tiles()
            elif self._file is None:
                self._open()
            return self._plain(plane, y0, y1, x0, x1)

    def close(self) -> None:
        """Let go of the file; it is opened again when it is read again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            if self._astropy is not None:
                self._astropy.close()
                self._stream.close()
            self._file = self._astropy = None

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    def _open(self) -> None:
        if not self._is_packed:
            self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115
            return
        left = self._extension.n_bytes
        if left > MAX_UNPACKED_BYTES:
            raise Unreadable(f"unpacks to more than {MAX_UNPACKED_BYTES // 1024**3} GB")
        with open_stream(self.path) as stream, _spool(self.path) as file:
            # Of a file that is cut short, the rows that are there can be read.
            with suppress(EOFError):
                stream.seek(self._extension.start)
                while left > 0 and (part := _some(stream, min(left, _PART_BYTES))):
                    file.write(part)
                    left -= len(part)
            file.flush()
        self._start, self._file = 0, file

    def _unpack_tiles(self) -> None:
        planes, rows, columns = self.shape
        step = max(1, _STRIP_BYTES // (4 * columns))
        with _spool(self.path) as file:
            for plane in range(planes):
                for y in range(0, rows, step):
                    strip = self._compressed(plane, y, min(rows, y + step), 0, columns)
                    file.write(strip.data)
            file.flush()
        self._start, self._file = 0, file
        self._dtype, self._scale, self._zero, self._blank = np.dtype("=f4"), 1.0, 0.0, None

    def _compressed(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        if self._astropy is None:
            from astropy.io import fits

            stream: Any = open_stream(self.path)
            try:
                self._astropy = fits.open(stream, memmap=False, lazy_load_hdus=True)
            except BaseException:
                stream.close()
                raise
            self._stream = stream
        section = self._astropy[self._extension.index].section
        n_leading = len(section.shape) - 2
        place = (0,) * max(0, n_leading - 1) + (plane,) * min(1, n_leading)
        return _as_float32(section[(*place, slice(y0, y1), slice(x0, x1))])

    def _plain(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        assert self._file is not None
        rows, columns = self.shape[1:]
        size = self._dtype.itemsize
        stride, n_rows, n_columns = columns * size, y1 - y0, x1 - x0
        first = self._start + (plane * rows + y0) * stride + x0 * size
        number, width = self._file.fileno(), n_columns * size
        if stride <= 4 * width:
            span = (n_rows - 1) * stride + width
            content = _read_span(number, first, span)
            raw: np.ndarray = np.ndarray(
                (n_rows, n_columns), self._dtype, content, 0, (stride, size)
            )
        else:
            places = range(first, first + n_rows * stride, stride)
            content = b"".join([os.pread(number, width, place) for place in places])
            if len(content) < n_rows * width:
                raise Unreadable("is cut short")
            raw = np.frombuffer(content, self._dtype).reshape(n_rows, n_columns)
        if self._blank is None and self._scale == 1.0 and self._zero == 0.0:
            return _as_float32(raw)
        values = raw * self._scale + self._zero
        if self._blank is not None:
            values[raw == self._blank] = np.nan
        return _as_float32(values)


def _some(stream: Any, n_bytes: int) -> bytes:
    """A few bytes; unlike `read` it hands out those before the place where a file is cut."""
    return bytes(stream.read1(n_bytes))


def _number(header: FitsHeader, name: str, default: float) -> float:
    value = header.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise Unreadable(f"has the {name} {str(value)[:40]!r}, which is no number")
    return float(value)


def _as_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def _read_span(number: int, first: int, n_bytes: int) -> bytes:
    parts = []
    while n_bytes > 0:  # the kernel reads less than 2 GB at a time
        part = os.pread(number, n_bytes, first)
        if not part:
            raise Unreadable("is cut short")
        parts.append(part)
        first, n_bytes = first + len(part), n_bytes - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def _spool(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file, closed (and so removed) if the block fails."""
    file = tempfile.TemporaryFile(prefix="skysift-")  # noqa: SIM115
    try:
        yield file
    except OSError as error:
        file.close()
        if error.errno == errno.ENOSPC:
            raise StorageFull(
                f"The temporary folder {tempfile.gettempdir()} has no room to unpack"
                f" {path.name}; make room there or set TMPDIR to another folder."
            ) from None
        raise
    except BaseException:
        file.close()
        raise
