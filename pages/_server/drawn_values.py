"""Which values of an object's row are unusual: where each lies among those of other objects."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from core.survey import Survey
from core.survey.astrometry import POSITION_COLUMNS, WCS_COLUMNS

__all__ = ["SAMPLE_ROWS", "Value", "values_of"]

SAMPLE_ROWS = 20_000
"""Objects that values are compared with, at most."""
_SAMPLE_VALUES = 4_000_000
"""Values kept of a survey, at most: wide tables are compared with fewer objects."""
_MOST_KINDS = 50
"""Different words of a column that are still taken for kinds rather than names."""

_NOT_COMPARED = {name for pair in POSITION_COLUMNS for name in pair} | {
    *WCS_COLUMNS,
    *("object_id", "group_id", "id", "l", "b", "glon", "glat"),
}


@dataclass(frozen=True)
class Value:
    """A cell of the table.

    Attributes
    ----------
    name, text
        Of the column; its value with the unit.
    place
        Share of the objects with a lower value (half of those with the same one), 0 to 1; `None`
        where values are not numbers or are not compared.
    share
        Share of the objects with the same word; `None` for numbers.
    unusual
        Share of the objects that lie as far out on this side; 1 where values are not compared.
    """

    name: str
    text: str
    place: float | None = None
    share: float | None = None
    unusual: float = 1.0


def values_of(survey: Survey, row: int) -> list[Value]:
    """Every value that the object has, the most unusual first; missing cells are left out.

    Numbers and words of few kinds are compared with those of at most `SAMPLE_ROWS` objects, evenly
    spread over the survey; ids and positions come last, in the table's order.
    """
    found: list[tuple[float, float, Value]] = []
    info = survey.column_info
    catalogue = survey.catalogue
    for name, column in _columns(survey).items():
        cell = catalogue[name].array[row]
        if _is_missing(cell):
            continue
        text = _words(cell)
        unit = info[name].unit if name in info else ""
        if unit:
            text = f"{text} {unit}"
        if column is None:
            found.append((2.0, 0.0, Value(str(name), text)))
        else:
            found.append(column.judge(str(name), cell, text))
    found.sort(key=lambda one: one[:2])  # stable: equal ones stay in the table's order
    return [value for _unusual, _nearness, value in found]


class _Numbers:
    def __init__(self, known: np.ndarray) -> None:
        self._sorted = np.sort(known)
        low, self._median, high = np.percentile(self._sorted, (25, 50, 75))
        # Halves: the difference of two numbers near the largest would overflow.
        spread = high / 2 - low / 2
        self._spread = float(spread) if spread > 0 else math.ulp(abs(float(self._median)))

    def judge(self, name: str, cell: Any, text: str) -> tuple[float, float, Value]:
        """How unusual a cell is (small first), what decides between equals, and its `Value`."""
        value = float(cell)
        n = len(self._sorted)
        below, upto = (int(self._sorted.searchsorted(value, side)) for side in ("left", "right"))
        place = (below + upto) / (2 * n)
        unusual = min(upto, n - below) / n
        # Among those beyond all others the one that is farthest out comes first.
        with np.errstate(over="ignore"):
            distance = abs(value / 2 - float(self._median) / 2) / self._spread
        return unusual, -distance, Value(name, text, place=place, unusual=unusual)


class _Kinds:
    def __init__(self, shares: dict[str, float]) -> None:
        self._shares = shares

    def judge(self, name: str, cell: Any, text: str) -> tuple[float, float, Value]:
        share = self._shares.get(str(cell), 0.0)
        return share, 0.0, Value(name, text, share=share, unusual=share)


_Column = _Numbers | _Kinds | None
"""How a column is compared; not at all: ids, positions, names and what is the same everywhere."""

_known: WeakKeyDictionary[Survey, dict[str, _Column]] = WeakKeyDictionary()
_lock = threading.Lock()


def _columns(survey: Survey) -> dict[str, _Column]:
    """How the columns are compared, found once and kept while the survey is open."""
    with _lock:
        found = _known.get(survey)
        if found is None:
            found = _known[survey] = _sampled(survey)
        return found


def _sampled(survey: Survey) -> dict[str, _Column]:
    catalogue = survey.catalogue
    names = [name for name in catalogue.columns if name not in ("object_id", "group_id")]
    n = min(len(survey), SAMPLE_ROWS, max(100, _SAMPLE_VALUES // max(1, len(names))))
    rows = np.linspace(0, len(survey) - 1, n).astype(np.int64)
    return {name: _column(str(name), catalogue[name].take(rows)) for name in names}


def _column(name: str, cells: pd.Series) -> _Column:
    lowered = name.lower()
    if lowered in _NOT_COMPARED or lowered.endswith("_id"):
        return None
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        known = numbers[np.isfinite(numbers)]
        is_varied = len(known) > 1 and known.min() < known.max()
        return _Numbers(known) if is_varied else None
    shares = cells.dropna().astype(str).value_counts(normalize=True)
    if not 1 < len(shares) <= min(_MOST_KINDS, max(2, len(cells) // 2)):
        return None
    return _Kinds({str(word): float(share) for word, share in shares.items()})


def _is_missing(cell: Any) -> bool:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    return isinstance(cell, float | np.floating) and not math.isfinite(cell)


def _words(cell: Any) -> str:
    """A cell as a person reads it, as in the label page's catalogue."""
    if isinstance(cell, bool | np.bool_):
        return "yes" if cell else "no"
    if isinstance(cell, int | np.integer):
        return f"{int(cell):,}" if abs(int(cell)) < 10**7 else str(int(cell))
    if isinstance(cell, float | np.floating):
        size = abs(float(cell))
        if size and (size >= 1e6 or size < 1e-3):
            return f"{float(cell):.3e}"
        return f"{float(cell):.5g}"
    return str(cell)
