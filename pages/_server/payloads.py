"""What the label page's routes answer of a task and its queue, as JSON-ready dictionaries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from core.survey import Survey
from core.survey.added_columns import columns_stamp
from core.survey.astrometry import sky_positions
from core.vocabulary import CONTROL_SAMPLER, SELECTION_SAMPLER
from labels_db import HandoutState, ModelRecord, Task, class_keys
from pages._server.columns import column_list, known_columns
from pages._server.identity import Identity
from pages._server.items import item_payloads, object_payload, row_or_none
from pages._server.more_like import ahead_payload
from pages._server.processes import WorkerState, WorkerStatus
from pages._server.services import Services, score_kind
from pages._server.visibility import (
    answers_hidden,
    class_shown,
    prediction_shown,
    prediction_visible,
)
from pages._server.which_workspace import workspace_id

__all__ = [
    "answers_hidden",
    "handout_payload",
    "neighbours_payload",
    "object_payload",
    "prediction_visible",
    "task_payload",
]

PREPARING = "preparing"
FAILED = "failed"
WAITING = "waiting"
READY = "ready"
DRY = "dry"
LEASED = "leased"
NOTHING_LEFT = "nothing_left"

CONTROL_WORDS = (
    "A control: the next of the task's fixed random order, whatever the model thinks. It keeps"
    " the estimate of what was missed honest; answer it like any other."
)


def _model(model: ModelRecord | None, *, hidden: bool) -> dict[str, Any] | None:
    if model is None:
        return None
    # How many answers it learnt from, and of which class, says what others answered.
    return {
        "version": model.version,
        "n_labels": None if hidden else model.n_labels,
        "sampler": None if hidden else model.sampler,
        "learner": None if hidden else model.learner,
        "state": None if hidden else model.state,
        "seconds": model.seconds,
        "trained_at": model.created_at,
        "age_s": _age(model.created_at),
        "score_kind": score_kind(model).value,
    }


def _age(moment: str) -> float | None:
    """Seconds since `moment` by the server's clock: the browser's may be off by hours."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - then).total_seconds())


def _status(services: Services, task: Task, survey: Survey) -> dict[str, Any]:
    """What keeps the queue from being filled, if anything, in a word and a sentence."""
    preparation = services.prepare(survey)
    if not preparation.embedded:
        if preparation.error:
            return {"state": FAILED, "message": preparation.error, "fraction": None}
        if services.start_processes and preparation.fraction is not None:
            services.children.ensure_worker(task.name)  # it loads its libraries meanwhile
        return {
            "state": PREPARING,
            "message": f"{preparation.sentence}. Labelling starts when that is done.",
            "fraction": preparation.fraction,
        }
    worker = (
        services.children.ensure_worker(task.name)
        if services.start_processes
        else WorkerStatus(WorkerState.RUNNING)
    )
    if worker.state is not WorkerState.RUNNING:
        return {
            "state": FAILED,
            "message": f"The process that ranks this task stopped and is started again:"
            f" {worker.message}",
            "fraction": None,
        }
    note = preparation.error or preparation.sentence
    return {"state": READY, "message": note, "fraction": preparation.fraction}


