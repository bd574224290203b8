"""The columns of a group of objects against those of all others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.mapping.groups_columns import Apart, set_apart
from core.survey import Survey
from core.survey.added_columns import columns_stamp
from core.survey.filtering import Kind
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.groups import KeptGrouping, members
from pages._server.identity import Identity
from pages._server.recent import Recent
from pages._server.services import Services
from pages._server.tables import ANSWER, SCORE, Column, SurveyTable

__all__ = ["MOST_COMPARED", "TOP", "columns_apart", "sides_of"]

TOP = 10
MOST_COMPARED = 20_000
"""Objects of either side that are looked at, evenly spread over the rows: their distributions are
known to a hundredth then."""

_found = Recent(32)


def columns_apart(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    grouping: KeptGrouping,
    group: int,
    filtered: Filtered | None = None,
) -> list[tuple[Column, Apart]]:
    """The ten columns of numbers and truths that set a group apart most from all other objects
    (that pass the filter), of those that this person may see."""
    table = SurveyTable(services, task, survey, who)
    columns = {one.name: one for one in table.columns if _is_compared(one)}

    def values() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        inside, rest = _rows(survey, grouping, group, filtered)
        for name in columns:
            yield name, _numbers(table, name, inside), _numbers(table, name, rest)

    key = (
        *(str(grouping.path), survey.manifest.content_hash, columns_stamp(survey), group),
        *("" if filtered is None else filtered.key, tuple(columns)),
    )
    found: list[Apart] = _found.get(key, lambda: set_apart(values(), TOP))
    return [(columns[one.name], one) for one in found]


def sides_of(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    grouping: KeptGrouping,
    group: int,
    name: str,
    filtered: Filtered | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) and (m,) finite values of a column in the group and in the rest (`NotFound`)."""
    table = SurveyTable(services, task, survey, who)
    inside, rest = (
        _numbers(table, name, rows) for rows in _rows(survey, grouping, group, filtered)
    )
    return inside[np.isfinite(inside)], rest[np.isfinite(rest)]


def _is_compared(column: Column) -> bool:
    return column.kind in (Kind.NUMBER, Kind.TRUTH) and column.name not in (ANSWER, SCORE)


def _rows(
    survey: Survey, grouping: KeptGrouping, group: int, filtered: Filtered | None
) -> tuple[np.ndarray, np.ndarray]:
    """Ascending rows of the group and of the rest, `MOST_COMPARED` of each at most."""
    passing = None if filtered is None else filtered.passing
    rest = np.ones(len(survey), bool) if passing is None else passing.copy()
    inside = np.sort(members(grouping, group, passing=passing))
    rest[inside] = False
    return _spread(inside), _spread(np.flatnonzero(rest))


def _spread(rows: np.ndarray) -> np.ndarray:
    if len(rows) <= MOST_COMPARED:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_COMPARED).astype(np.int64)]


def _numbers(table: SurveyTable, name: str, rows: np.ndarray) -> np.ndarray:
    return table.values(name).iloc[rows].to_numpy(dtype=np.float64, na_value=np.nan)
