"""What one annotator did, and the newest labels: look-ups that stay short in a large task."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from core.vocabulary import MAX_ID_LENGTH, Action
from labels_db.checks import checked_text
from labels_db.faults import database_errors
from labels_db.readings import Readings
from labels_db.rows import bindable

MAX_SESSION_EVENTS = 20_000
"""Of one annotator's events, how many of the newest are looked through."""

_SESSION = (
    "SELECT e.object_id, e.action, e.class_name, e.recorded_at, e.source IS NULL"
    " AND e.action IN ('label', 'unsure', 'skip')"
    " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)"
    " FROM events AS e INDEXED BY idx_events_task_id_annotator"
    " WHERE e.task_id = ? AND e.annotator = ? ORDER BY e.seq DESC LIMIT ?"
)
_TOUCHED = (
    "SELECT o.object_id, s.class_name FROM (SELECT DISTINCT object_id FROM events"
    " INDEXED BY idx_events_task_id WHERE task_id = :task AND seq > :after) AS o"
    " LEFT JOIN object_states AS s ON s.task_id = :task AND s.object_id = o.object_id"
)
_NEWEST = (
    "SELECT object_id, class_name FROM (SELECT object_id, class_name, label_seq, row_number()"
    " OVER (PARTITION BY class_name ORDER BY label_seq DESC) AS place FROM object_states"
    " WHERE task_id = ? AND class_name IS NOT NULL) WHERE place <= ? ORDER BY label_seq"
)
_OWN = (
    "SELECT o.object_id, a.class_name FROM (SELECT object_id, max(seq) AS last FROM events"
    " INDEXED BY idx_events_task_id_annotator WHERE task_id = :task AND annotator = :who"
    " AND seq > :after GROUP BY object_id ORDER BY last DESC LIMIT :most) AS o"
    " LEFT JOIN answers AS a ON a.task_id = :task AND a.object_id = o.object_id"
    "  AND a.annotator = :who ORDER BY o.last"
)


@dataclass(frozen=True)
class Given:
    """One answer of a session: `class_name` is None where it is no label."""

    object_id: str
    action: Action
    class_name: str | None
    recorded_at: str


class Own(Readings):
    """The part of `LabelsDB` that tells what one annotator did."""

    def skipped(self, task: str, annotator: str, limit: int = 200) -> list[str]:
        """Return the objects that the annotator skipped and has not answered, the newest skip
        first."""
        sql = (
            "SELECT object_id FROM answers INDEXED BY idx_answers_skipped WHERE task_id = ?"
            " AND annotator = ? AND action = 'skip' ORDER BY seq DESC LIMIT ?"
        )
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        return [one for (one,) in self._rows(sql, (self._task_id(task), who, limit))]

    def has_answered(self, task: str, annotator: str, object_id: str) -> bool:
        """Return whether the annotator ever answered the object, be it late or undone since:
        whether they may have seen what is shown to those who answered."""
        sql = (
            "SELECT 1 FROM events INDEXED BY idx_events_task_id_object_id_action"
            " WHERE task_id = ? AND object_id = ? AND action IN ('label', 'unsure')"
            " AND annotator = ? LIMIT 1"
        )
        given = (self._task_id(task), bindable(object_id), bindable(annotator))
        return self._value(sql, given) is not None

    def has_gold(self, task: str) -> bool:
        """Return whether objects with a known answer are among the task's, or to be."""
        sql = (
            "SELECT t.gold_rate > 0 OR EXISTS (SELECT 1 FROM object_states AS s"
            " INDEXED BY idx_object_states_gold WHERE s.task_id = t.id AND s.is_gold = 1)"
            " FROM tasks AS t WHERE t.id = ?"
        )
        return bool(self._value(sql, (self._task_id(task),)))

    def session(
        self, task: str, annotator: str, since: str, events: int = MAX_SESSION_EVENTS
    ) -> list[Given]:
        """Return the annotator's labels, unsures and skips since then that stand, oldest first.

        `since` is a time in the form of `schema.utc_now`. Imported ones are left out, and what
        lies more than `events` of their events back.
        """
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        found = []
        values = (self._task_id(task), who, events)
        with (
            database_errors(self.path),
            contextlib.closing(self._conn.execute(_SESSION, values)) as rows,
        ):
            for object_id, action, class_name, recorded_at, stands in rows:
                if recorded_at < since:
                    break
                if stands:
                    found.append(Given(object_id, Action(action), class_name, recorded_at))
        return found[::-1]

    def newest_classes(self, task: str, per_class: int) -> dict[str, str]:
        """Return the class of the newest labelled objects, up to `per_class` of each class.

        The last ones in the dictionary were labelled last. It reads all labels of the task:
        `classes_since` tells what changed after that.
        """
        return dict(self._rows(_NEWEST, (self._task_id(task), per_class)))

    def classes_since(self, task: str, after_seq: int) -> dict[str, str | None]:
        """Return the class that each object touched after that event has now, None for none."""
        return dict(self._rows(_TOUCHED, {"task": self._task_id(task), "after": after_seq}))

    def own_classes(
        self, task: str, annotator: str, after_seq: int = 0, limit: int = MAX_SESSION_EVENTS
    ) -> dict[str, str | None]:
        """Return the annotator's own class of the objects that they touched after that event,
        at most `limit` of the newest; None for one without a label of theirs."""
        given = {
            "task": self._task_id(task),
            "who": checked_text(annotator, "annotator", MAX_ID_LENGTH),
            "after": after_seq,
            "most": limit,
        }
        return dict(self._rows(_OWN, given))
