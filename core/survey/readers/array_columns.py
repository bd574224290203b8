"""Arrays beside the images of a file -> columns of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.layout import ColumnInfo
from core.survey.readers.array_choice import ArrayInfo
from core.survey.readers.cells import cells, column_name, holds_cells, short_name

MOST_SPLIT = 16
"""Longest second axis of an array that becomes columns, name_1, name_2 ..."""

CLASS_NAMES = ("class_names", "label_names", "classes", "names")
CLASSES = ("labels", "label", "classes", "class", "ans", "y", "target", "targets")
MOST_CLASSES = 1000


class Rows(Protocol):
    """An open file of arrays."""

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows of an array; raises `Unreadable`."""
        ...


@dataclass(frozen=True)
class ColumnsOf:
    """Columns that one array becomes: several for a compound or a 2-D one.

    Attributes
    ----------
    names
        Of the columns.
    fields
        Of a compound array, in the order of `names`.
    classes
        Names of classes, where the numbers of the array stand for them.
    """

    array: str
    names: tuple[str, ...]
    fields: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    info: ColumnInfo = field(default_factory=ColumnInfo)

    def values(
        self, store: Rows, start: int, stop: int, missing: tuple[float, ...] = ()
    ) -> dict[str, list[CatalogueValue]]:
        """Cells of some rows, by column; raises `Unreadable`."""
        values = store.rows(self.array, start, stop)
        if self.fields:
            parts = [values[name] for name in self.fields]
        elif values.ndim > 1:
            parts = list(values.reshape(len(values), -1).T)
        else:
            parts = [values]
        found = {
            name: cells(np.ascontiguousarray(part), missing)
            for name, part in zip(self.names, parts, strict=True)
        }
        if self.classes:
            found = {
                name: [self._class(one) for one in several] for name, several in found.items()
            }
        return found

    def renamed(self, names: Mapping[str, str]) -> ColumnsOf:
        return replace(self, names=tuple(names.get(name, name) for name in self.names))

    def _class(self, value: CatalogueValue) -> CatalogueValue:
        if isinstance(value, int) and 0 <= value < len(self.classes):
            return self.classes[value]
        return value if value is None else str(value)


def columns_of(
    arrays: Mapping[str, ArrayInfo], images: str, wished: str | None, meant: tuple[str | None, ...]
) -> tuple[list[ColumnsOf], list[str]]:
    """The arrays that become columns, and those left out with their shapes.

    All of as many rows as the images that a cell can hold, or those that are `wished` (names
    with commas between) and `meant` (names of columns with a meaning).
    """
    names = None
    if wished is not None:
        names = {name.strip().strip("/") for name in wished.split(",") if name.strip()}
        unknown = sorted(names - set(arrays))
        if unknown:
            raise BadInput(
                f"`columns` are some of the arrays {', '.join(sorted(arrays))}, but"
                f" {unknown[0]!r} is none; change it."
            )
        names |= {path for path in arrays if short_name(path, arrays) in meant}
    chosen, left_out = [], []
    taken: list[str] = []
    for path, info in arrays.items():
        if path == images:
            continue
        fitting = _columns(path, info, short_name(path, arrays), arrays[images].shape[0])
        if fitting is None or (names is not None and path not in names):
            left_out.append(f"{path} ({info})")
            continue
        unique = {}
        for name in fitting.names:
            other = name
            while other in taken:
                other += "_"
            taken.append(other)
            unique[name] = other
        chosen.append(fitting.renamed(unique))
    return chosen, left_out


def catalogue_names(chosen: list[ColumnsOf], given: Mapping[str, str]) -> list[ColumnsOf]:
    """Columns under names that the catalogue allows; `given` says some of them."""
    names = dict(given)
    for columns in chosen:
        for name in columns.names:
            if name not in given:
                names[name] = column_name(name, names.values())
    return [columns.renamed(names) for columns in chosen]


def with_classes(
    chosen: list[ColumnsOf], arrays: Mapping[str, ArrayInfo], store: Rows
) -> tuple[list[ColumnsOf], str | None]:
    """Numbers of classes become their names, where the file has one list of names.

    Returns the columns and the array that the names were taken from. Raises `Unreadable`.
    """
    lists = [
        path
        for path, info in arrays.items()
        if PurePosixPath(path).name.lower() in CLASS_NAMES
        and len(info.shape) == 1
        and 2 <= info.shape[0] <= MOST_CLASSES
        and (info.dtype.kind in "SU" or info.text)
        and not any(columns.array == path for columns in chosen)
    ]
    numbers = [
        columns
        for columns in chosen
        if PurePosixPath(columns.array).name.lower() in CLASSES
        and len(columns.names) == 1
        and arrays[columns.array].dtype.kind in "iu"
    ]
    if len(lists) != 1 or len(numbers) != 1:
        return chosen, None
    names = cells(store.rows(lists[0], 0, arrays[lists[0]].shape[0]))
    if not all(names):
        return chosen, None
    named = replace(
        numbers[0],
        classes=tuple(str(name) for name in names),
        info=replace(numbers[0].info, kind="categorical"),
    )
    return [named if columns is numbers[0] else columns for columns in chosen], lists[0]


def _columns(path: str, info: ArrayInfo, short: str, n: int) -> ColumnsOf | None:
    if not info.shape or info.shape[0] != n:
        return None
    about = ColumnInfo(unit=info.unit)
    if info.dtype.names is not None:
        fields = tuple(name for name in info.dtype.names if holds_cells(info.dtype[name]))
        if len(info.shape) > 1 or not fields:
            return None
        return ColumnsOf(path, fields, fields, info=about)
    if not info.text and not holds_cells(info.dtype):
        return None
    if len(info.shape) == 1 or info.shape[1:] == (1,):
        return ColumnsOf(path, (short,), info=about)
    if len(info.shape) == 2 and 1 < info.shape[1] <= MOST_SPLIT and not info.text:
        numbered = tuple(f"{short}_{number}" for number in range(1, info.shape[1] + 1))
        return ColumnsOf(path, numbered, info=about)
    return None
