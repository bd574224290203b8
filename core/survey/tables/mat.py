"""MATLAB files as tables: version 5 through scipy, version 7.3 (HDF5) through h5py."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.tables.arrays import ArrayTable, Shape
from core.survey.tables.base import MAX_WHOLE_BYTES, UnreadableRows, kept, listed, short_reason

_COMPRESSED = 15
_PIECE = 1024 * 1024
_MOST_PACKED = 2000
_TEXT_CLASSES = (b"char", b"cell", b"struct")


class Mat5Table(ArrayTable):
    """A file of version 4 to 7, which scipy reads as a whole: up to 512 MB unpacked.

    Structures, cells and texts of other lengths are left out.
    """

    kind = "MAT"

    def _shapes(self) -> Mapping[str, Shape]:
        self._refuse_large()
        arrays = self._load()
        found, other = {}, []
        for name, values in arrays.items():
            if values.dtype.names is None and values.dtype.kind in "biufSU":
                found[name] = Shape(values.shape, values.dtype)
            else:
                other.append(name)
        if other:
            self.notes.append(
                f"Structures and cells of MATLAB, which were left out: {listed(other)}."
            )
        return found

    def _refuse_large(self) -> None:
        """scipy unpacks whatever it finds, so what comes out is measured first."""
        size = self.path.stat().st_size
        try:
            with open(self.path, "rb") as file:
                file.seek(126)
                order = "<" if file.read(2) == b"IM" else ">"
                while size <= MAX_WHOLE_BYTES and len(tag := file.read(8)) == 8:
                    kind, length = struct.unpack(f"{order}II", tag)
                    end = file.tell() + length
                    if kind == _COMPRESSED:
                        size += _unpacked(file, length, MAX_WHOLE_BYTES)
                    file.seek(end)
        except (OSError, zlib.error, struct.error) as error:
            raise BadInput(f"The MAT file {self.path} {short_reason(error)}.") from None
        if size > MAX_WHOLE_BYTES:
            raise BadInput(
                f"A MAT file of version 5 may have {MAX_WHOLE_BYTES // 2**20} MB unpacked, but"
                f" {self.path} has more; save it with -v7.3 or as NPZ."
            )

    def _load(self) -> dict[str, np.ndarray]:
        from scipy.io import loadmat

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = loadmat(self.path, chars_as_strings=True)
        except Exception as error:
            raise BadInput(f"The MAT file {self.path} {short_reason(error)}.") from None
        return {
            name: values
            for name, values in found.items()
            if isinstance(values, np.ndarray) and not name.startswith("__")
        }

    def _array(self, name: str, start: int, stop: int) -> np.ndarray:
        whole: dict[str, np.ndarray] = kept(self._key(self.path), self._load)
        return _rows(whole[name], start, stop)


class Mat73Table(ArrayTable):
    """A file of version 7.3: HDF5 in which arrays lie with their axes turned round.

    Only what is stored in the file itself is read, never what a link points to.
    """

    kind = "MAT 7.3"

    def _shapes(self) -> Mapping[str, Shape]:
        import h5py

        found: dict[str, Shape] = {}
        other = []
        try:
            with h5py.File(self.path, "r") as file:
                for name in list(file)[:10_000]:
                    if name.startswith("#"):
                        continue
                    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                        other.append(name)
                        continue
                    one = file[name]
                    if isinstance(one, h5py.Dataset) and _is_plain(one):
                        found[name] = Shape(tuple(reversed(one.shape)), one.dtype)
                    else:
                        other.append(name)
        except Exception as error:
            raise BadInput(f"The MAT file {self.path} {short_reason(error)}.") from None
        if other:
            self.notes.append(
                f"Structures, texts and links of MATLAB, which were left out: {listed(other)}."
            )
        return found

    def _array(self, name: str, start: int, stop: int) -> np.ndarray:
        file: Any = kept(self._key(self.path), self._open)
        one = file[name]
        row_bytes = one.dtype.itemsize * int(np.prod(one.shape[:-1], dtype=np.int64))
        if row_bytes * (stop - start) > MAX_WHOLE_BYTES:
            raise UnreadableRows("has rows that are too long")
        if one.ndim == 2 and one.shape[1] == 1:  # a row of MATLAB, (1, N)
            return np.asarray(one[start:stop, 0])
        return np.asarray(one[..., start:stop]).T

    def _open(self) -> Any:
        import h5py

        return h5py.File(self.path, "r")


def _is_plain(one: Any) -> bool:
    """Numbers that lie in the file itself, and not more than its bytes can hold."""
    if one.dtype.kind not in "biuf" or one.external or one.is_virtual:
        return False
    if one.size * one.dtype.itemsize > one.id.get_storage_size() * _MOST_PACKED + _PIECE:
        return False
    return one.attrs.get("MATLAB_class", b"") not in _TEXT_CLASSES


def _rows(values: np.ndarray, start: int, stop: int) -> np.ndarray:
    if values.ndim == 2 and values.shape[0] == 1:
        return values[0, start:stop]
    return values[start:stop]


def _unpacked(file: Any, length: int, limit: int) -> int:
    """Bytes that a compressed element becomes; counting ends soon after the limit."""
    unpacker = zlib.decompressobj()
    total = 0
    while length > 0 and total <= limit:
        piece = file.read(min(length, _PIECE))
        if not piece:
            break
        length -= len(piece)
        while piece and total <= limit:
            total += len(unpacker.decompress(piece, _PIECE))
            piece = unpacker.unconsumed_tail
    return total
