"""What a search has brought: each labelled object with why it was first shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labels_db.readings import Readings

_FIRST = (
    "SELECT min(f.seq) FROM events AS f INDEXED BY idx_events_task_id_object_id_action"
    " WHERE f.task_id = s.task_id AND f.object_id = s.object_id AND f.action = 'label'"
)
_SEARCHED = (
    "SELECT s.object_id, s.class_name, e.seq, e.annotator, e.sampler, e.score, e.model_version,"
    " e.source IS NOT NULL FROM object_states AS s JOIN events AS e ON e.seq = coalesce(("
    f" {_FIRST} AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = f.event_id)),"
    f" ({_FIRST})) WHERE s.task_id = :task AND s.class_name IS NOT NULL"
)

_TOUCHED = (
    "SELECT t.object_id FROM events AS t INDEXED BY idx_events_task_id"
    " WHERE t.task_id = :task AND t.seq > :after"
)

_GIVEN = (
    "SELECT DISTINCT e.object_id, s.class_name FROM events AS e INDEXED BY idx_events_task_id"
    " JOIN object_states AS s ON s.task_id = e.task_id AND s.object_id = e.object_id"
    " WHERE e.task_id = ? AND e.source = ? AND e.action = 'label' AND s.class_name IS NOT NULL"
)


@dataclass(frozen=True)
class SearchedObject:
    """One object with a class.

    Attributes
    ----------
    class_name
        Its current class.
    seq, annotator
        Of the first label that anybody gave it and that was not undone (of the first of all, if
        every one was); what was corrected since keeps its place.
    sampler, score, model_version
        Why it was shown then; None where it was opened by hand.
    imported
        Whether that label came with a file or as a known example.
    """

    object_id: str
    class_name: str
    seq: int
    annotator: str
    sampler: str | None
    score: float | None
    model_version: int | None
    imported: bool


class Searched(Readings):
    """The part of `LabelsDB` that tells how a search went."""

    def searched(self, task: str, after_seq: int = 0) -> list[SearchedObject]:
        """Return the objects that were labelled and have a class, in the order of their first
        labels; of those alone to which something happened after `after_seq`, if it is given.

        What was only adjudicated is not among them: nobody searched for it.
        """
        only = f" AND s.object_id IN ({_TOUCHED})" if after_seq else ""
        values = {"task": self._task_id(task), "after": after_seq}
        rows = self._rows(f"{_SEARCHED}{only} ORDER BY e.seq", values)
        return [_as_object(row) for row in rows]

    def touched(self, task: str, after_seq: int) -> dict[str, tuple[bool, str | None]]:
        """Return where each object stands to which something happened after `after_seq`: whether
        it counts as touched still (an undo may leave nothing), and its class of now."""
        sql = (
            f"SELECT t.object_id, s.object_id IS NOT NULL, s.class_name FROM ({_TOUCHED}) AS t"
            " LEFT JOIN object_states AS s ON s.task_id = :task AND s.object_id = t.object_id"
        )
        values = {"task": self._task_id(task), "after": after_seq}
        return {name: (bool(there), now) for name, there, now in self._rows(sql, values)}

    def given_as(self, task: str, source: str) -> dict[str, str]:
        """Return the class of now of each object that has a label from `source`, by object_id."""
        rows = self._rows(_GIVEN, (self._task_id(task), source))
        return dict(rows)


def _as_object(row: tuple[Any, ...]) -> SearchedObject:
    values = (*row[:-1], bool(row[-1]))
    return SearchedObject(*values)
