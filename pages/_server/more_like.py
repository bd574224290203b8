"""More like this: the objects most like given ones come ahead of the queue, for one person.

It is a target for the moment: no answer, no target and no queue is changed by it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput
from core.survey import Survey
from core.vocabulary import Settled
from labels_db import LabelsDB, QueueItem, Task
from pages._server.identity import Identity
from pages._server.services import Services

if TYPE_CHECKING:
    from core.mapping import NeighbourIndex

__all__ = ["MAX_GIVEN", "MAX_MORE", "ahead_payload", "back_to_queue", "more_like", "nearest_open"]

MAX_GIVEN = 64
"""Objects to be like: as many as the grid shows."""
MAX_MORE = 200
MAX_SKIPPED = 20_000
"""Of one person, the newest: those before are passed over at the hand-out."""

_FIRST_LOOK = 4
"""So many times as many neighbours as are wanted are looked at first: some are answered."""

_SEARCHING = threading.Lock()
"""One search at a time: each takes both cores, and several would only wait for one another."""


def more_like(
    services: Services, name: str, who: Identity, object_ids: Sequence[str], n: int
) -> dict[str, Any]:
    """POST api/more_like: put up to `n` objects ahead for this person, those whose embedding lies
    nearest to any of `object_ids` first; what this person cannot be asked is passed over.

    Raises
    ------
    BadInput
        No object or too many, one that the encoder saw nothing in, or nothing is left.
    NotFound
        The task or an object is not there.
    NotReady
        The survey is not embedded yet.
    """
    # Here and not above: it loads the samplers, which the server need not wait for at its start.
    from core.discovery.samplers.like_this import LIKE_THIS

    given = list(dict.fromkeys(object_ids))
    if not 1 <= len(given) <= MAX_GIVEN:
        raise BadInput(
            f"More like this takes 1 to {MAX_GIVEN} objects to be like, but got {len(given)};"
            " name some."
        )
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    rows = np.array([survey.row(one) for one in given], dtype=np.int64)
    _refuse_unseen(services, survey, given, rows)
    can_be_asked = _can_be_asked(database, task, survey, who)
    with _SEARCHING:
        found = nearest_open(services.neighbour_index(survey), rows, n, can_be_asked)
    like = given[0] if len(given) == 1 else f"{len(given)} objects"
    if not found:
        raise BadInput(
            f"Nothing that is like {like} is left for you to answer; label on, or choose another"
            " object."
        )
    items = [
        QueueItem(str(survey.object_ids[row]), rank, LIKE_THIS, -distance)
        for rank, (row, distance) in enumerate(found)
    ]
    database.put_ahead(task.name, who.annotator, items, f"More like {like[:200]}")
    return {"n": len(items), "like": like, "ahead": ahead_payload(database, task.name, who)}


def back_to_queue(services: Services, name: str, who: Identity) -> dict[str, Any]:
    """POST api/back_to_queue: nothing comes ahead of the queue for this person any more."""
    database = services.db()
    database.clear_ahead(name, who.annotator)
    return {"ahead": None}


def ahead_payload(database: LabelsDB, name: str, who: Identity) -> dict[str, Any] | None:
    """What comes ahead of the queue for this person, in words and how many; None for nothing."""
    ahead = database.ahead(name, who.annotator)
    if ahead is None:
        return None
    return {"reason": ahead.reason, "n_left": ahead.n_left, "at": ahead.made_at}


def nearest_open(
    index: NeighbourIndex, rows: np.ndarray, n: int, is_open: Callable[[int], bool]
) -> list[tuple[int, float]]:
    """The `n` open rows nearest to any of `rows` (R,), with their distances, nearest first.

    Exact: what lies beyond the neighbours looked at is farther than all that is given. `rows`
    themselves are left out. Of equal distances the lower row comes first.
    """
    k = _FIRST_LOOK * n + len(rows)
    asked: dict[int, bool] = {int(row): False for row in rows}
    while True:
        near, distances = index.query(rows, k)
        whole = bool((near[:, -1] < 0).any())  # a list that is not full has all rows there are
        reach = np.inf if whole else float(distances[:, -1].min())
        closest: dict[int, float] = {}
        for row, distance in zip(near.ravel().tolist(), distances.ravel().tolist(), strict=True):
            if row >= 0 and distance < closest.get(row, np.inf):
                closest[row] = distance
        found: list[tuple[int, float]] = []
        for row, distance in sorted(closest.items(), key=lambda one: (one[1], one[0])):
            if len(found) == n or distance > reach:
                break
            if row not in asked:
                asked[row] = is_open(row)
            if asked[row]:
                found.append((row, distance))
        if len(found) == n or whole:
            return found
        k *= 4


def _can_be_asked(
    database: LabelsDB, task: Task, survey: Survey, who: Identity
) -> Callable[[int], bool]:
    """Whether this person may still be asked about a row, and has something to look at."""
    shown = survey.can_be_shown
    skipped = set(database.skipped(task.name, who.annotator, MAX_SKIPPED))

    def can_be(row: int) -> bool:
        if not shown[row]:
            return False
        object_id = str(survey.object_ids[row])
        if object_id in skipped:
            return False
        state = database.object_state(task.name, object_id)
        if state is not None and (
            state.how is Settled.ADJUDICATED or state.n_answers >= task.answers_per_object
        ):
            return False
        own = database.answers(task.name, annotator=who.annotator, object_id=object_id)
        return next(own, None) is None

    return can_be


def _refuse_unseen(
    services: Services, survey: Survey, given: Sequence[str], rows: np.ndarray
) -> None:
    mask = services.embedding(survey).mask[rows]
    if not mask.all():
        unseen = given[int(np.argmin(mask))]
        raise BadInput(
            f"The encoder had nothing to see in {unseen[:80]!r}, so that nothing is known to be"
            " like it; choose another object."
        )
