"""What the label page's routes answer, as JSON-ready dictionaries."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from core.survey import Survey
from core.vocabulary import CONTROL_SAMPLER
from labels_db import ModelRecord, QueueItem, Task
from pages._server.processes import WorkerState, WorkerStatus
from pages._server.services import Services, score_kind

__all__ = ["neighbours_payload", "object_payload", "queue_payload", "task_payload"]

PREPARING = "preparing"
FAILED = "failed"
WAITING = "waiting"
READY = "ready"
DRY = "dry"

CONTROL_WORDS = (
    "A control: the next of the task's fixed random order, whatever the model thinks. It keeps"
    " the estimate of what was missed honest; answer it like any other."
)


def _model(model: ModelRecord | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "version": model.version,
        "n_labels": model.n_labels,
        "sampler": model.sampler,
        "learner": model.learner,
        "state": model.state,
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


def task_payload(services: Services, name: str) -> dict[str, Any]:
    """GET api/task: the question, how far it is, and what its model and worker do."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    return {
        "task": task.name,
        "question": task.question,
        "guideline": task.guideline,
        "classes": [
            {"name": name, "key": str(key)} for key, name in enumerate(task.classes, start=1)
        ],
        "target": task.target,
        "counts": database.counts(task.name),
        "n_answers": database.n_answers(task.name),
        "n_objects": len(survey),
        "survey": survey.name,
        "survey_version": survey.version,
        "survey_hash": survey.manifest.content_hash[:16],
        "cutout_size_px": survey.manifest.cutout_size_px,
        "pixel_scale_arcsec": survey.manifest.pixel_scale_arcsec,
        "model": _model(database.latest_model(task.name)),
        "worker": _status(services, task, survey),
        "annotator": services.owner.annotator,
        "samplers": {**services.sampler_words(), CONTROL_SAMPLER: CONTROL_WORDS},
    }


def _item(services: Services, survey: Survey, item: QueueItem, kind: str | None) -> dict[str, Any]:
    return {
        "object_id": item.object_id,
        "sampler": item.sampler,
        "score": item.score,
        "score_kind": kind,
        "control": item.sampler == CONTROL_SAMPLER,
        "probability": item.probability,
        "model_version": item.model_version,
        "columns": services.columns(survey, survey.row(item.object_id)),
    }


def queue_payload(
    services: Services, name: str, n: int, exclude: Collection[str]
) -> dict[str, Any]:
    """GET api/queue: the next unanswered objects in order, or why there are none."""
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
    items = database.next_items(task.name, n, exclude)
    answer["items"] = [_item(services, survey, item, kind) for item in items]
    if items or exclude:
        return answer
    if database.n_answers(task.name) >= len(survey):
        answer["condition"] = DRY
        answer["state"] = "Every object has an answer."
    elif status["state"] == READY:
        answer["waiting"] = True
        answer["condition"] = WAITING
        answer["state"] = "The queue is empty; the next ranking fills it in a moment."
    return answer


def object_payload(services: Services, name: str, object_id: str) -> dict[str, Any]:
    """GET api/object: one object by its id, with the scores that the newest model gives it."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    row = survey.row(object_id)
    scores = services.scores(task)
    score = float(scores.values[row]) if scores is not None else None
    label = database.current_label(task.name, object_id)
    return {
        "object_id": object_id,
        "sampler": None,
        "score": None if score is None or score != score else score,
        "score_kind": scores.kind.value if scores is not None else None,
        "control": False,
        "probability": None,
        "model_version": scores.model.version if scores is not None else None,
        "columns": services.columns(survey, row),
        "label": label.class_name if label is not None else None,
        "flagged": object_id in database.flagged(task.name),
        "notes": [event.note for event in database.notes(task.name, object_id)],
    }


def neighbours_payload(services: Services, name: str, object_id: str, k: int) -> dict[str, Any]:
    """GET api/neighbours: the nearest objects in the embedding and their labels."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    near, state = services.neighbours(survey, object_id, k)
    items = []
    for other, distance in near:
        label = database.current_label(task.name, other)
        items.append(
            {
                "object_id": other,
                "distance": distance,
                "label": label.class_name if label is not None else None,
            }
        )
    return {"object_id": object_id, "items": items, "state": state}
