"""The labelled objects of a task by their place in the embedding, for those nearest to another.

They are read once; after that only what events touched since the last look is read again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import NotFound, NotReady
from core.survey import Survey
from labels_db import LabelsDB, Task
from pages._server.identity import Identity
from pages._server.services import Services

if TYPE_CHECKING:
    from core.representation import Embedding

__all__ = ["MAX_LABELLED", "compare_payload"]

MAX_LABELLED = 20_000
"""Objects compared with; of a task with more, the newest of each class."""


@dataclass(frozen=True)
class _Placed:
    """Labelled objects that the encoder saw: (L,) ids and classes, (L, D) unit vectors."""

    ids: np.ndarray
    classes: np.ndarray
    vectors: np.ndarray


class _Labelled:
    """The labels of a task (or of one annotator) as they were at the event `seq`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seq = -1
        self._classes: dict[str, str] = {}
        self._run = ""
        self._placed: _Placed | None = None

    def placed(
        self,
        database: LabelsDB,
        task: Task,
        annotator: str | None,
        survey: Survey,
        embedding: Embedding,
    ) -> _Placed:
        with self._lock:
            seq = database.last_seq(task.name)
            if seq != self._seq:
                self._read(database, task, annotator)
                self._seq, self._placed = seq, None
            if self._placed is None or self._run != embedding.run_id:
                self._placed = _place(self._classes, survey, embedding)
                self._run = embedding.run_id
            return self._placed

    def _read(self, database: LabelsDB, task: Task, annotator: str | None) -> None:
        """Bring `_classes` up to date; the labels come to stand in the order of their events."""
        changed: dict[str, str | None]
        if self._seq < 0 or len(self._classes) > 2 * MAX_LABELLED:
            self._classes = {}
            if annotator is None:
                per_class = max(1, MAX_LABELLED // len(task.every_class))
                changed = dict(database.newest_classes(task.name, per_class))
            else:
                changed = database.own_classes(task.name, annotator, limit=MAX_LABELLED)
        elif annotator is None:
            changed = database.classes_since(task.name, self._seq)
        else:
            changed = database.own_classes(task.name, annotator, self._seq)
        for object_id, class_name in changed.items():
            self._classes.pop(object_id, None)
            if class_name is not None:
                self._classes[object_id] = class_name


def _place(classes: dict[str, str], survey: Survey, embedding: Embedding) -> _Placed:
    ids, rows = [], []
    for object_id in list(classes)[-MAX_LABELLED:]:
        try:
            rows.append(survey.row(object_id))
        except NotFound:
            continue  # labelled on another version of the survey
        ids.append(object_id)
    at = np.array(rows, dtype=np.int64)
    seen = np.asarray(embedding.mask)[at]
    names = np.array([classes[one] for one in ids], dtype=object)
    return _Placed(
        np.array(ids, dtype=object)[seen], names[seen], _unit(embedding.values[at[seen]])
    )


def _unit(vectors: Any) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def compare_payload(
    services: Services, name: str, who: Identity, object_id: str, k: int
) -> dict[str, Any]:
    """GET api/compare: of each class the `k` labelled objects most like this one.

    Distances are 1 - cos of the angle between embeddings. On a secret task the examples are
    what this person answered themselves.
    """
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    row = survey.row(object_id)
    secret = database.is_secret(task.name)
    annotator = who.annotator if secret else None
    empty: dict[str, Any] = {"classes": [{"name": one, "items": []} for one in task.classes]}
    try:
        embedding = services.embedding(survey)
    except NotReady as error:
        return empty | {"state": str(error)}
    if not embedding.mask[row]:
        return empty | {"state": "The encoder had nothing to see in this object."}
    key = (task.name, task.version, survey.manifest.content_hash, annotator)
    known: _Labelled = services.labelled.get(key, _Labelled)
    placed = known.placed(database, task, annotator, survey, embedding)
    distances = np.clip(1 - placed.vectors @ _unit(embedding.values[row]), 0, 2)
    others = placed.ids != object_id
    classes = []
    for class_name in task.classes:
        among = np.flatnonzero((placed.classes == class_name) & others)
        nearest = among[np.argsort(distances[among], kind="stable")[:k]]
        items = [
            {
                "object_id": str(placed.ids[one]),
                "distance": float(distances[one]),
                "label": class_name,
            }
            for one in nearest
        ]
        classes.append({"name": class_name, "items": items})
    state = ""
    if not any(one["items"] for one in classes):
        state = "No other object has a label yet; the nearest of each class come here."
    if secret:
        state = "On this task the examples are those that you answered yourself."
    return {"classes": classes, "state": state}
