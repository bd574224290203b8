"""NPY and NPZ files as tables, without ever unpickling anything."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from core.errors import BadInput
from core.survey.tables.arrays import ArrayTable, Shape
from core.survey.tables.base import (
    MAX_WHOLE_BYTES,
    UnreadableRows,
    forget,
    kept,
    listed,
    short_reason,
)

_MAX_HEADER = 64 * 1024
_MAX_ROW_BYTES = 64 * 1024 * 1024
_MOST_PACKED = 1032
"""Bytes that one byte of a deflated stream can become at most."""

_MAX_MEMBERS = 10_000
_READ_BYTES = 16 * 1024 * 1024


class NpzTable(ArrayTable):
    """The arrays of an NPZ file, or the one of an NPY file.

    Rows of an array in C order are read on from the last slice, so that a packed array of any
    size is unpacked once; one in Fortran order is held as a whole, up to 512 MB.
    """

    kind = "NPZ"

    def _shapes(self) -> Mapping[str, Shape]:
        found: dict[str, Shape] = {}
        pickled, damaged = [], []
        for name, size in self._members():
            try:
                with self._open(name) as file:
                    shape, fortran, dtype = read_npy_header(file)
                    there = size - file.tell()
            except Exception:  # zip files and NumPy raise several kinds; it is told below
                damaged.append(name)
                continue
            if dtype.hasobject:
                pickled.append(name)
                continue
            shape = self._shape_there(shape, dtype, there, fortran)
            if shape:
                found[name] = Shape(shape, dtype)
            else:
                damaged.append(name)
        if pickled:
            self.notes.append(
                "Arrays of Python objects, which are never unpickled, and were left out:"
                f" {listed(pickled)}."
            )
        if damaged:
            self.notes.append(
                f"Members that are no arrays or are damaged, and were left out: {listed(damaged)}."
            )
        return found

    def _shape_there(
        self, shape: tuple[int, ...], dtype: np.dtype, there: int, fortran: bool
    ) -> tuple[int, ...]:
        """The shape, or nothing if the array's bytes are not there or a row is too long."""
        del fortran
        row_bytes = dtype.itemsize
        for side in shape[1:]:
            row_bytes *= side
        is_line = len(shape) == 1 or 1 in shape[:2]
        if not shape or not (is_line or 0 < row_bytes <= _MAX_ROW_BYTES):
            return ()
        return shape if shape[0] * row_bytes <= there else ()

    def _members(self) -> list[tuple[str, int]]:
        """Names of the arrays and their bytes, as far as those can be believed."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                found = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        except Exception as error:
            raise BadInput(f"The NPZ file {self.path} {short_reason(error)}.") from None
        return [
            (
                one.filename.removesuffix(".npy"),
                min(one.file_size, one.compress_size * _MOST_PACKED + 1024),
            )
            for one in found[:_MAX_MEMBERS]
        ]

    def _open(self, name: str) -> BinaryIO:
        archive = zipfile.ZipFile(self.path)
        return archive.open(f"{name}.npy")  # type: ignore[return-value]

    def _array(self, name: str, start: int, stop: int) -> np.ndarray:
        members: _Members = kept(self._key(self.path), _Members)
        try:
            if name in members and members[name].is_behind(start):
                members.pop(name).close()
            if name not in members:
                members[name] = _Member(self._open(name))
            return members[name].rows(start, stop)
        except BaseException:
            forget(self._key(self.path))
            raise


class NpyTable(NpzTable):
    """One array: a matrix, or a structured one with named columns.

    Of a file that is cut short the whole rows are read.
    """

    kind = "NPY"
    _promised = 0

    def _members(self) -> list[tuple[str, int]]:
        return [("x", self.path.stat().st_size)]

    def _open(self, _name: str) -> BinaryIO:
        return open(self.path, "rb")

    def _shape_there(
        self, shape: tuple[int, ...], dtype: np.dtype, there: int, fortran: bool
    ) -> tuple[int, ...]:
        whole = super()._shape_there(shape, dtype, there, fortran)
        if whole or fortran or not shape or shape[0] < 2:
            return whole
        row_bytes = dtype.itemsize
        for side in shape[1:]:
            row_bytes *= side
        rows = there // row_bytes if 0 < row_bytes <= _MAX_ROW_BYTES else 0
        if rows == 0:
            return ()
        self.n_bad, self._promised = 1, shape[0]
        return (rows, *shape[1:])

    def bad(self, start: int, stop: int) -> list[tuple[str, str]]:
        if not self.n_bad or start > 0 or stop < 1:
            return []
        reason = (
            f"is cut short: its header promises {self._promised} rows, {self.n_rows} are there"
        )
        return [(f"row {self.n_rows + 1} and on", reason)]


class _Members(dict[str, "_Member"]):
    """The arrays of one file that are open."""

    def close(self) -> None:
        for member in self.values():
            member.close()


class _Member:
    """An array that is read forwards."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.shape, self._fortran, self._dtype = read_npy_header(file)
        per_row = 1
        for side in self.shape[1:]:
            per_row *= side
        self._line = self.shape[:1] == (1,) and len(self.shape) == 2
        self._row_bytes = self._dtype.itemsize if self._line else per_row * self._dtype.itemsize
        self._at = 0
        self._whole: np.ndarray | None = None
        is_fortran = self._fortran and len(self.shape) == 2 and 1 not in self.shape
        if is_fortran:
            self._whole = self._read_whole()

    def close(self) -> None:
        self._file.close()

    def is_behind(self, start: int) -> bool:
        """The rows lie before what was read last and cannot be gone back to."""
        return self._whole is None and start < self._at

    def rows(self, start: int, stop: int) -> np.ndarray:
        if self._whole is not None:
            return self._whole[start:stop]
        while self._at < start:
            step = min(start - self._at, max(1, _READ_BYTES // max(1, self._row_bytes)))
            self._read(step)
        raw = self._read(stop - start)
        values = np.frombuffer(raw, self._dtype)
        if self._line or len(self.shape) == 1:
            return values
        return values.reshape(stop - start, *self.shape[1:])

    def _read(self, n: int) -> bytes:
        size = n * self._row_bytes
        if size > MAX_WHOLE_BYTES:
            raise UnreadableRows("has rows that are too long")
        raw = self._file.read(size)
        if len(raw) < size:
            raise UnreadableRows("is cut short")
        self._at += n
        return raw

    def _read_whole(self) -> np.ndarray:
        size = self._row_bytes * self.shape[0]
        if size > MAX_WHOLE_BYTES:
            raise UnreadableRows(
                f"is in Fortran order and has more than {MAX_WHOLE_BYTES // 2**20} MB; save it in"
                " C order"
            )
        raw = self._file.read(size)
        if len(raw) < size:
            raise UnreadableRows("is cut short")
        return np.frombuffer(raw, self._dtype).reshape(self.shape, order="F")


def read_npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and dtype of a .npy stream, which stands at the data then.

    As numpy's format module says it; nothing is allocated after what the header claims.
    """
    magic = file.read(8)
    if len(magic) < 8 or not magic.startswith(b"\x93NUMPY"):
        raise UnreadableRows("is no .npy array")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if not 0 < length <= _MAX_HEADER:
        raise UnreadableRows("has a header that cannot be right")
    said = ast.literal_eval(file.read(length).decode("utf-8" if magic[6] >= 3 else "latin-1"))
    shape = tuple(int(side) for side in said["shape"])
    if any(side < 0 for side in shape):
        raise UnreadableRows("has a header that cannot be right")
    descr = said["descr"]
    dtype = np.dtype([tuple(one) for one in descr] if isinstance(descr, list) else descr)
    return shape, bool(said["fortran_order"]), dtype
