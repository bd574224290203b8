"""Who may see what on the review page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.vocabulary import Role
from labels_db import Task
from pages._server.identity import Identity
from pages._server.payloads import answers_hidden
from pages._server.services import services

__all__ = ["Part", "Sight", "sight"]


class Part(StrEnum):
    """The parts of the review page, in the order of its choice."""

    DISAGREEMENTS = "Disagreements"
    HISTORY = "History"
    AGREEMENT = "Agreement"
    GOLD = "Gold"
    WORK = "Work"


@dataclass(frozen=True)
class Sight:
    """What one person sees of one task.

    Attributes
    ----------
    settles
        May adjudicate, and say which objects are gold.
    own_only
        Sees nothing of what others did.
    why
        A sentence that says why not everything is shown; "" where it is.
    """

    who: Identity
    parts: tuple[Part, ...]
    settles: bool
    own_only: bool
    why: str


def sight(task: Task, who: Identity) -> Sight:
    """Return what `who` sees: the owner all; others what a secret task leaves them."""
    everything = tuple(Part)
    what = "blind" if task.blind else "one with gold objects"
    if who.role is Role.OWNER:
        return Sight(who, everything, settles=True, own_only=False, why="")
    if not answers_hidden(services().db(), task, who):
        return Sight(
            who,
            everything,
            settles=False,
            own_only=False,
            why="You may look; settling an object is the owner's.",
        )
    if who.role is Role.ANNOTATOR:
        return Sight(
            who,
            (Part.HISTORY, Part.WORK),
            settles=False,
            own_only=True,
            why=f"This task is {what}: nobody sees what the others answered, so that each answer"
            " is one person's own. What you did yourself is here.",
        )
    return Sight(
        who,
        (Part.AGREEMENT,),
        settles=False,
        own_only=False,
        why=f"This task is {what}: what anybody said of an object is the owner's to see. How far"
        " the annotators agree is here.",
    )
