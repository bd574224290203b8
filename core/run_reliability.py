"""Who errs how often, and how far each answer of a task is to be believed for it: the label
database and `core.metrics` together, which may not meet; the worker weighs answers by it."""

from __future__ import annotations

from collections.abc import Mapping

from labels_db import LabelsDB, Task

LAG = 0.02
"""The share of a task's events that may come before it is reckoned anew."""


class Reliability:
    """What is known of the annotators of one task, kept between two rankings."""

    def __init__(self) -> None:
        self._known: tuple[int, int, dict[str, tuple[str, float]]] | None = None

    def trust(self, db: LabelsDB, task: Task, current: Mapping[str, str]) -> dict[str, float]:
        """object_id -> how far its label is believed, below 1; see `core.metrics.believed`.

        Empty where each object is asked of one person alone: nothing tells who errs then. An
        object that was settled, or got another class, since it was reckoned counts in full.

        current : object_id -> its class, as it is to be taught
        """
        if task.answers_per_object < 2 and not task.gold_rate:
            return {}
        found = self._reckoned(db, task, current)
        settled = db.adjudicated(task.name) if found else {}
        return {
            object_id: weight
            for object_id, (class_name, weight) in found.items()
            if current.get(object_id) == class_name and object_id not in settled
        }

    def _reckoned(
        self, db: LabelsDB, task: Task, current: Mapping[str, str]
    ) -> dict[str, tuple[str, float]]:
        """object_id -> the class that was weighed, and its weight; a little old, perhaps."""
        seq = db.last_seq(task.name)
        if self._known is not None:
            version, known_seq, known = self._known
            behind = db.n_events(task.name, after_seq=known_seq)
            if version == task.version and behind <= LAG * db.n_events(task.name):
                return known
        trust = answer_trust(db, task, current)
        found = {object_id: (current[object_id], weight) for object_id, weight in trust.items()}
        self._known = task.version, seq, found
        return found


def answer_trust(db: LabelsDB, task: Task, current: Mapping[str, str]) -> dict[str, float]:
    """As `Reliability.trust`, reckoned from all answers."""
    from core.metrics.believed import believed

    said = [one for one in db.answers(task.name) if one.class_name is not None]
    found = believed(
        [one.object_id for one in said],
        [one.annotator for one in said],
        [one.class_name for one in said],
        current,
        class_names=task.every_class,
        gold=db.adjudicated(task.name),
    )
    return {str(object_id): weight for object_id, weight in found.items()}


__all__ = ["Reliability", "answer_trust"]
