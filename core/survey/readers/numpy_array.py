"""Reads NPY and NPZ files of images, in slices, without ever loading a pickle."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.readers.array_choice import ArrayInfo, is_images
from core.survey.readers.arrays import ArrayReader
from core.survey.readers.forward_stream import ForwardStream
from core.survey.readers.kept import going_on
from core.survey.readers.registry import register_reader
from core.survey.readers.source_file import Stamp, beginning, brief, checked_file
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.zip_index import ZipMember, data_place, member_bytes, zip_members

NPY_MAGIC = b"\x93NUMPY"
MOST_HEADER = 65_536
MOST_MEMBERS = 4096
MOST_LOADED = 512 * 1024**2


@dataclass(frozen=True)
class _Stored:
    """Where an array lies: `start` counts in the file, or in what the packed member unpacks to."""

    info: ArrayInfo
    start: int
    fortran: bool
    packed: tuple[int, int] | None = None
    """Place and length of the deflated bytes of a member; None for bytes as they are."""


class _Arrays:
    """An open NPY or NPZ file."""

    def __init__(self, path: Path, stamp: Stamp, stored: dict[str, _Stored]) -> None:
        self._path, self._stamp, self._stored = path, stamp, stored
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror or error})") from None

    def close(self) -> None:
        self._file.close()

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        array = self._stored[name]
        info = array.info
        n, per_row = stop - start, math.prod(info.shape[1:])
        if not array.fortran:
            place, length = array.start + start * info.row_bytes, n * info.row_bytes
            values = np.frombuffer(self._bytes(array, place, length), dtype=info.dtype)
            return values.reshape(n, *info.shape[1:])
        size = info.dtype.itemsize
        if array.packed is not None:
            whole = self._bytes(array, array.start, info.shape[0] * info.row_bytes)
            values = np.frombuffer(whole, dtype=info.dtype).reshape(info.shape, order="F")
            return np.ascontiguousarray(values[start:stop])
        # The first axis runs fastest: the rows lie together once for every other index.
        parts = [
            self._bytes(array, array.start + (other * info.shape[0] + start) * size, n * size)
            for other in range(per_row)
        ]
        values = np.frombuffer(b"".join(parts), dtype=info.dtype)
        return np.ascontiguousarray(values.reshape(n, *info.shape[1:], order="F"))

    def _bytes(self, array: _Stored, place: int, length: int) -> bytes:
        if array.packed is None:
            # Not memory-mapped: a file that is cut while it is mapped ends the process.
            try:
                data = os.pread(self._file.fileno(), length, place)
                while 0 < len(data) < length:
                    more = os.pread(self._file.fileno(), length - len(data), place + len(data))
                    if not more:
                        break
                    data += more
            except OSError as error:
                raise Unreadable(f"cannot be read ({error.strerror or error})") from None
        else:
            start, packed = array.packed
            key = ("numpy", str(self._path), self._stamp, start)
            with going_on(key, lambda: ForwardStream(self._path, "deflate", start, packed)) as one:
                data = one.read_at(place, length)
        if len(data) < length:
            raise Unreadable("is cut short")
        return data


@register_reader("numpy", "a NumPy file (.npy, .npz) of images")
class NumpyReader(ArrayReader):
    """Images of an NPY file, or of the array of an NPZ file that fits; the rest become columns.

    Files are read in slices. The members of a compressed NPZ file can only be unpacked from
    their beginning; see `core.survey.readers.kept`.
    """

    kind = "NumPy file"

    @classmethod
    def recognises(cls, source: Path) -> int:
        start = beginning(source, 4096)
        if start.startswith(NPY_MAGIC):
            return 70 if _is_image_npy(start) else 0
        if not start.startswith(b"PK\3\4"):
            return 0
        try:
            arrays, _ = _npz_arrays(source)
        except (Unreadable, BadInput, OSError):
            return 40 if start[30:].split(b"\0")[0][:200].count(b".npy") else 0
        return 70 if any(is_images(one.info) for one in arrays.values()) else 0

    def _checked(self) -> tuple[Path, Stamp]:
        return self.source, checked_file(self.source, "a NumPy file (.npy or .npz)")

    def _look(self) -> dict[str, ArrayInfo]:
        start = beginning(self.source, MOST_HEADER)
        self._stored: dict[str, _Stored] = {}
        try:
            if start.startswith(NPY_MAGIC):
                stored = _npy_array(start, 0)
                if (
                    self._stamp[0]
                    < stored.start + math.prod(stored.info.shape) * stored.info.dtype.itemsize
                ):
                    self._cut_short(stored)
                self._stored["array"] = stored
            elif start.startswith(b"PK"):
                self._stored, problems = _npz_arrays(self.source)
                if problems:
                    self.notes.append(f"Members that were left out: {', '.join(problems[:20])}.")
            else:
                raise Unreadable("is no NumPy file, whatever its name says")
        except Unreadable as error:
            raise BadInput(
                f"{self.source} {error}; save the arrays anew with numpy.savez."
            ) from None
        except OSError as error:
            raise BadInput(f"{self.source} cannot be read ({error}); check the file.") from None
        return {name: stored.info for name, stored in self._stored.items()}

    def _cut_short(self, stored: _Stored) -> None:
        if stored.fortran or not stored.info.row_bytes:
            raise Unreadable("is cut short")
        self._n_whole = (self._stamp[0] - stored.start) // stored.info.row_bytes
        if self._n_whole < 1:
            raise Unreadable("is cut short before the end of the first object")

    @contextmanager
    def _opened(self) -> Iterator[_Arrays]:
        with ExitStack() as stack:
            arrays = _Arrays(self.source, self._stamp, self._stored)
            stack.callback(arrays.close)
            yield arrays


def _npz_arrays(path: Path) -> tuple[dict[str, _Stored], list[str]]:
    """The arrays of an NPZ file by name, and the members that are none, with reasons."""
    found: dict[str, _Stored] = {}
    problems: list[str] = []
    with open(path, "rb") as file:
        for number, member in enumerate(list(_members(file))):
            name = member.name.removesuffix(".npy")
            try:
                if number >= MOST_MEMBERS:
                    raise Unreadable(f"is beyond the first {MOST_MEMBERS:,}")
                if not member.name.endswith(".npy"):
                    raise Unreadable("is no array")
                found[name] = _npz_array(file, member)
            except Unreadable as error:
                problems.append(f"{member.name[:100]!r}, which {error}")
    if not found:
        told = f" ({problems[0]})" if problems else ""
        raise Unreadable(f"holds no array that can be read{told}")
    return found, problems


def _members(file: io.BufferedReader) -> Iterator[ZipMember]:
    for number, member in enumerate(zip_members(file)):
        if number > 2 * MOST_MEMBERS:
            raise Unreadable("holds too many members for a NumPy file")
        yield member


def _npz_array(file: io.BufferedReader, member: ZipMember) -> _Stored:
    if member.method not in (0, 8):
        raise Unreadable(f"is packed by a method that is not read here (number {member.method})")
    header = member_bytes(file, member, most=min(member.size, MOST_HEADER))
    stored = _npy_array(header, 0)
    length = math.prod(stored.info.shape) * stored.info.dtype.itemsize
    if stored.start + length > member.size:
        raise Unreadable("is cut short, or its header lies about its shape")
    place = data_place(file, member)
    if member.method == 0:
        return _Stored(stored.info, place + stored.start, stored.fortran)
    if stored.fortran and length > MOST_LOADED:
        raise Unreadable("is stored by columns (Fortran order) and compressed")
    return _Stored(stored.info, stored.start, stored.fortran, (place, member.packed))


def _npy_array(beginning_: bytes, offset: int) -> _Stored:
    """What the header of an NPY file says; raises `Unreadable`."""
    stream = io.BytesIO(beginning_)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2, and what damage makes of them
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            else:
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # the header is a Python literal, and damage to it raises anything
        raise Unreadable(f"has a damaged header ({brief(error)})") from None
    if dtype.hasobject:
        raise Unreadable("holds Python objects (pickles), which are never loaded")
    if any(not isinstance(n, int) or n < 0 for n in shape) or dtype.itemsize == 0:
        raise Unreadable("has a damaged header (its shape)")
    only_one = len(shape) <= 1
    return _Stored(ArrayInfo(shape, dtype), offset + stream.tell(), fortran and not only_one)


def _is_image_npy(start: bytes) -> bool:
    try:
        return is_images(_npy_array(start, 0).info)
    except Unreadable:
        return False
