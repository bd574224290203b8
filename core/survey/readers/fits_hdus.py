"""Finds the images in the bytes of a FITS file and checks, before any of them is decoded, that
they can be what their headers say."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from core.survey.readers.fits_header import BLOCK, Content, FitsHeader
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import why_closed

MIN_SIDE_PX = 8
MAX_VALUES = 128 * 1024 * 1024
"""Pixels in all bands of an image: 512 MB as float32."""

MAX_HDUS = 10_000

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

NOT_PIXELS = frozenset(
    (
        *("ERR", "ERROR", "ERRORS", "SIGMA", "STD", "STDDEV", "RMS", "UNCERT", "NOISE"),
        *("VAR", "VARIANCE", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "IVAR", "INVVAR"),
        *("WHT", "WGT", "WEIGHT", "WEIGHTS", "EXP", "EXPOSURE", "CON", "CTX", "COVERAGE"),
        *("DQ", "MSK", "MASK", "FLAG", "FLAGS", "BPM", "QUALITY", "SEG", "SEGMENTATION"),
        *("AREA", "SAMP", "TIME", "SKY", "BKG", "BACKGROUND", "PSF", "MODEL", "RESIDUAL"),
        *("MAXIMA", "NIMAGE", "NIMAGES", "NEXP"),
    )
)
"""EXTNAMEs of images that go with the one that was observed; left out unless named."""


@dataclass(frozen=True)
class Hdu:
    """One header and its data, which begin at `start` of the file and have `n_bytes`.

    Attributes
    ----------
    shape
        As numpy has it: the last axis is NAXIS1. Empty where the HDU is no image.
    bitpix
        Of the image (of the unpacked one where it is compressed).
    compressed
        A table that holds the compressed tiles of an image (fpack).
    """

    number: int
    header: FitsHeader
    start: int
    n_bytes: int
    shape: tuple[int, ...]
    bitpix: int
    compressed: bool

    @property
    def name(self) -> str:
        """EXTNAME; case does not tell two of them apart."""
        return self.header.text("EXTNAME")

    @property
    def is_image(self) -> bool:
        """At least two axes that are long enough to be looked at."""
        return len([n for n in self.shape if n >= MIN_SIDE_PX]) >= 2

    @property
    def n_values(self) -> int:
        """Pixels of the image; 0 where there is none."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(_DTYPES[self.bitpix])


class FileContent:
    """The bytes of a file on disk, read as they are asked for.

    Not a memory map: a file that somebody shortens meanwhile would end the process.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(why_closed(error, path)) from None
        status = os.fstat(self._handle)
        self._size = status.st_size
        self._mark = (status.st_size, status.st_mtime_ns)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _step = place.indices(self._size)
        try:
            return os.pread(self._handle, max(0, stop - start), start)
        except OSError as error:
            raise Unreadable(why_closed(error)) from None

    def check_unchanged(self) -> None:
        """Raises `Unreadable` if somebody wrote to the file since it was opened."""
        status = os.fstat(self._handle)
        if (status.st_size, status.st_mtime_ns) != self._mark:
            raise Unreadable("changed while it was being read")

    def __enter__(self) -> FileContent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)


def walk(content: Content, *, whole: bool = True) -> Iterator[Hdu]:
    """Every HDU of a file; with `whole=False` the last one's data may be cut short.

    Raises
    ------
    Unreadable
        A header is damaged or promises more data than there are.
    """
    size = len(content)
    if content[:10] != b"SIMPLE  = ":
        raise Unreadable("is not a FITS file, whatever its name says")
    start = 0
    for number in range(MAX_HDUS):
        header, data = FitsHeader.parse(content, start)
        hdu = _hdu(number, header, data)
        if whole and data + hdu.n_bytes > size:
            raise Unreadable(
                f"is cut short, or its header lies (HDU {number} should end at byte"
                f" {data + hdu.n_bytes:,}, the file has {size:,})"
            )
        yield hdu
        start = data + -(-hdu.n_bytes // BLOCK) * BLOCK
        if content[start : start + 8] != b"XTENSION":
            return  # the end, or special records
    raise Unreadable(f"has more than {MAX_HDUS:,} HDUs")


def _hdu(number: int, header: FitsHeader, start: int) -> Hdu:
    bitpix, axes = _checked_axes(number, header, "")
    groups = header.get("GROUPS") is True and axes[-1:] == (0,)
    n_values = math.prod(axes[:-1] if groups else axes) if axes else 0
    pcount = _whole(number, header, "PCOUNT", 0)
    gcount = _whole(number, header, "GCOUNT", 1)
    n_bytes = abs(bitpix) // 8 * gcount * (pcount + n_values)
    kind = header.text("XTENSION") if number else "IMAGE"
    if kind == "IMAGE" and not groups:
        return Hdu(number, header, start, n_bytes, axes, bitpix, False)
    if kind == "BINTABLE" and header.get("ZIMAGE") is True:
        bitpix, axes = _checked_axes(number, header, "Z")
        for axis, n in enumerate(reversed(axes), start=1):
            # The decoder makes room for a whole tile before it looks at its data.
            tile = _whole(number, header, f"ZTILE{axis}", 1)
            if tile > n:
                raise Unreadable(f"has a damaged header (HDU {number}: a tile of {tile} pixels)")
        return Hdu(number, header, start, n_bytes, axes, bitpix, True)
    return Hdu(number, header, start, n_bytes, (), bitpix, False)


def _checked_axes(number: int, header: FitsHeader, z: str) -> tuple[int, tuple[int, ...]]:
    bitpix = header.get(f"{z}BITPIX")
    if not isinstance(bitpix, int) or isinstance(bitpix, bool) or bitpix not in _DTYPES:
        raise Unreadable(f"has a damaged header (HDU {number}: {z}BITPIX is {bitpix!r})")
    n_axes = _whole(number, header, f"{z}NAXIS")
    if n_axes > 32:  # the standard allows 999, numpy 64
        raise Unreadable(f"has a damaged header (HDU {number}: {z}NAXIS is {n_axes})")
    axes = [_whole(number, header, f"{z}NAXIS{axis}") for axis in range(n_axes, 0, -1)]
    return bitpix, tuple(axes)


def _whole(number: int, header: FitsHeader, name: str, default: int | None = None) -> int:
    value = header.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"has a damaged header (HDU {number}: {name} is {value!r})")
    return value
