"""A survey as a table of a million rows: filtered, sorted, a page of it at a time.

Beside the catalogue's columns there are two of the task: what was answered, and the score of its
newest model. Both say only what the person who asks may see.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.errors import NotFound
from core.survey import Survey
from core.survey.added_columns import added_info, columns_stamp, full_catalogue
from core.survey.filtering import Condition, Kind, kind_of, matching, missing, sort_order
from labels_db import Task
from pages._server.columns import known_columns
from pages._server.identity import Identity
from pages._server.services import Services
from pages._server.visibility import answers_hidden

__all__ = ["ANSWER", "SCORE", "Column", "SurveyTable"]

ANSWER = ":answer"
SCORE = ":score"
"""The task's own columns; no catalogue begins a name so."""
MAX_CHOICES = 200
"""Of a text column with more different values none are offered to choose from."""


@dataclass(frozen=True)
class Column:
    """A column; `title` is its name for a person."""

    name: str
    title: str
    kind: Kind
    unit: str = ""
    description: str = ""


class SurveyTable:
    """The table of a survey and a task for one person.

    Sorted rows and filtered ones are kept in `services`, so that the next page costs nothing.
    Made anew for each drawing: it knows the answers of the time it first looked at them.
    """

    def __init__(self, services: Services, task: Task, survey: Survey, who: Identity) -> None:
        self.survey = survey
        self.task = task
        self._services = services
        self._who = who
        self._hidden = answers_hidden(services.db(), task, who)
        self._scores = None if self._hidden else services.scores(task)
        self._catalogue = full_catalogue(survey)
        self._stamp = (survey.manifest.content_hash, columns_stamp(survey))

    @cached_property
    def columns(self) -> list[Column]:
        """Those this person may see: the task's first, then the catalogue's in order."""
        info = {**added_info(self.survey), **self.survey.column_info}
        own = [Column(ANSWER, "Answer", Kind.TEXT)]
        if self._scores is not None:
            own.append(Column(SCORE, self._scores.kind.value, Kind.NUMBER))
        left_out = known_columns(self.survey) if self._hidden else frozenset()
        for name in map(str, self._catalogue.columns):
            if name not in left_out:
                known = info.get(name)
                unit, said = (known.unit, known.description) if known else ("", "")
                kind = kind_of(self._catalogue[name])
                own.append(Column(name, name, kind, unit, said))
        return own

    def column(self, name: str) -> Column:
        """One of `columns` (`NotFound`)."""
        found = next((one for one in self.columns if one.name == name), None)
        if found is None:
            raise NotFound(
                f"The survey {self.survey.name} has no column {name[:80]!r}; leave it out of the"
                " filter, or add it to the survey."
            )
        return found

    def values(self, name: str) -> pd.Series:
        """(N,) the values of a column in row order (`NotFound`)."""
        self.column(name)
        if name == ANSWER:
            return self._answers()
        if name == SCORE:
            assert self._scores is not None  # the column would not be there
            return pd.Series(self._scores.values)
        return self._catalogue[name]

    def choices(self, name: str) -> list[str]:
        """The different texts of a column, sorted; none where there are over `MAX_CHOICES`."""
        if name == ANSWER:
            return list(self.task.every_class)

        def look() -> list[str]:
            # Most columns of ids give themselves away in their first rows.
            values = self._catalogue[name]
            if values.iloc[: 50 * MAX_CHOICES].nunique() > MAX_CHOICES:
                return []
            found = values.dropna().unique()
            return sorted(map(str, found)) if len(found) <= MAX_CHOICES else []

        return self._keep("choices", name, look)

    def mask(self, conditions: Iterable[Condition]) -> np.ndarray:
        """(N,) bool: True for the rows that fulfil every condition.

        Raises
        ------
        NotFound, BadInput
            A column is not there, or its values do not fit the operator.
        """
        fulfil = np.ones(len(self.survey), bool)
        for one in conditions:
            values = self.values(one.column)
            fulfil &= self._keep(
                "mask",
                one.column,
                lambda values=values, one=one: matching(values, one),  # type: ignore[misc]
                json.dumps(one.as_json()),
            )
        return fulfil

    def sorted_rows(self, name: str | None, descending: bool = False) -> np.ndarray:
        """(N,) rows by the values of a column, missing ones last either way; None: as they are."""
        if name is None:
            return np.arange(len(self.survey), dtype=np.int32)
        values = self.values(name)
        order, n_there = self._keep("order", name, lambda: sort_order(values))
        if not descending:
            return np.asarray(order)
        return np.concatenate([order[:n_there][::-1], order[n_there:]])

    def rows(
        self,
        conditions: Sequence[Condition] = (),
        within: np.ndarray | None = None,
        sort: str | None = None,
        descending: bool = False,
    ) -> np.ndarray:
        """(K,) the rows that fulfil the conditions, sorted; of `within` (rows) alone, if given."""
        fulfil = self.mask(conditions)
        if within is not None:
            inside = np.zeros(len(self.survey), bool)
            inside[within] = True
            fulfil &= inside
        if sort is None:
            found = np.flatnonzero(fulfil)
            return found[::-1] if descending else found
        order = self.sorted_rows(sort, descending)
        return order[fulfil[order]].astype(np.int64)

    def cells(self, rows: np.ndarray, names: Collection[str]) -> list[dict[str, Any]]:
        """The values of a few rows by column name; None where one is missing."""
        taken = np.asarray(rows, dtype=np.intp)
        columns: dict[str, list[Any]] = {}
        for name in names:
            part = self.values(name).iloc[taken]
            absent = missing(part)
            values = part.tolist()
            if part.dtype == np.float32:
                # The number that was stored, not the double beside it: 0.1, not 0.100000001.
                values = part.to_numpy().astype(str).astype(float).tolist()
            columns[name] = [
                None if gone else value for value, gone in zip(values, absent, strict=True)
            ]
        return [
            {name: column[place] for name, column in columns.items()}
            for place in range(len(taken))
        ]

    def tells(self, conditions: Iterable[Condition]) -> dict[str, Any]:
        """What a selection made by these conditions tells: "tells", the tasks whose answers or
        scores, and "knows", whether what is known from elsewhere; see `Selections.add`."""
        names = {one.column for one in conditions}
        found: dict[str, Any] = {}
        if names & {ANSWER, SCORE}:
            found["tells"] = [self.task.name]
        if names & known_columns(self.survey):
            found["knows"] = True
        return found

    def _answers(self) -> pd.Series:
        """The class of each object: its current label, or one's own answer."""
        names = list(self.task.every_class)

        def look() -> pd.Series:
            database = self._services.db()
            if self._hidden:
                classes = database.own_classes(
                    self.task.name, self._who.annotator, limit=len(self.survey)
                )
            else:
                classes = dict(database.current_classes(self.task.name))
            codes = np.full(len(self.survey), -1, np.int16)
            code_of = {name: code for code, name in enumerate(names)}
            for object_id, class_name in classes.items():
                if class_name in code_of:
                    try:
                        codes[self.survey.row(object_id)] = code_of[class_name]
                    except NotFound:
                        continue  # labelled on another version of the survey
            return pd.Series(pd.Categorical.from_codes(codes, pd.Index(names)))

        return self._keep("values", ANSWER, look)

    @cached_property
    def _seq(self) -> int:
        return self._services.db().last_seq(self.task.name)

    def _keep(self, what: str, name: str, make: Callable[[], Any], more: str = "") -> Any:
        key: tuple[Any, ...] = (what, name, more, self._stamp)
        kept = self._services.tables
        if name == ANSWER:
            kept = self._services.answer_tables
            seen_by = self._who.annotator if self._hidden else ""
            key = (*key, self.task.name, self.task.version, self._seq, seen_by)
        elif name == SCORE and self._scores is not None:
            key = (*key, self.task.name, self._scores.model.version)
        return kept.get(key, make)
