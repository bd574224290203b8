"""What a map is made of on its way to the browser: the objects with a place, and their places.

A point is a place among these objects: the browser has nothing but coordinates and colours, and
asks by (map, point) which object that is. From then on the object travels by its id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, NotFound
from core.survey import Survey
from labels_db import Task
from pages._server.identity import Identity
from pages._server.services import MapView, Services
from pages._server.taught import is_taught_hidden
from pages._server.visibility import answers_hidden

__all__ = ["KEPT", "Placed", "changed_since", "labels_seen", "placed_map", "points_of"]

KEPT = "kept:"
"""Before the run of a map that somebody chose: it stays when a newer one comes."""


@dataclass(frozen=True)
class Placed:
    """The objects of a map that have a place.

    Attributes
    ----------
    key
        Names the map in addresses: its run, after `KEPT` where it was chosen, or the embedding of
        which it is the PCA.
    view
        Where the map comes from.
    rows
        (M,) int64, ascending: the objects' rows. Point i of the browser is `rows[i]`.
    places
        (M, 2) float32, x to the right and y upwards, the longer side from -1 to 1.
    """

    key: str
    view: MapView
    rows: NDArray[np.int64]
    places: NDArray[np.float32]

    @property
    def map_name(self) -> str:
        """The key, whether the map was chosen or not: its places are the same."""
        return self.key.removeprefix(KEPT)

    def object_id(self, survey: Survey, point: int) -> str:
        """Which object a point is (`NotFound`)."""
        if not 0 <= point < len(self.rows):
            raise NotFound(
                f"The points of this map are 0 to {len(self.rows) - 1:,}, but {point:,} was asked"
                " for; reload the page."
            )
        return str(survey.object_ids[self.rows[point]])

    def point(self, survey: Survey, object_id: str) -> int:
        """Where an object is among the points (`NotFound`, `BadInput` if it has no place)."""
        row = survey.row(object_id)
        point = int(np.searchsorted(self.rows, row))
        if point == len(self.rows) or self.rows[point] != row:
            raise BadInput(
                f"{object_id} has no place on this map: the encoder had nothing to see in it. Open"
                " it on the label page instead."
            )
        return point


def placed_map(
    services: Services, survey: Survey, key: str | None = None, who: Identity | None = None
) -> Placed:
    """The survey's map as `Services.map` has it (`NotReady`); `NotFound` if that is not `key`.

    A key of `KEPT` and a run is that map, whichever is the newest; one that answers were taught
    to, itself or by its embedding, is there for `who` may see these alone.
    """
    chosen = key is not None and key.startswith(KEPT)

    def is_hidden(tasks: tuple[str, ...]) -> bool:
        return bool(tasks) and (who is None or is_taught_hidden(services, tasks, who))

    view = services.map(survey, key.removeprefix(KEPT) if chosen and key else None, is_hidden)
    if is_hidden(view.taught_by):
        raise NotFound(f"The map {view.map_run} is not there (any more); reload the page.")
    name = view.map_run or f"pca-{view.embedding_run}"
    if chosen:
        name = KEPT + name
    elif key is not None and key != name:
        raise NotFound(
            f"The map {key[:80]} is not the one in use any more; reload the page to see the new"
            " one."
        )
    placed: Placed = services.map_parts.get(
        ("placed", survey.manifest.content_hash, name), lambda: _placed(name, view)
    )
    # What is said of a map changes when another embedding is taken into use.
    return replace(placed, view=view)


def _placed(name: str, view: MapView) -> Placed:
    rows = np.flatnonzero(np.isfinite(view.coordinates).all(axis=1))
    places = view.coordinates[rows].astype(np.float64)
    if len(places):
        low, high = places.min(axis=0), places.max(axis=0)
        half = max(float((high - low).max()) / 2, np.finfo(np.float32).tiny)
        places = (places - (low + high) / 2) / half
    fixed = np.ascontiguousarray(places, dtype=np.float32)
    rows.setflags(write=False)
    fixed.setflags(write=False)
    return Placed(name, view, rows, fixed)


def labels_seen(
    services: Services, task: Task, who: Identity
) -> tuple[int, dict[str, str], tuple[Any, ...]]:
    """The class of each labelled object that this person may see, the one touched last at the
    end; with the number of the event that it is of, and a key to keep what follows from it.
    """
    database = services.db()
    seq = database.last_seq(task.name)
    hidden = answers_hidden(database, task, who)
    key = ("labels", task.name, task.version, seq, who.annotator if hidden else None)

    def read() -> dict[str, str]:
        if not hidden:
            return database.current_classes(task.name)
        own = sorted(database.answers(task.name, annotator=who.annotator), key=lambda one: one.seq)
        return {one.object_id: one.class_name for one in own if one.class_name is not None}

    labels: dict[str, str] = services.map_parts.get(key, read)
    return seq, labels, key


def changed_since(
    services: Services, task: Task, who: Identity, seq: int
) -> dict[str, str | None]:
    """The class that each object touched after that event has now, None for none; of what this
    person may see."""
    database = services.db()
    if not answers_hidden(database, task, who):
        return database.classes_since(task.name, seq)
    return database.own_classes(task.name, who.annotator, seq)


def points_of(survey: Survey, placed: Placed, object_ids: list[str]) -> NDArray[np.int64]:
    """(K,) points of these objects; -1 for one without a place, or of another version."""
    rows = np.full(len(object_ids), -1, dtype=np.int64)
    for place, object_id in enumerate(object_ids):
        try:
            rows[place] = survey.row(object_id)
        except NotFound:
            continue
    points = np.searchsorted(placed.rows, rows)
    there = (points < len(placed.rows)) & (rows >= 0)
    there[there] = placed.rows[points[there]] == rows[there]
    return np.where(there, points, -1)
