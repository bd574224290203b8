"""The labelled objects of a task by their place in the embedding, for those nearest to another.

They are read and placed once; after that only what events touched since the last look is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
    """Labelled objects that the encoder saw: (L,) ids and classes, (L, D) unit vectors.

    The class is None where the label is gone, or older than the newest `MAX_LABELLED`.
    """

    ids: np.ndarray
    classes: np.ndarray
    vectors: np.ndarray


class _Places:
    """Where the labelled objects lie in one embedding.

    Rows are only ever added, so that a `_Placed` handed out stays as it is.
    """

    def __init__(self, survey: Survey, embedding: Embedding) -> None:
        self.run = embedding.run_id
        self._survey = survey
        self._embedding = embedding
        self._row_of: dict[str, int] = {}
        self._ids = np.empty(0, object)
        self._classes = np.empty(0, object)
        self._order = np.empty(0, np.int64)
        self._vectors = np.empty((0, embedding.values.shape[1]), np.float32)
        self._n_changes = 0

    def __len__(self) -> int:
        return len(self._row_of)

    def change(self, changed: Mapping[str, str | None]) -> None:
        """Objects with their classes, in the order of their events; None: the label is gone."""
        self._add([one for one in changed if one not in self._row_of and changed[one] is not None])
        for object_id, class_name in changed.items():
            row = self._row_of.get(object_id)
            if row is not None:
                self._classes[row] = class_name
                self._order[row] = self._n_changes
                self._n_changes += 1

    def _add(self, object_ids: list[str]) -> None:
        ids, rows = [], []
        mask = self._embedding.mask
        for object_id in object_ids:
            try:
                row = self._survey.row(object_id)
            except NotFound:
                continue  # labelled on another version of the survey
            if mask[row]:
                ids.append(object_id)
                rows.append(row)
        first, last = len(self), len(self) + len(ids)
        if last > len(self._ids):
            room = 2 * last
            self._ids, self._classes, self._order, self._vectors = (
                _longer(one, room)
                for one in (self._ids, self._classes, self._order, self._vectors)
            )
        self._ids[first:last] = ids
        self._vectors[first:last] = _unit(self._embedding.values[np.array(rows, np.int64)])
        self._row_of.update(zip(ids, range(first, last), strict=True))

    def placed(self) -> _Placed:
        n = len(self)
        classes = self._classes[:n].copy()
        there = np.flatnonzero(classes != None)  # noqa: E711  (one by one)
        if len(there) > MAX_LABELLED:
            order = self._order[there]
            newest = np.partition(order, -MAX_LABELLED)[-MAX_LABELLED]
            classes[there[order < newest]] = None
        return _Placed(self._ids[:n], classes, self._vectors[:n])


def _longer(values: np.ndarray, n: int) -> np.ndarray:
    longer = np.zeros((n, *values.shape[1:]), values.dtype)
    if values.dtype == object:
        longer[:] = None
    longer[: len(values)] = values
    return longer


class _Labelled:
    """The labels of a task (or of one annotator) as they were at the event `seq`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seq = -1
        self._classes: dict[str, str] = {}
        self._places: _Places | None = None
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
            changed: Mapping[str, str | None] = {}
            if seq != self._seq:
                changed = self._read(database, task, annotator)
                self._seq, self._placed = seq, None
            places = self._places
            if places is None or places.run != embedding.run_id or len(places) > 3 * MAX_LABELLED:
                places = self._places = _Places(survey, embedding)
                changed, self._placed = self._classes, None
            if self._placed is None:
                places.change(changed)
                self._placed = places.placed()
            return self._placed

    def _read(
        self, database: LabelsDB, task: Task, annotator: str | None
    ) -> Mapping[str, str | None]:
        """Bring `_classes` up to date, in the order of their events, and return what changed."""
        changed: dict[str, str | None]
        if self._seq < 0 or len(self._classes) > 2 * MAX_LABELLED:
            self._classes, self._places = {}, None
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
        return changed


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
