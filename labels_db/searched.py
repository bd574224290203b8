"""What a search has brought: each labelled object with why it was first shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labels_db.readings import Readings

_SEARCHED = (
    "SELECT s.object_id, s.class_name, e.seq, e.annotator, e.sampler, e.score, e.model_version,"
    " e.source IS NOT NULL FROM object_states AS s JOIN events AS e ON e.seq = ("
    " SELECT min(f.seq) FROM events AS f INDEXED BY idx_events_task_id_object_id_action"
    " WHERE f.task_id = s.task_id AND f.object_id = s.object_id AND f.action = 'label')"
    " WHERE s.task_id = ? AND s.class_name IS NOT NULL ORDER BY e.seq"
)


@dataclass(frozen=True)
class SearchedObject:
    """One object with a class.

    Attributes
    ----------
    class_name
        Its current class.
    seq, annotator
        Of the first label that anybody gave it; what was corrected since keeps its place.
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

    def searched(self, task: str) -> list[SearchedObject]:
        """Return the objects that were labelled and have a class, in the order of their first
        labels. What was only adjudicated is not among them: nobody searched for it."""
        rows = self._rows(_SEARCHED, (self._task_id(task),))
        return [_as_object(row) for row in rows]


def _as_object(row: tuple[Any, ...]) -> SearchedObject:
    values = (*row[:-1], bool(row[-1]))
    return SearchedObject(*values)
