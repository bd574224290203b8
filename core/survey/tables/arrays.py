"""Feature matrices as tables: NPY, NPZ and MAT files with one row an object."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.tables.base import MAX_COLUMNS, TableSource, class_columns, listed
from core.survey.tables.lines import checked_file
from core.survey.tables.whole import arrow_values

TRUTH_NAMES = frozenset(
    ("y", "label", "labels", "outlier", "outliers", "target", "targets", "truth", "anomaly")
)
"""Arrays that hold the answer in sets made for testing."""

_MATRIX_NAMES = ("x", "data", "features", "feature", "embedding", "embeddings", "values")
_HEADING_NAMES = ("feature_names", "features_names", "feature", "features", "columns", "names")


@dataclass(frozen=True)
class Shape:
    """What an array of the file is, without having read it."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def is_values(self) -> bool:
        return self.dtype.kind in "biufSU" or self.dtype.names is not None


class ArrayTable(TableSource, abc.ABC):
    """The largest matrix (N, D) becomes D columns, arrays of length N one column each.

    The names of a matrix's columns come from an array of D texts (feature_names, columns) or
    are x_01, x_02 ... after the name of the matrix.
    """

    def __init__(self, path: Path, missing: Sequence[float] = ()) -> None:
        super().__init__(path, missing)
        checked_file(path)
        self._stamp(path)
        self._take(self._shapes())
        class_columns(self)
        self._declare_missing()

    @abc.abstractmethod
    def _shapes(self) -> Mapping[str, Shape]:
        """The arrays of the file; adds to `notes` what is none."""

    @abc.abstractmethod
    def _array(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows of an array (N, ...)."""

    def _take(self, shapes: Mapping[str, Shape]) -> None:
        usable = {name: one for name, one in shapes.items() if one.is_values and one.shape}
        matrix = _matrix(usable)
        if matrix is not None:
            self.n_rows = usable[matrix].shape[0]
        else:
            lengths = [max(one.shape) for one in usable.values() if _is_line(one.shape)]
            self.n_rows = max(lengths, key=lambda n: (lengths.count(n), n), default=0)
        columns: list[tuple[str, str, int | str | None]] = []
        heading = ""
        if matrix is not None:
            heading, names = self._headings(matrix, usable)
            columns += [(name, matrix, at) for at, name in enumerate(names)]
            self.settings["matrix"] = matrix
        left_out = [name for name in shapes if name not in usable]
        for name, one in usable.items():
            if name in (matrix, heading):
                continue
            if one.dtype.names is not None and one.shape == (self.n_rows,):
                for field in one.dtype.names:
                    if one.dtype[field].kind in "biufSU":
                        columns.append((field, name, field))
                    else:
                        left_out.append(field)
            elif one.dtype.names is None and _fits(one.shape, self.n_rows):
                columns.append((name, name, None))
            else:
                left_out.append(name)
        if not columns or not self.n_rows:
            raise BadInput(
                f"{self.path} should hold a matrix with one row an object, or arrays of the same"
                f" length, but has {_there(shapes)}; save such a matrix as X."
            )
        if left_out:
            self.notes.append(
                f"Arrays of another length or kind that were left out: {listed(left_out)}."
            )
        names = self._set_columns([column[0] for column in columns])
        self._from = {name: column[1:] for name, column in zip(names, columns, strict=True)}
        for name, (array, part) in self._from.items():
            one = usable[array]
            dtype = one.dtype[part] if isinstance(part, str) else one.dtype
            self.columns[name] = ColumnInfo()
            kind = _arrow_type(dtype)
            if dtype == np.dtype("u8") and self._is_beyond(name):
                kind = pa.string()
                self.notes.append(
                    f"Whole numbers of array {name!r} are beyond 63 bits and became text."
                )
            self.types[name] = kind
        self.truth = tuple(
            name
            for name, (array, _part) in self._from.items()
            if name.lower() in TRUTH_NAMES and array != matrix
        )

    def _headings(self, matrix: str, usable: Mapping[str, Shape]) -> tuple[str, list[str]]:
        n = usable[matrix].shape[1]
        for name, one in usable.items():
            if name.lower() in _HEADING_NAMES and one.dtype.kind in "SU" and one.shape == (n,):
                texts = arrow_values(self._array(name, 0, n))
                found = [] if texts is None else texts.to_pylist()
                if all(found):
                    return name, [str(text) for text in found]
        base = matrix if re.fullmatch(r"\w{1,40}", matrix) else "x"
        base = "x" if base == "X" else base
        digits = max(2, len(str(n)))
        return "", [f"{base}_{number:0{digits}d}" for number in range(1, n + 1)]

    def _is_beyond(self, name: str) -> bool:
        array, part = self._from[name]
        for start in range(0, self.n_rows, 65_536):
            values = self._part(self._array(array, start, min(start + 65_536, self.n_rows)), part)
            if values.size and values.max() >= 2**63:
                return True
        return False

    def _part(self, values: np.ndarray, part: int | str | None) -> np.ndarray:
        if isinstance(part, str):
            return values[part]
        return values[:, part] if part is not None else values.reshape(len(values))

    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        read: dict[str, np.ndarray] = {}
        columns: dict[str, Any] = {}
        for name in names:
            array, part = self._from[name]
            if array not in read:
                read[array] = self._array(array, start, stop)
            values = arrow_values(self._part(read[array], part))
            assert values is not None  # only arrays of such types were taken
            columns[name] = values.cast(self.types[name])
        return pa.table(columns)


def _matrix(usable: Mapping[str, Shape]) -> str | None:
    """The matrix (N, D): by its name, else the largest."""
    found = {
        name: one.shape
        for name, one in usable.items()
        if len(one.shape) == 2 and one.dtype.kind in "biuf" and not _is_line(one.shape)
    }
    for name in found:
        if name.lower() in _MATRIX_NAMES and found[name][1] <= MAX_COLUMNS:
            return name
    return max(found, key=lambda name: found[name][0] * found[name][1], default=None)


def _is_line(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and 1 in shape)


def _fits(shape: tuple[int, ...], n: int) -> bool:
    return shape in ((n,), (n, 1), (1, n))


def _arrow_type(dtype: np.dtype) -> pa.DataType:
    if dtype.kind == "f":
        return pa.float32() if dtype.itemsize <= 4 else pa.float64()
    return {"b": pa.bool_(), "i": pa.int64(), "u": pa.int64()}.get(dtype.kind, pa.string())


def _there(shapes: Mapping[str, Shape]) -> str:
    if not shapes:
        return "no array"
    words = [f"{name} {one.shape} of {one.dtype}" for name, one in shapes.items()]
    return listed(words)
