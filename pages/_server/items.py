"""An object as the label page is told of it: why it is shown, its columns, its place on the sky,
what was said of it.

Made for all objects of an answer at once: looking into a catalogue of a million rows costs as
much for a hundred objects as for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import NotFound
from core.survey import Survey
from core.survey.astrometry import astrometry
from core.vocabulary import CONTROL_SAMPLER, GOLD_SAMPLER
from labels_db import LeasedItem, QueueItem, Task
from pages._server.columns import columns_of, known_columns, known_sentences
from pages._server.identity import Identity
from pages._server.probabilities import Opinion, opinions
from pages._server.remarks import remarks_on
from pages._server.services import Services
from pages._server.visibility import (
    answers_hidden,
    class_shown,
    prediction_shown,
    prediction_visible,
)

__all__ = ["AFTERWARDS", "NEVER", "item_payloads", "object_payload", "row_or_none", "why_hidden"]

AFTERWARDS = "This task is blind: what the model thinks is shown once you have answered."
_SCORED_BY_MODEL = frozenset({"most_likely", "anomaly", CONTROL_SAMPLER})
"""Samplers whose score is the ranking's own; those of others are numbers of another kind."""

NEVER = "On this task it is not shown what the model thinks."


def why_hidden(services: Services, task: Task) -> str:
    """Why the model's opinion is not shown: until the answer, or never."""
    return NEVER if services.db().has_gold(task.name) else AFTERWARDS


def row_or_none(survey: Survey, object_id: str) -> int | None:
    """The row of an object, None where this version of the survey lacks it."""
    try:
        return survey.row(object_id)
    except NotFound:
        return None


def item_payloads(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    items: Sequence[LeasedItem | QueueItem],
    kind: str | None,
    columns: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The objects of a hand-out; `columns` names those wanted, none: the first ones.

    On a secret task they come with this person's own flags, notes and marks only, the owner's
    too: those of others would sway the answer.
    """
    database = services.db()
    visible = prediction_shown(database, task)
    secret = database.is_secret(task.name)
    rows = [survey.row(item.object_id) for item in items]
    thoughts: list[Opinion]
    if visible:
        # What comes ahead of the queue was ranked by nobody: what does the newest model say?
        newest = database.latest_model(task.name)
        version = None if newest is None else newest.version
        asked = [
            (row, item.model_version or version) for row, item in zip(rows, items, strict=True)
        ]
        thoughts = opinions(services, task, survey, asked)
    else:
        thoughts = [(None, why_hidden(services, task))] * len(items)
    values = columns_of(survey, rows, columns, () if visible else known_columns(survey))
    known = known_sentences(survey, rows) if visible else [None] * len(rows)
    return [
        {
            "object_id": item.object_id,
            "lease": item.lease if isinstance(item, LeasedItem) else None,
            "seconds_left": item.seconds_left if isinstance(item, LeasedItem) else None,
            "sampler": item.sampler if visible else None,
            "score": item.score if visible else None,
            "score_kind": _score_kind(item, kind) if visible else kind,
            "control": visible and item.sampler == CONTROL_SAMPLER,
            "probability": item.probability if visible else None,
            "model_version": item.model_version if visible else None,
            "hidden": not visible,
            "probabilities": chances,
            "probabilities_state": state,
            "columns": named,
            "known": known_as,
            "sky": sky(survey, row),
            **_shown_by(survey, row),
            **remarks_on(database, task.name, item.object_id, who.annotator, only_own=secret),
        }
        for item, row, named, known_as, (chances, state) in zip(
            items, rows, values, known, thoughts, strict=True
        )
    ]


def _score_kind(item: LeasedItem | QueueItem, kind: str | None) -> str | None:
    named = item.sampler.partition("/")[0]  # an arm of a portfolio: SAMPLER/LEARNER
    named = named.partition(" (")[0]  # at the turn of one of several targets: SAMPLER (CLASS)
    return kind if named in _SCORED_BY_MODEL else f"{item.sampler} score"


def sky(survey: Survey, row: int) -> dict[str, Any] | None:
    """Where the object's pixels lie on the sky, as `Astrometry.payload` says; None if unknown."""
    found = astrometry(survey, row)
    return None if found is None else found.payload()


def _shown_by(survey: Survey, row: int) -> dict[str, bool]:
    """What there is to look at; without a picture its spectrum or its row is drawn instead."""
    return {
        "has_picture": bool(survey.has_image[row]),
        "has_spectrum": bool(survey.has_spectrum[row]),
    }


def object_payload(
    services: Services,
    name: str,
    who: Identity,
    object_id: str,
    columns: Sequence[str] = (),
) -> dict[str, Any]:
    """GET api/object: one object by its id, with the scores that the newest model gives it."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    row = survey.row(object_id)
    visible = prediction_visible(database, task, who, object_id)
    scores = services.scores(task) if visible else None
    score = float(scores.values[row]) if scores is not None else None
    chances, state = None, why_hidden(services, task)
    if visible:
        version = scores.model.version if scores is not None else None
        ((chances, state),) = opinions(services, task, survey, [(row, version)])
    only_own = answers_hidden(database, task, who)
    return {
        "object_id": object_id,
        "lease": None,
        "sampler": _sampler(services, task, who, object_id) if visible else None,
        "score": None if score is None or score != score else score,
        "score_kind": scores.kind.value if scores is not None else None,
        "control": False,
        "probability": None,
        "model_version": scores.model.version if scores is not None else None,
        "hidden": not visible,
        "probabilities": chances,
        "probabilities_state": state,
        "columns": columns_of(survey, [row], columns, () if visible else known_columns(survey))[0],
        "known": known_sentences(survey, [row])[0] if visible else None,
        "sky": sky(survey, row),
        **_shown_by(survey, row),
        "label": class_shown(database, task, who, object_id),
        **remarks_on(database, task.name, object_id, who.annotator, only_own=only_own),
    }


def _sampler(services: Services, task: Task, who: Identity, object_id: str) -> str | None:
    """Which sampler showed it to this person when they answered it, if one did."""
    own = services.db().answers(task.name, annotator=who.annotator, object_id=object_id)
    sampler = next((answer.sampler for answer in own), None)
    return None if sampler == GOLD_SAMPLER else sampler
