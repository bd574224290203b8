"""What the person who looks may see of a task: on a secret one only what they said themselves."""

from __future__ import annotations

from core.vocabulary import Role
from labels_db import Task
from pages._server.identity import Identity
from pages._server.payloads import answers_hidden
from pages._server.services import Scores, services
from pages._shared.who import who

__all__ = ["is_hidden_here", "may_start", "may_take", "shown_classes", "shown_scores"]


def is_hidden_here(task: Task) -> bool:
    """Whether answers of others, and what a model learnt from them, are kept from this person."""
    return answers_hidden(services().db(), task, who())


def may_take(task: Task, identity: Identity) -> bool:
    """False where a file would tell what is hidden: others' answers, or the gold objects."""
    return not answers_hidden(services().db(), task, identity)


def may_start() -> bool:
    """Whether this person may start and stop jobs: everybody but viewers."""
    return who().role is not Role.VIEWER


def shown_classes(task: Task) -> dict[str, str]:
    """The class of each labelled object by object_id: its current label, or one's own answer."""
    database = services().db()
    if not is_hidden_here(task):
        return database.current_classes(task.name)
    own = database.answers(task.name, annotator=who().annotator)
    return {one.object_id: one.class_name for one in own if one.class_name is not None}


def shown_scores(task: Task) -> Scores | None:
    """The scores of the task's newest model, unless they are kept from this person."""
    return None if is_hidden_here(task) else services().scores(task)
