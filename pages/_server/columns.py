"""Catalogue columns as JSON: which there are, and their values for a few objects at once.

Columns that were added after the import stand behind those of the catalogue. What is known of an
object from elsewhere is given out only where the model's opinion is, too: it sways an answer as
much.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.errors import BadInput
from core.survey import Survey
from core.survey.added_columns import added_columns, full_catalogue, names_added_by
from core.survey.matching.crossmatch import KNOWN_AS
from core.vocabulary import JobKind

__all__ = [
    "MAX_COLUMNS",
    "SHOWN_COLUMNS",
    "column_list",
    "columns_of",
    "known_columns",
    "known_sentences",
]

SHOWN_COLUMNS = 24
"""Columns given where nobody asked for some by name."""
MAX_COLUMNS = 200

_ID_COLUMNS = {"object_id", "group_id"}
_EXACT = 2**53
"""Whole numbers up to here are exact in a browser; longer ones go as text."""


def column_list(survey: Survey, hidden: Collection[str] = ()) -> list[dict[str, str]]:
    """Every column in order but for those of `hidden`: its name and kind ("number", "truth" or
    "text")."""
    catalogue = full_catalogue(survey)
    return [
        {"name": str(name), "kind": _kind(kind)}
        for name, kind in catalogue.dtypes.items()
        if name not in _ID_COLUMNS and name not in hidden
    ]


def known_columns(survey: Survey) -> frozenset[str]:
    """Names of the columns that say what is known of an object from elsewhere."""
    return names_added_by(survey, JobKind.CROSSMATCH)


def known_sentences(survey: Survey, rows: Sequence[int]) -> list[str | None]:
    """For each row "Already known as ...", None where nothing is known."""
    added = added_columns(survey)
    if KNOWN_AS not in added:
        return [None] * len(rows)
    names = added[KNOWN_AS].array.take(np.asarray(rows, dtype=np.intp))
    return [f"Already known as {name}." if isinstance(name, str) else None for name in names]


def _kind(kind: Any) -> str:
    if pd.api.types.is_bool_dtype(kind):
        return "truth"
    return "number" if pd.api.types.is_numeric_dtype(kind) else "text"


def columns_of(
    survey: Survey,
    rows: Sequence[int],
    names: Sequence[str] = (),
    hidden: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The columns of each of `rows`, as JSON values by name.

    names: those that are wanted (one that the survey lacks is left out), at most `MAX_COLUMNS`;
    none: the first `SHOWN_COLUMNS`. hidden: columns that are not given out. Taken a column at a
    time: a row of a table of mixed kinds costs a thousand times as much.
    """
    catalogue = full_catalogue(survey)
    there = [name for name in catalogue.columns if name not in _ID_COLUMNS and name not in hidden]
    if len(names) > MAX_COLUMNS:
        raise BadInput(
            f"At most {MAX_COLUMNS} columns may be asked for at once, but {len(names)} were; leave"
            " some out."
        )
    kept = there[:SHOWN_COLUMNS]
    if names:
        known = set(there)
        kept = [name for name in dict.fromkeys(names) if name in known]
    taken = np.asarray(rows, dtype=np.intp)
    values = {name: [_plain(one) for one in catalogue[name].array.take(taken)] for name in kept}
    places = range(len(taken))
    return [{str(name): column[place] for name, column in values.items()} for place in places]


def _plain(value: Any) -> Any:
    """A catalogue value as JSON holds it: numpy's scalars unpacked, NaN and NaT as None."""
    item = value.item() if isinstance(value, np.generic) else value
    if item is None or isinstance(item, bool | str):
        return item
    if isinstance(item, int):
        return item if abs(item) <= _EXACT else str(item)
    if isinstance(item, float):
        return item if math.isfinite(item) else None
    text = str(item)
    return None if text in ("NaT", "<NA>", "nan") else text
