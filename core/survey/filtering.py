"""Conditions on columns: which rows of a table fulfil them.

A missing value (None, NaN, <NA>) fulfils no condition but "is missing": what is not known is
neither more than 3 nor different from "star".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput

__all__ = [
    "OPERATORS",
    "Condition",
    "Kind",
    "Operator",
    "as_condition",
    "kind_of",
    "matching",
    "missing",
    "sort_order",
]

MAX_TEXT = 512
MAX_LISTED = 1000


class Kind(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    TRUTH = "truth"
    TEXT = "text"


class Operator(StrEnum):
    """How a value is held against that of a condition."""

    IS = "is"
    IS_NOT = "is not"
    BELOW = "<"
    AT_MOST = "≤"
    ABOVE = ">"
    AT_LEAST = "≥"
    BETWEEN = "between"
    ONE_OF = "is one of"
    CONTAINS = "contains"
    BEGINS = "begins with"
    TRUE = "is true"
    FALSE = "is false"
    MISSING = "is missing"
    THERE = "has a value"


_ALWAYS = (Operator.MISSING, Operator.THERE)
OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    Kind.NUMBER: (
        *(Operator.AT_LEAST, Operator.AT_MOST, Operator.ABOVE, Operator.BELOW),
        *(Operator.BETWEEN, Operator.IS, Operator.IS_NOT),
        *_ALWAYS,
    ),
    Kind.TRUTH: (Operator.TRUE, Operator.FALSE, *_ALWAYS),
    Kind.TEXT: (
        *(Operator.IS, Operator.IS_NOT, Operator.ONE_OF, Operator.CONTAINS, Operator.BEGINS),
        *_ALWAYS,
    ),
}
"""The operators of each kind of column, the first as what is offered first."""

WITHOUT_VALUE = (Operator.TRUE, Operator.FALSE, *_ALWAYS)


@dataclass(frozen=True)
class Condition:
    """A column, an operator and the value it is held against.

    `value` is a number or text; (low, high), both included, of `BETWEEN`; a tuple of texts of
    `ONE_OF`; None of the operators that need none.
    """

    column: str
    operator: Operator
    value: Any = None

    def as_json(self) -> list[Any]:
        """[column, operator, value], as `as_condition` reads it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return [self.column, self.operator.value, value]

    def words(self, name: str | None = None, unit: str = "") -> str:
        """For a person, such as "mag < 20"; `name` in the place of the column's own."""
        shown = f"{name or self.column} {self.operator.value}"
        if self.operator in WITHOUT_VALUE:
            return shown
        if self.operator is Operator.BETWEEN:
            value = f"{_digits(self.value[0])} and {_digits(self.value[1])}"
        elif self.operator is Operator.ONE_OF:
            value = ", ".join(self.value)
            value = value if len(value) <= 80 else f"{value[:77]}..."
        else:
            value = self.value if isinstance(self.value, str) else _digits(self.value)
        return f"{shown} {value}{' ' + unit if unit else ''}"