def task_payload(services: Services, name: str, who: Identity) -> dict[str, Any]:
    """GET api/task: the question, how far it is, and what its model and worker do."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    keys = class_keys(task.details)
    hidden = answers_hidden(database, task, who)
    return {
        "task": task.name,
        "question": task.question,
        "guideline": task.guideline,
        "classes": [
            {
                "name": one.name,
                "key": keys[one.name],
                "colour": one.colour,
                "guideline": one.guideline,
                "examples": list(one.examples),
            }
            for one in task.details
            if not one.retired
        ],
        "tags": list(task.tags),
        "tree": task.tree,
        "target": task.target,
        "targets": list(task.targets),
        "answers_per_object": task.answers_per_object,
        "blind": task.blind,
        "prediction_visible": prediction_shown(database, task),
        "prediction_after_answer": not database.has_gold(task.name),
        "lease_seconds": task.lease_seconds,
        "role": who.role.value,
        "counts": None if hidden else database.counts(task.name),
        "n_answers": None if hidden else database.n_answers(task.name),
        "n_objects": len(survey),
        "survey": survey.name,
        "survey_version": survey.version,
        "survey_hash": survey.manifest.content_hash[:16],
        "has_pictures": "images" in survey.manifest.modalities,
        "has_spectra": "spectra" in survey.manifest.modalities,
        "bands": list(survey.manifest.bands),
        "dtype": survey.manifest.dtype,
        "maps": _maps(),
        **_catalogue(services, survey, with_known=prediction_shown(database, task)),
        "cutout_size_px": survey.manifest.cutout_size_px,
        "pixel_scale_arcsec": survey.manifest.pixel_scale_arcsec,
        "model": _model(database.latest_model(task.name), hidden=hidden),
        "ahead": ahead_payload(database, task.name, who),
        "worker": _status(services, task, survey),
        "annotator": who.annotator,
        "user": who.user,
        "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "workspace": workspace_id(services.workspace),
        "samplers": {
            **services.sampler_words(),
            **_turns(services, task),
            CONTROL_SAMPLER: CONTROL_WORDS,
            SELECTION_SAMPLER: "Objects of a selection that was put ahead of the queue.",
        },
    }


def _turns(services: Services, task: Task) -> dict[str, str]:
    """What the default, and each arm of the portfolio, shows at the turn of one of several
    targets."""
    if not task.also_targets:
        return {}
    arms = (one for one in services.sampler_words() if one.startswith("most_likely/"))
    by = {"most_likely": "", **{one: f", by {one.partition('/')[2]}" for one in arms}}
    return {
        f"{one} ({name})": f"The turn of {name}: the most likely to be it first{words}."
        for one, words in by.items()
        for name in task.targets
    }


def _maps() -> list[str]:
    # Here and not above: it brings in astropy, which a page without pictures need not wait for.
    from core.display import COLOUR_MAPS

    return list(COLOUR_MAPS)


def _catalogue(services: Services, survey: Survey, *, with_known: bool) -> dict[str, Any]:
    """What the catalogue has, looked up once a survey: the task is asked for all the time."""

    def look() -> dict[str, Any]:
        return {
            "columns": column_list(survey, () if with_known else known_columns(survey)),
            "has_sky": sky_positions(survey) is not None,
        }

    key = (survey.manifest.content_hash, columns_stamp(survey), with_known)
    return services.catalogues.get(key, look)


def handout_payload(
    services: Services,
    name: str,
    who: Identity,
    n: int,
    exclude: Collection[str],
    give_back: Collection[str] = (),
    *,
    columns: Sequence[str] = (),
    to_look: bool = False,
) -> dict[str, Any]:
    """POST api/lease: the next objects for this person, or why there are none.

    `columns` names the catalogue columns that come with them, none: the first ones. With
    `to_look` (GET api/queue) the head of the queue, without leases.
    """
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    model = database.latest_model(task.name)
    status = _status(services, task, survey)
    answer: dict[str, Any] = {
        "items": [],
        "model_version": model.version if model else None,
        "waiting": False,
        "state": status["message"],
        "fraction": status["fraction"],
        "condition": status["state"],
    }
    if model is None or model.survey_version != survey.version:
        answer["waiting"] = True
        if status["state"] == READY:
            answer["condition"] = WAITING
            answer["state"] = "The first ranking is being made; it takes a few seconds."
        return answer
    kind = score_kind(model).value
    if to_look:
        if answers_hidden(database, task, who):
            answer["condition"] = NOTHING_LEFT
            answer["state"] = "On this task only those who answer see the objects of the queue."
            return answer
        shown = database.next_items(task.name, n, exclude)
        answer["items"] = item_payloads(services, task, survey, who, shown, kind, columns)
        return answer
    handout = database.lease_next(
        task.name,
        who.annotator,
        n,
        exclude=exclude,
        give_back=give_back,
        is_there=lambda one: row_or_none(survey, one) is not None,
    )
    answer["items"] = item_payloads(services, task, survey, who, handout.items, kind, columns)
    if handout.items or exclude:
        return answer
    if handout.state is HandoutState.LEASED:
        answer["condition"] = LEASED
        soon = (
            "" if handout.retry_s is None else f" The first is free in {_span(handout.retry_s)}."
        )
        answer["state"] = f"What is left is in the hands of others at this moment.{soon}"
    elif task.answers_per_object == 1 and database.n_answers(task.name) >= len(survey):
        answer["condition"] = DRY
        answer["state"] = "Every object has an answer."
    elif status["state"] == READY and model.label_seq < database.last_seq(task.name):
        answer["waiting"] = True
        answer["condition"] = WAITING
        answer["state"] = "The queue is empty; the next ranking fills it in a moment."
    elif status["state"] == READY:
        answer["condition"] = NOTHING_LEFT
        answer["state"] = (
            "You have answered or skipped all that this task has for you. Others may still be at"
            " work; look at the candidates, or undo to go back to an object."
        )
    return answer


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def neighbours_payload(
    services: Services, name: str, who: Identity, object_id: str, k: int
) -> dict[str, Any]:
    """GET api/neighbours: the nearest objects in the embedding and their labels."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    near, state = services.neighbours(survey, object_id, k)
    items = [
        {
            "object_id": other,
            "distance": distance,
            "label": class_shown(database, task, who, other),
        }
        for other, distance in near
    ]
    return {"object_id": object_id, "items": items, "state": state}
