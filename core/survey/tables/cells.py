"""Cells of text tables: what type a column has, and its values."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from core.survey.tables.base import MAX_LEVELS

MISSING_TEXT = ("", "nan", "NaN", "NAN", "NULL", "null", "N/A", "n/a", "#N/A", "<NA>", "--", "...")
"""What stands for a missing cell in any column."""

MISSING_NUMBER = (*MISSING_TEXT, "-", "*", "NA", "None", "none", "masked", "-nan", "\\N", "---")
"""What stands for a missing cell where the others are numbers or truth values."""

_PADDED = r"^[+-]?0[0-9xX][0-9A-Fa-f]*$"
_LONG = r"^[+-]?\d{16,}$"
_FORTRAN = r"^([+-]?[0-9.]+)[dD]([+-]?[0-9]+)$"
_TRUTH = r"(?i)^(true|false)$"

_TEXT_NULLS = pa.array(MISSING_TEXT, pa.string())
_NUMBER_NULLS = pa.array(MISSING_NUMBER, pa.string())


def stripped(cells: Sequence[str]) -> pa.Array:
    return pc.utf8_trim_whitespace(pa.array(cells, pa.string()))


def values_of(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Stripped text as values of a type that `ColumnGuess` found; raises where it is another."""
    if kind == pa.string():
        return _without(cells, _TEXT_NULLS)
    cells = _without(cells, _NUMBER_NULLS)
    if kind == pa.bool_():
        return pc.equal(pc.ascii_lower(cells), "true")
    return _numbers(cells, kind)


class ColumnGuess:
    """What a column of text holds, told from one piece after the other.

    Whole numbers are int64 only if all fit and none has leading zeros; a number too long for a
    float makes the column text, since its digits would be lost.

    Attributes
    ----------
    mixed
        The first text among numbers, where the column is text for that reason.
    """

    def __init__(self) -> None:
        self._kind: pa.DataType | None = None
        self._had_numbers = False
        self._has_long = False
        self._levels: set[str] | None = set()
        self._n_texts = 0
        self.mixed: str | None = None

    @property
    def type(self) -> pa.DataType:
        return pa.string() if self._kind is None else self._kind

    @property
    def is_categorical(self) -> bool:
        if self._kind != pa.string() or self._levels is None:
            return False
        return 0 < len(self._levels) <= self._n_texts / 2

    def add(self, cells: pa.Array) -> None:
        """Take in stripped text."""
        if self._kind != pa.string():
            numbers = _without(cells, _NUMBER_NULLS)
            if len(numbers) > numbers.null_count:
                self._kind = self._narrowed(numbers)
        if self._kind == pa.string() or self._kind is None:
            self._add_levels(_without(cells, _TEXT_NULLS))
        elif self._levels is not None:
            # Should the column become text after all, its levels are not known in full.
            self._levels = None

    def _narrowed(self, cells: pa.Array) -> pa.DataType:
        """The type for all so far and these."""
        if self._kind in (None, pa.bool_()):
            if _all(cells, _TRUTH):
                return pa.bool_()
            if self._kind == pa.bool_():
                return pa.string()
        if _any(cells, _PADDED):
            return pa.string()
        long = _any(cells, _LONG)
        if self._kind in (None, pa.int64()):
            try:
                _numbers(cells, pa.int64())
                self._had_numbers, self._has_long = True, self._has_long or long
                return pa.int64()
            except pa.ArrowInvalid:
                pass
        if long or self._has_long:
            return pa.string()
        try:
            _numbers(cells, pa.float64())
            self._had_numbers = True
            return pa.float64()
        except pa.ArrowInvalid:
            self.mixed = self._first_text(cells)
            return pa.string()

    def _first_text(self, cells: pa.Array) -> str | None:
        """The first cell that is no number, if others are."""
        first, some = None, self._had_numbers
        for cell in cells.to_pylist():
            try:
                float(cell or "0")
                some = some or cell is not None
            except ValueError:
                first = first or cell
            if first and some:
                return first
        return None

    def _add_levels(self, cells: pa.Array) -> None:
        self._n_texts += len(cells) - cells.null_count
        if self._levels is not None:
            self._levels.update(text for text in pc.unique(cells).to_pylist() if text)
            if len(self._levels) > MAX_LEVELS:
                self._levels = None


def _numbers(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return pc.cast(cells, kind)
    except pa.ArrowInvalid:
        # A plus sign before a whole number, and the exponents of FORTRAN.
        plain = pc.replace_substring_regex(cells, r"^\+(\d+)$", r"\1")
        return pc.cast(pc.replace_substring_regex(plain, _FORTRAN, r"\1e\2"), kind)


def _without(cells: pa.Array, nulls: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(cells, value_set=nulls), pa.scalar(None, pa.string()), cells)


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern)).as_py())


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())
