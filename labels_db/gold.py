"""Gold objects: those with a known answer, slipped in to see how well each annotator does.

A gold object is one that was adjudicated with `gold` in the payload. Its class is settled by
that; what annotators then say of it is kept, and held against it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from core.errors import BadInput
from core.vocabulary import Action
from labels_db.events import Events
from labels_db.records import GoldResult, NewEvent


class Gold(Events):
    """The part of `LabelsDB` that knows gold objects."""

    def add_gold(
        self, task: str, object_id: str, class_name: str, by: str, survey_version: int
    ) -> None:
        """Make an object a gold one; its class is settled from now on."""
        self.record(
            NewEvent(
                event_id=str(uuid.uuid4()),
                task=task,
                object_id=object_id,
                survey_version=survey_version,
                annotator=by,
                action=Action.ADJUDICATE,
                class_name=class_name,
                payload={"gold": True},
            )
        )

    def remove_gold(self, task: str, object_id: str, by: str) -> None:
        """Make a gold object an ordinary one again; its class stays settled."""
        current = self.current_label(task, object_id)
        if current is None or object_id not in self.gold(task):
            raise BadInput(
                f"{object_id[:80]!r} is no gold object of the task {task!r}; nothing was changed."
            )
        self.record(
            NewEvent(
                event_id=str(uuid.uuid4()),
                task=task,
                object_id=object_id,
                survey_version=current.survey_version,
                annotator=by,
                action=Action.ADJUDICATE,
                class_name=current.class_name,
            )
        )

    def gold(self, task: str) -> Mapping[str, str]:
        """Return the class of each gold object, by object_id."""
        return dict(
            self._rows(
                "SELECT object_id, class_name FROM object_states"
                " INDEXED BY idx_object_states_gold WHERE task_id = ? AND is_gold = 1"
                " ORDER BY object_id",
                (self._task_id(task),),
            )
        )

    def gold_results(self, task: str) -> list[GoldResult]:
        """Return how each annotator did on the gold objects shown to them as such, by name.

        The first answer counts, undone or not: whoever saw the truth later learns nothing from
        it for this figure.
        """
        rows = self._rows(
            "SELECT annotator, count(*), sum(coalesce(said = truth, 0)) FROM ("
            " SELECT e.annotator, s.class_name AS truth, e.class_name AS said,"
            "  row_number() OVER (PARTITION BY e.object_id, e.annotator ORDER BY e.seq) AS nth"
            " FROM object_states AS s INDEXED BY idx_object_states_gold"
            # CROSS: from the few gold objects to their events, never the other way round.
            " CROSS JOIN events AS e INDEXED BY idx_events_task_id_object_id_action"
            " WHERE s.task_id = ? AND s.is_gold = 1 AND e.task_id = s.task_id"
            "  AND e.object_id = s.object_id AND e.action IN ('label', 'unsure')"
            "  AND e.sampler = 'gold'"
            ") WHERE nth = 1 GROUP BY annotator ORDER BY annotator",
            (self._task_id(task),),
        )
        return [GoldResult(*row) for row in rows]
