"""Events and current labels as plain rows, for export: page by page, of one moment's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labels_db.tasks import Tasks

PAGE = 2_000
"""Rows read at once: more of them leave the processor's cache before they are converted."""

EVENT_COLUMNS = (
    *("event_id", "seq", "task", "survey", "survey_version", "object_id", "annotator", "action"),
    *("class_name", "confidence", "tags", "payload", "undoes", "redoes", "note", "lease", "late"),
    *("prediction_visible", "shown_at", "answered_at", "recorded_at", "sampler", "score"),
    *("probability", "model_version", "source"),
)
_EVENT_SQL = (
    "SELECT e.event_id, e.seq, :task_name, :survey, e.survey_version, e.object_id, e.annotator,"
    " e.action, e.class_name, e.confidence,"
    " CASE WHEN e.payload IS NULL THEN NULL ELSE json_extract(e.payload, '$.tags') END,"
    " e.payload, e.undoes, e.redoes, e.note, e.lease, e.late, e.prediction_visible, e.shown_at,"
    " e.answered_at, e.recorded_at, e.sampler, e.score, e.probability, e.model_version, e.source"
    " FROM events AS e INDEXED BY idx_events_task_id"
    f" WHERE e.task_id = :task AND e.seq > :after AND e.seq <= :last ORDER BY e.seq LIMIT {PAGE}"
)

LABEL_COLUMNS = (
    *("object_id", "label", "how", "n_answers", "annotators", "annotator", "answered_at"),
    *("shown_at", "sampler", "score", "probability", "model_version", "flagged", "notes", "tags"),
    *("task", "survey", "survey_version", "event_id"),
)
_STANDS = "NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = r.event_id)"
_REMARK = (
    "FROM events AS r INDEXED BY idx_events_remarks WHERE r.task_id = s.task_id"
    " AND r.object_id = s.object_id AND r.action IN ('flag', 'note', 'mark')"
)
_LABEL_SQL = (
    "SELECT s.object_id, s.class_name, s.how, s.n_answers,"
    " (SELECT json_group_array(a.annotator) FROM answers AS a WHERE a.task_id = s.task_id"
    "  AND a.object_id = s.object_id AND a.action <> 'skip'),"
    " e.annotator, coalesce(e.answered_at, e.recorded_at), e.shown_at, e.sampler, e.score,"
    " e.probability, e.model_version,"
    f" EXISTS (SELECT 1 {_REMARK} AND r.action = 'flag' AND {_STANDS}),"
    f" (SELECT group_concat(r.note, ' | ') {_REMARK} AND r.action = 'note' AND {_STANDS}),"
    " CASE WHEN e.payload IS NULL THEN NULL ELSE json_extract(e.payload, '$.tags') END,"
    " :task_name, :survey, e.survey_version, e.event_id"
    " FROM object_states AS s JOIN events AS e ON e.seq = s.label_seq"
    " WHERE s.task_id = :task AND s.class_name IS NOT NULL AND s.object_id > :after"
    f" ORDER BY s.object_id LIMIT {PAGE}"
)


class Outgoing(Tasks):
    """The part of `LabelsDB` that gives everything out again."""

    def event_rows(self, task: str, after_seq: int = 0) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the task's events as pages of rows with the columns `EVENT_COLUMNS`, in the
        order of their commits, up to the last one there is now. `tags` and `payload` are JSON
        text, truths are 0 and 1."""
        found = self.task(task)
        values: dict[str, Any] = {"task": self._task_id(task), "task_name": task}
        values |= {"survey": found.survey, "after": after_seq}
        values["last"] = self._value("SELECT max(seq) FROM events") or 0
        while rows := self._rows(_EVENT_SQL, values):
            yield rows
            if len(rows) < PAGE:
                return
            values["after"] = rows[-1][1]

    def label_rows(self, task: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the current labels as pages of rows with the columns `LABEL_COLUMNS`, by
        object_id. `annotators` and `tags` are JSON lists as text."""
        found = self.task(task)
        values: dict[str, Any] = {"task": self._task_id(task), "task_name": task}
        values |= {"survey": found.survey, "after": ""}
        while rows := self._rows(_LABEL_SQL, values):
            yield rows
            if len(rows) < PAGE:
                return
            values["after"] = rows[-1][0]
