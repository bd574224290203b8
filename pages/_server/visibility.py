"""Who may see what on the label page.

On a secret task (`LabelsDB.is_secret`: blind, or with gold objects) annotators see no answers but
their own, and nobody sees what the model thinks or why an object was chosen before they answered
it themselves: either would sway the answer. With gold objects nobody sees it afterwards either,
since it would give them away.
"""

from __future__ import annotations

from core.vocabulary import Role
from labels_db import LabelsDB, Task
from pages._server.identity import Identity

__all__ = ["answers_hidden", "class_shown", "prediction_shown", "prediction_visible"]


def prediction_shown(database: LabelsDB, task: Task) -> bool:
    """Whether the label page shows everybody what the model thinks, before they answer."""
    return not database.is_secret(task.name)


def prediction_visible(database: LabelsDB, task: Task, who: Identity, object_id: str) -> bool:
    """Whether this person may see what the model thinks of this object and why it was chosen.

    Once answered it stays so, even if the answer was undone: it may have been seen.
    """
    if prediction_shown(database, task):
        return True
    if database.has_gold(task.name):
        return False
    return database.has_answered(task.name, who.annotator, object_id)


def answers_hidden(database: LabelsDB, task: Task, who: Identity) -> bool:
    """Whether the answers of others are kept from this person."""
    return who.role is not Role.OWNER and database.is_secret(task.name)


def class_shown(database: LabelsDB, task: Task, who: Identity, object_id: str) -> str | None:
    """The class to show beside an object: its current label, or this person's own answer."""
    if answers_hidden(database, task, who):
        own = database.answers(task.name, annotator=who.annotator, object_id=object_id)
        return next((answer.class_name for answer in own), None)
    label = database.current_label(task.name, object_id)
    return label.class_name if label is not None else None
