"""Values that stand for "not measured": those that a person names, and a guess at others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from core.survey.tables.base import TableSource

USUAL_CODES = (-9999.0, -999.0, -99.0, -10.0, -9.0, 99.0, 999.0, 9999.0)

_RA_NAME = re.compile(r"_?(ra|right_?ascension|alpha)(_?(deg|mean|icrs|j?2000))?", re.I)
_DEC_NAME = re.compile(r"_?(dec?|dej?2000|declination|delta)(_?(deg|mean|icrs|j?2000))?", re.I)
_FEWEST = 20
_FEWEST_SPIKE = 3
_NEARLY = 2e-6
_ALONE = 0.05
"""Share of a column from which a code is told of that no other column has."""


def applies(code: float, name: str, kind: pa.DataType) -> bool:
    """Whether a code may stand for "not measured" in a column: a declination of -10 is one."""
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return False
    if _DEC_NAME.fullmatch(name) and -90 <= code <= 90:
        return False
    return not (_RA_NAME.fullmatch(name) and 0 <= code <= 360)


def without_codes(column: pa.ChunkedArray, codes: Sequence[float]) -> tuple[pa.ChunkedArray, int]:
    """The column with null where a code was, and how many cells that are."""
    if pa.types.is_integer(column.type):
        codes = [int(code) for code in codes if float(code).is_integer() and abs(code) < 2**63]
        values = pa.array(codes, column.type)
    else:
        # -9.99 in a float32 column is not the -9.99 of float64.
        kind = np.float32 if column.type == pa.float32() else np.float64
        values = pa.array(np.array(codes, kind))
    hit = pc.is_in(column, value_set=values)
    n = pc.sum(hit).as_py() or 0
    if not n:
        return column, 0
    return pc.if_else(hit, pa.scalar(None, column.type), column), int(n)


def finite(column: pa.ChunkedArray) -> np.ndarray:
    """The numbers of a column that are there and finite, float64."""
    with np.errstate(invalid="ignore"):  # damaged bytes make signalling NaNs
        values = np.asarray(column.drop_null().cast(pa.float64(), safe=False))
    return values[np.isfinite(values)]


def spelling(values: np.ndarray, code: float) -> float | None:
    """How a column writes a code: -10 may stand there as -9.99999; `None` if it does not have it.

    Another number counts that is nearly the code and stands there several times, digit for digit.
    """
    if (values == code).any():
        return code
    near = values[np.abs(values - code) <= _NEARLY * abs(code)]
    if len(near) < _FEWEST_SPIKE:
        return None
    different, counts = np.unique(near, return_counts=True)
    most = int(np.argmax(counts))
    return float(different[most]) if counts[most] >= _FEWEST_SPIKE else None


def suggested_codes(source: TableSource) -> dict[float, list[str]]:
    """Values that look like "not measured" and were not declared: value to column names.

    A value counts that occurs several times, exactly, and lies outside of the range of the rest
    by more than that range; it is told if two columns have it, or one very often. Whether it is
    one only a person knows: nothing is changed.
    """
    names = [name for name, kind in source.types.items() if pa.types.is_floating(kind)]
    whole = [name for name, kind in source.types.items() if pa.types.is_integer(kind)]
    if not names + whole:
        return {}
    sample = source.sample(names + whole)
    found: dict[float, list[str]] = {}
    often: set[float] = set()
    for name in names + whole:
        values = finite(sample.column(name))
        written = {code: spelling(values, code) for code in USUAL_CODES}
        spellings = [value for value in written.values() if value is not None]
        rest = values[~np.isin(values, spellings)]
        if not spellings or len(rest) < _FEWEST:
            continue
        low, high = rest.min(), rest.max()
        spread = max(high - low, 1e-12)
        for code, value in written.items():
            n = 0 if value is None else int((values == value).sum())
            far = code < low - spread or code > high + spread
            if n >= _FEWEST_SPIKE and far and applies(code, name, source.types[name]):
                found.setdefault(code, []).append(name)
                if n >= _ALONE * len(values):
                    often.add(code)
    return {code: where for code, where in found.items() if len(where) > 1 or code in often}
