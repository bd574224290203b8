"""The filter that all pages share: conditions as a link carries them, and which objects pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

import numpy as np

from core.errors import BadInput, NotFound
from core.survey import Survey
from core.survey.filtering import OPERATORS, Condition, as_condition
from labels_db import Task
from pages._server.identity import Identity
from pages._server.services import Services
from pages._server.tables import SurveyTable

__all__ = [
    "MAX_CONDITIONS",
    "MAX_FILTER_LENGTH",
    "Filtered",
    "conditions_of",
    "filter_text",
    "filter_words",
    "filtered",
    "fitting",
]

MAX_CONDITIONS = 20
MAX_FILTER_LENGTH = 4000
"""Characters of a filter as the address has it, where quotes and signs take three to nine: servers
on the way refuse addresses of more than some 8,000."""
_SAID = 4
"""Conditions that are said in full; the others are counted."""


@dataclass(frozen=True, eq=False)
class Filtered:
    """A filter and the objects that pass it.

    Attributes
    ----------
    conditions
        All of them count.
    passing
        (N,) bool by row of the survey; not to be written into.
    words
        For a person, such as "redshift > 1 and mag < 20"; not escaped.
    origin
        What a selection made among these objects says of it, to be joined with `knowing`:
        "filter", the conditions as JSON, and "tells" and "knows" as `SurveyTable.tells` says.
    """

    conditions: tuple[Condition, ...]
    passing: np.ndarray
    words: str
    origin: dict[str, Any]

    @cached_property
    def n(self) -> int:
        """How many pass."""
        return int(np.count_nonzero(self.passing))

    @cached_property
    def key(self) -> str:
        """Names which objects pass: for what is kept of them."""
        return hashlib.sha256(np.packbits(self.passing).tobytes()).hexdigest()[:16]


def filter_text(conditions: Sequence[Condition]) -> str:
    """The filter as a link carries it (`BadInput` for too many conditions, or too long ones)."""
    if len(conditions) > MAX_CONDITIONS:
        raise BadInput(
            f"A filter has up to {MAX_CONDITIONS} conditions; make a selection of this one and go"
            " on from there."
        )
    listed = [one.as_json() for one in conditions]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    if (length := len(quote_plus(text))) > MAX_FILTER_LENGTH:
        raise BadInput(
            f"A filter is part of the address and takes up to {MAX_FILTER_LENGTH:,} characters"
            f" there, but this one takes {length:,}; instead of a long list of values bring a list"
            " of ids."
        )
    return text


def conditions_of(text: str) -> tuple[Condition, ...]:
    """Read what `filter_text` wrote, each condition once (`BadInput`)."""
    try:
        if len(quote_plus(text)) > MAX_FILTER_LENGTH:
            raise ValueError(f"it takes more than {MAX_FILTER_LENGTH:,} characters in an address")
        listed = json.loads(text)
        if not isinstance(listed, list) or len(listed) > MAX_CONDITIONS:
            raise ValueError("it is no list of conditions")
        return tuple(dict.fromkeys(as_condition(one) for one in listed))
    except (ValueError, RecursionError, BadInput) as error:
        raise BadInput(
            f"The filter of this link cannot be read ({str(error)[:160]}); make it anew."
        ) from None


def fitting(
    table: SurveyTable, conditions: Sequence[Condition]
) -> tuple[tuple[Condition, ...], list[str]]:
    """The conditions that this table can be held against, since a link may come from another
    survey or person; and a sentence for each of the others."""
    good, refused = [], []
    for one in conditions:
        try:
            kind = table.column(one.column).kind
            if one.operator not in OPERATORS[kind]:
                raise BadInput(f"{one.words()} does not fit the column, which holds {kind}s.")
            good.append(one)
        except (NotFound, BadInput) as error:
            refused.append(f"The condition {one.words()} was left out. {error}")
    return tuple(good), refused


def filter_words(
    table: SurveyTable, conditions: Sequence[Condition], most: int | None = _SAID
) -> str:
    """The conditions for a person, with the titles and units of their columns.

    most: so many are said, and the others counted; None: all are said.
    """
    said = []
    for one in conditions[:most]:
        column = table.column(one.column)
        said.append(one.words(column.title, column.unit))
    if most is not None and len(conditions) > most:
        said.append(f"{len(conditions) - most} more")
    return " and ".join(said)


def filtered(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    conditions: Sequence[Condition],
) -> Filtered | None:
    """Which objects pass these conditions, as this person may know; None without conditions.

    Raises
    ------
    NotFound, BadInput
        A column is not there (for this person), or its values do not fit the operator.
    """
    if not conditions:
        return None
    table = SurveyTable(services, task, survey, who)
    passing = table.mask(conditions)
    passing.setflags(write=False)
    origin = {"filter": [one.as_json() for one in conditions], **table.tells(conditions)}
    return Filtered(tuple(conditions), passing, filter_words(table, conditions), origin)
