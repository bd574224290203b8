"""The job `map`: an embedding laid out in two dimensions, laid over the map before.

Each map is a run of the survey: `map.npy`, how far it can be believed, and what it was laid over.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, Damaged, NotFound, NotReady
from core.run_map_before import Before, map_before
from core.run_taught import TAUGHT_BY, tasks_taught
from core.vocabulary import DEFAULT, JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.mapping.projections import Projected
    from core.progress import Progress
    from core.representation import Embedding
    from core.survey import Survey

__all__ = ["MapSettings", "add_map_job", "run_map"]

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

PROJECTION_NAMES = ("umap", "pacmap", "tsne", "pca")
"""Those of `core.mapping.projections`, which takes a moment to load."""

_ALIKE = 0.8
"""Trustworthiness of the old map as a map of the new embedding, from which on it is begun from: a
start that fits worse would leave groups torn that the new embedding holds together."""
_SAMPLE, _QUERIES, _FEWEST = 5_000, 2_000, 40
"""Objects that quality is measured on: among each other, and beside all; and the fewest."""


@dataclass(frozen=True)
class MapSettings:
    """What a map is made of.

    Attributes
    ----------
    projection
        One of `PROJECTION_NAMES`.
    encoder, embedding_run
        Which embedding: the newest of an encoder, or the one of a run.
    supervised
        A task whose answers are taught to the map.
    seed
        The same seed gives the same map, where it is laid over the same map.
    after
        The map that it is laid over: a run; None takes the newest fitting one.
    anew
        It is laid over none.
    keep
        Objects of that map, the newest whatever its projection if none is named, stay where they
        are; only new ones are placed. Projection and answers are then those of that map, and no
        seed is used.
    """

    projection: str = PROJECTION_NAMES[0]
    encoder: str = DEFAULT
    embedding_run: str | None = None
    supervised: str | None = None
    seed: int = 0
    after: str | None = None
    anew: bool = False
    keep: bool = False

    def __post_init__(self) -> None:
        if self.projection not in PROJECTION_NAMES:
            raise BadInput(
                f"A map is made by {', '.join(PROJECTION_NAMES)}, but {self.projection[:60]!r} was"
                " asked for; choose one of them."
            )
        if self.supervised is not None and self.projection != "umap":
            raise BadInput(
                f"Only umap can be taught answers, not {self.projection}; leave the task out or"
                " choose umap."
            )
        if self.seed < 0:
            raise BadInput(f"A seed is zero or more, but is {self.seed}; raise it.")
        if self.anew and (self.keep or self.after):
            raise BadInput(
                "A map that is made anew is laid over no other; leave out --anew, or --keep and"
                " --after."
            )


def add_map_job(job: AddJob) -> None:
    """Add `map` to the jobs."""
    sub = job("map", _map, "lay an embedding out in two dimensions")
    sub.add_argument("survey")
    sub.add_argument("--projection", choices=PROJECTION_NAMES, default=PROJECTION_NAMES[0])
    sub.add_argument("--encoder", default=DEFAULT)
    sub.add_argument(
        "--embedding", metavar="RUN", default=None, help="an embedding run (default: that in use)"
    )
    sub.add_argument(
        "--supervised", metavar="TASK", default=None, help="teach it the answers of a task (umap)"
    )
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument(
        "--after", metavar="RUN", default=None, help="map to lay it over (default: the newest)"
    )
    sub.add_argument("--anew", action="store_true", help="lay it over no other map")
    sub.add_argument(
        "--keep", action="store_true", help="leave all where they are, place new objects only"
    )


def run_map(
    workspace: Workspace, name: str, settings: MapSettings | None = None, *, quiet: bool = False
) -> dict[str, Any]:
    """Make a map as a recorded run; what its record says, with `run_id`.

    Raises
    ------
    BadInput, NotFound, NotReady
        No such embedding, task or map; too few answers; nothing that objects could be added to.
    """
    from core.representation import load_embedding
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder, finished_runs

    settings = settings or MapSettings()
    survey = open_survey(workspace, name)
    embedding = load_embedding(survey, settings.encoder, run_id=settings.embedding_run)
    told_of = set(tasks_taught(finished_runs(survey, JobKind.EMBED), embedding.run_id))
    before, trouble = _before(workspace, survey, settings, told_of)
    kept = before if settings.keep else None
    taught, seq = None, 0
    if kept is not None:
        seq = kept.label_seq
        told_of |= {*kept.taught_by}
    elif settings.supervised is not None:
        taught, seq = _answers(workspace, survey, settings.supervised)
        told_of |= {settings.supervised}
    config = {
        "projection": kept.projection if kept else settings.projection,
        "encoder": embedding.encoder,
        "embedding_run": embedding.run_id,
        "seed": settings.seed,
        "supervised": kept.supervised if kept else settings.supervised,
        TAUGHT_BY: sorted(told_of),
        "label_seq": seq,
        "after": before.run_id if before else None,
        "keep": settings.keep,
    }
    with (
        recorded_job(workspace, JobKind.MAP, name, config, quiet=quiet) as (rid, tell, told),
        RunFolder(survey, JobKind.MAP, config, run_id=rid) as run,
    ):
        made = _made(embedding, settings, before, taught, tell)
        np.save(run.path / "map.npy", made.places)
        run.result.update(made.said, notes=[*trouble, *made.notes])
        told.update(trustworthiness=made.said["trustworthiness"])
    return {**run.result, "run_id": rid}


@dataclass(frozen=True, eq=False)
class _Made:
    places: np.ndarray
    said: dict[str, Any]
    notes: tuple[str, ...]


def _made(
    embedding: Embedding,
    settings: MapSettings,
    before: Before | None,
    taught: np.ndarray | None,
    tell: Progress,
) -> _Made:
    """The map, laid over the one before, and what can be said of it."""
    from core.mapping.projections import added_to_map, aligned, project, projection
    from core.progress import part_of

    values, mask = embedding.values, embedding.mask
    told = part_of(tell, 0.0, 0.9)
    old = None if before is None else before.places
    moved = None
    if settings.keep:
        if old is None:
            raise NotReady("There is no map that objects could be added to; make one first.")
        found: Projected = added_to_map(values, mask, old, progress=told)
        places = found.places
    else:
        start = None if old is None or not _fits(values, mask, old) else old
        found = project(
            values,
            mask,
            settings.projection,
            seed=settings.seed,
            classes=taught,
            start=start,
            progress=told,
        )
        places = found.places
        mirror = projection(settings.projection).has_axes
        laid = None if old is None else aligned(places, old, mirror_only=mirror)
        if laid is not None:
            places, moved = laid.places, laid
    tell(0.9, "measuring how far the map can be believed")
    said = {
        **_quality(values, places),
        "n_arranged": found.n_arranged,
        "started": found.started,
        "n_common": moved.n_common if moved else None,
        "moved": moved.moved if moved else None,
    }
    return _Made(places, said, found.notes)


def _before(
    workspace: Workspace, survey: Survey, settings: MapSettings, told_of: Collection[str]
) -> tuple[Before | None, list[str]]:
    """The map to lay this one over; and why there is none where one was to be expected, or which
    one objects are added to.

    told_of: the tasks whose answers the embedding was taught
    """
    from core.mapping.projections import projection

    if settings.anew:
        return None, []
    try:
        found = map_before(
            workspace,
            survey,
            projection=None if settings.keep else settings.projection,
            only_same=not settings.keep and projection(settings.projection).has_axes,
            taught={*told_of, *([settings.supervised] if settings.supervised else [])},
            run_id=settings.after,
        )
    except Damaged as error:
        if settings.keep or settings.after:
            raise
        return None, [f"It was laid over no earlier map: {error}"]
    if found is None and settings.keep:
        raise NotReady(
            f"{survey.name} has no map yet that objects could be added to; make one without"
            " --keep."
        )
    if found is not None and settings.keep:
        return found, [f"Objects were added to {found.run_id}, a map by {found.projection}."]
    return found, []


def _answers(workspace: Workspace, survey: Survey, task: str) -> tuple[np.ndarray, int]:
    """(N,) int32: the place of each object's class among the task's, -1 for none; and the number
    of the last event."""
    from labels_db import LabelsDB

    with LabelsDB(workspace.labels) as db:
        asked = db.task(task)
        if asked.survey != survey.name:
            raise BadInput(
                f"The task {task} is about the survey {asked.survey}, not {survey.name}; name a"
                " task of this survey."
            )
        seq, labels = db.last_seq(task), db.current_classes(task)
    codes = {name: code for code, name in enumerate(asked.every_class)}
    taught = np.full(len(survey), -1, np.int32)
    for object_id, class_name in labels.items():
        try:
            taught[survey.row(object_id)] = codes.get(class_name, -1)
        except NotFound:  # labelled in another version of the survey
            continue
    if len(np.unique(taught[taught >= 0])) < 2:
        raise NotReady(
            f"A map taught by answers needs some of two classes, but the task {task} has"
            f" {int((taught >= 0).sum())} of fewer; label some more first."
        )
    return taught, seq


def _fits(values: np.ndarray, mask: np.ndarray, places: np.ndarray) -> bool:
    """Whether a map made of another embedding is a fair start for one of this."""
    from core.metrics.representation import sample_rows, trustworthiness
    from core.metrics.representation.maps import MAP_NEIGHBOURS

    both = sample_rows(_placed(values, places) & mask, _QUERIES)
    if len(both) < _FEWEST:
        return False
    return trustworthiness(values[both], places[both], MAP_NEIGHBOURS) >= _ALIKE


def _quality(values: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    """How far the map can be believed; None where there are too few objects to say."""
    from core.metrics.representation import neighbours_kept, sample_rows, trustworthiness
    from core.metrics.representation.maps import MAP_NEIGHBOURS

    there = _placed(values, places)
    rows = sample_rows(there, _SAMPLE)
    if len(rows) < _FEWEST or (values[rows] == values[rows[0]]).all():
        return {"trustworthiness": None, "neighbours_kept": None, "measured_on": 0}
    asked, among = sample_rows(there, _QUERIES), np.flatnonzero(there)
    kept = neighbours_kept(values, places, asked, MAP_NEIGHBOURS, among=among)
    return {
        "trustworthiness": trustworthiness(values[rows], places[rows], MAP_NEIGHBOURS),
        "neighbours_kept": kept,
        "neighbours": MAP_NEIGHBOURS,
        "measured_on": len(rows),
    }


def _placed(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,) bool: rows with a place, whose values are then finite."""
    there: np.ndarray = np.isfinite(places).all(axis=1)
    rows = np.flatnonzero(there)
    for start in range(0, len(rows), 65_536):
        part = rows[start : start + 65_536]
        there[part] = np.isfinite(values[part]).all(axis=1)
    return there


def _map(a: argparse.Namespace) -> str:
    settings = MapSettings(
        projection=a.projection,
        encoder=a.encoder,
        embedding_run=a.embedding,
        supervised=a.supervised,
        seed=a.seed,
        after=a.after,
        anew=a.anew,
        keep=a.keep,
    )
    made = run_map(open_workspace(a.workspace, create=False), a.survey, settings)
    words = [f"{a.survey} has a new map ({made['run_id']}); the Map page shows it."]
    if made["trustworthiness"] is not None:
        words.append(
            f"Trustworthiness {made['trustworthiness']:.2f} (by chance 0.5); of an object's"
            f" {made['neighbours']} nearest {made['neighbours'] * made['neighbours_kept']:.1f} are"
            " so on the map."
        )
    return " ".join([*words, *made["notes"]])
