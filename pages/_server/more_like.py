"""More like this: the objects most like given ones come ahead of the queue, for one person.

It is a target for the moment: no answer, no target and no queue is changed by it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, NotReady
from core.survey import Survey
from labels_db import LabelsDB, QueueItem, Task
from pages._server.identity import Identity
from pages._server.items import row_or_none
from pages._server.services import Services

if TYPE_CHECKING:
    from core.mapping.lookalikes import Lookalikes

__all__ = ["MAX_GIVEN", "MAX_MORE", "ahead_payload", "back_to_queue", "more_like", "nearest_open"]

MAX_GIVEN = 64
"""Objects to be like: as many as the grid shows."""
MAX_MORE = 200
PUT_FIRST = "Objects the owner put first"
WAIT_S = 20.0

_SEARCHING = threading.Lock()
"""One search at a time: each reads the whole embedding, and several would only wait for one
another."""


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
        The survey is not embedded yet; others search, and it takes longer than `WAIT_S` seconds.
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
    if not _SEARCHING.acquire(timeout=WAIT_S):
        raise NotReady("Others are searching this moment; ask for more like it again in a minute.")
    try:
        found = nearest_open(_searched(services, survey), rows, n, can_be_asked)
    finally:
        _SEARCHING.release()
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
    """What comes ahead of the queue for this person, in words and how many; None for nothing.

    On a secret task the words of somebody else are not shown: they might say what it is.
    """
    ahead = database.ahead(name, who.annotator)
    if ahead is None:
        return None
    is_kept = ahead.made_by != who.annotator and database.is_secret(name)
    return {
        "reason": PUT_FIRST if is_kept else ahead.reason,
        "sampler": ahead.sampler,
        "n_left": ahead.n_left,
        "at": ahead.made_at,
    }


def nearest_open(
    searched: Lookalikes, rows: np.ndarray, n: int, is_open: np.ndarray
) -> list[tuple[int, float]]:
    """The `n` open rows nearest to any of `rows` (R,), with their distances, nearest first.

    is_open: (N,) bool. `rows` themselves are left out. Exact, in one pass over the embedding
    whatever is open. Of equal distances the lower row comes first.
    """
    from core.mapping.lookalikes import ANY, Wanted

    allowed = is_open.copy()
    allowed[rows] = False
    like = np.asarray(searched.values[rows], np.float32)
    found = searched.search(Wanted(like=like, how=ANY), n, allowed)
    return list(zip(found.rows.tolist(), found.distances.tolist(), strict=True))


def _searched(services: Services, survey: Survey) -> Lookalikes:
    """The embedding in use, ready to be searched, kept (`NotReady`)."""
    from core.mapping.lookalikes import Lookalikes

    embedding = services.embedding(survey)
    searched: Lookalikes = services.lookalikes.get(
        (survey.manifest.content_hash, embedding.run_id, "more like"),
        lambda: Lookalikes(embedding.values, embedding.mask),
    )
    return searched


def _can_be_asked(database: LabelsDB, task: Task, survey: Survey, who: Identity) -> np.ndarray:
    """(N,) bool: about which rows this person may still be asked, with something to look at."""
    can_be = survey.can_be_shown.copy()
    known = (row_or_none(survey, one) for one in database.not_to_ask(task.name, who.annotator))
    can_be[[row for row in known if row is not None]] = False
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