def as_condition(given: Any) -> Condition:
    """Read what `Condition.as_json` gave (`BadInput`)."""
    try:
        column, operator, value = given
        if not isinstance(column, str) or not 0 < len(column) <= 128:
            raise ValueError("it names no column")
        column.encode()
        chosen = Operator(operator)
        return Condition(column, chosen, _checked_value(chosen, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(
            "A condition is [column, operator, value] such as ['mag', '<', 20], but is"
            f" {_quoted(given)} ({str(error)[:80]}); make the filter anew."
        ) from None


def kind_of(values: pd.Series) -> Kind:
    """What a column holds."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return Kind.TRUTH
    return Kind.NUMBER if pd.api.types.is_numeric_dtype(values.dtype) else Kind.TEXT


def missing(values: pd.Series) -> np.ndarray:
    """(N,) bool: True where there is no value."""
    found: np.ndarray = values.isna().to_numpy(dtype=bool)
    return found


def matching(values: pd.Series, condition: Condition) -> np.ndarray:
    """(N,) bool: True where a column fulfils the condition.

    Raises
    ------
    BadInput
        The operator is none of those of such a column.
    """
    kind = kind_of(values)
    operator, value = condition.operator, condition.value
    if operator not in OPERATORS[kind]:
        raise BadInput(
            f"The column {condition.column!r} holds {kind.value}s, which"
            f" {', '.join(OPERATORS[kind])} fit, but the condition is {operator.value!r}; choose"
            " another operator."
        )
    absent = missing(values)
    if operator is Operator.MISSING:
        return absent
    if operator is Operator.THERE:
        return ~absent
    fulfils = _TESTS[operator](values, value)
    known: np.ndarray = np.asarray(fulfils.fillna(False), dtype=bool) & ~absent
    return known


def sort_order(values: pd.Series) -> tuple[np.ndarray, int]:
    """(N,) int32 rows by rising value, equal ones by row, missing values last; and how many have
    a value. Text is ordered by code points."""
    if kind_of(values) is Kind.TEXT:
        arrow = pa.array(values, from_pandas=True)
        if pa.types.is_dictionary(arrow.type):
            arrow = arrow.cast(arrow.type.value_type)
        order = pc.array_sort_indices(arrow, null_placement="at_end").to_numpy()
    else:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_integer_dtype(values.dtype):
            # 64-bit ids would lose their last digits as floats.
            whole = values.fillna(0).to_numpy(dtype=np.int64)
            order = np.lexsort((whole, np.isnan(numbers)))
        else:
            order = np.argsort(numbers, kind="stable")  # NaN comes last
    return order.astype(np.int32), len(values) - int(missing(values).sum())


_TESTS: dict[Operator, Callable[[pd.Series, Any], pd.Series]] = {
    Operator.IS: lambda values, value: values == value,
    Operator.IS_NOT: lambda values, value: values != value,
    Operator.BELOW: lambda values, value: values < value,
    Operator.AT_MOST: lambda values, value: values <= value,
    Operator.ABOVE: lambda values, value: values > value,
    Operator.AT_LEAST: lambda values, value: values >= value,
    Operator.BETWEEN: lambda values, value: values.between(*value),
    Operator.ONE_OF: lambda values, value: values.isin(value),
    Operator.CONTAINS: lambda values, value: _text(values).str.contains(value, regex=False),
    Operator.BEGINS: lambda values, value: _text(values).str.startswith(value),
    Operator.TRUE: lambda values, _: values == True,  # noqa: E712  (one by one)
    Operator.FALSE: lambda values, _: values == False,  # noqa: E712
}


def _text(values: pd.Series) -> pd.Series:
    return values.astype("str") if isinstance(values.dtype, pd.CategoricalDtype) else values


def _digits(value: float) -> str:
    """A number as it was given: whole ones in full, others to 12 digits."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _quoted(given: Any) -> str:
    """The beginning of what was given, as any page can show it: whole numbers of thousands of
    digits Python itself does not write."""
    try:
        return repr(given)[:80]
    except (ValueError, RecursionError):
        return "something else"


def _checked_value(operator: Operator, value: Any) -> Any:
    if operator in WITHOUT_VALUE:
        return None
    if operator is Operator.BETWEEN:
        low, high = sorted(_number(one) for one in value)
        return low, high
    if operator is Operator.ONE_OF:
        names = tuple(_short(one) for one in _listed(value))
        if not 0 < len(names) <= MAX_LISTED:
            raise ValueError(f"it lists {len(names)} values, not 1 to {MAX_LISTED}")
        return names
    if operator in (Operator.CONTAINS, Operator.BEGINS):
        return _short(value)
    if operator in (Operator.IS, Operator.IS_NOT):
        return _short(value) if isinstance(value, str) else _number(value)
    return _number(value)


def _listed(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError("it has no list of values")
    return value


def _short(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise ValueError(f"its text is not 1 to {MAX_TEXT} characters")
    value.encode()  # half a surrogate pair is no text
    return value


def _number(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("its value is no finite number")
    # No column holds longer whole numbers, and not every one can be held against them.
    return float(value) if abs(value) >= 2**63 else value
