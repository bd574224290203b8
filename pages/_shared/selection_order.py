"""The orders in which the objects of a selection are shown, sent and exported."""

from __future__ import annotations

import numpy as np

from labels_db import Selection
from pages._server.tables import SCORE, SurveyTable

__all__ = ["BY_SCORE", "has_scores", "ordered", "orders_of"]

BY_SCORE, BY_ROW, BY_ID, AT_RANDOM = "Score", "As in the survey", "Id", "Random"


def has_scores(table: SurveyTable) -> bool:
    """Whether there are scores that this person may see."""
    return any(one.name == SCORE for one in table.columns)


def orders_of(table: SurveyTable) -> list[str]:
    """The orders that can be chosen, the usual one first."""
    return [*([BY_SCORE] if has_scores(table) else []), BY_ROW, BY_ID, AT_RANDOM]


def ordered(table: SurveyTable, selection: Selection, rows: np.ndarray, order: str) -> np.ndarray:
    """(K,) int64 the rows of a selection in one of these orders (`NotFound` by scores where there
    are none)."""
    if order == BY_SCORE:
        return table.rows(within=rows, sort=SCORE, descending=True)
    if order == BY_ID:
        return table.rows(within=rows, sort="object_id")
    if order == AT_RANDOM:
        # The same at each look: drawn by the selection's own number.
        return np.random.default_rng(int(selection.id, 16)).permutation(rows)
    return rows
