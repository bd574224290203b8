"""Which map of a survey is shown: the newest of the embedding in use, or one that was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import Damaged, NotFound, NotReady
from core.run_map_before import map_taught_by
from core.run_taught import tasks_taught
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind
from pages._server.kept_runs import kept_runs

if TYPE_CHECKING:
    from core.representation import Embedding
    from pages._server.services import Services

__all__ = ["Hidden", "MapView", "has_map", "is_of", "map_title", "map_view", "taught_by"]


@dataclass(frozen=True)
class MapView:
    """A 2-D projection: (N, 2) float32, NaN where the encoder had nothing to see.

    `projection` is its name as people write it, such as "UMAP"; `note` says what a person should
    know about it; `taught_by` the tasks whose answers it, or its embedding, was taught.
    """

    coordinates: NDArray[np.float32]
    projection: str
    embedding_run: str
    map_run: str | None
    made: str
    note: str
    taught_by: tuple[str, ...] = ()


Hidden = Callable[[tuple[str, ...]], bool]
"""Whether what tells the answers of these tasks is kept from who asks."""


def map_view(
    services: Services, survey: Survey, run_id: str | None = None, is_hidden: Hidden = bool
) -> MapView:
    """The newest map of the embedding in use, else of another one, which the note says; PCA until
    there is one (`NotReady`). Maps that answers were taught to are never among these: they tell
    the answers, and show groups that the survey may not have. One of an embedding that was taught
    answers is where it is not hidden; where it is and there is no other, that is `NotReady`.

    run_id: that map of this version of the survey instead, taught or not (`NotFound`). One whose
    file is broken is `Damaged`.
    """
    embedding = services.embedding(survey)
    maps = [one for one in kept_runs(survey, JobKind.MAP) if is_of(survey, one)]
    if run_id is not None:
        record = next((one for one in maps if one.run_id == run_id), None)
        if record is None:
            raise NotFound(
                f"The map {run_id[:80]} is not there (any more); reload the page to see another."
            )
        return _opened(services, survey, record, embedding)
    unasked = [one for one in maps if one.config.get("supervised") is None]
    for record in sorted(unasked, key=lambda one: not _shows(one, embedding.run_id)):
        if not is_hidden(taught_by(survey, record)):
            return _opened(services, survey, record, embedding)
    told = tuple(tasks_taught(kept_runs(survey, JobKind.EMBED), embedding.run_id))
    if is_hidden(told):
        raise NotReady(
            "The embedding in use was taught answers that are kept from you for now, and its map"
            " would tell them; ask the owner for a map of an embedding that was taught none."
        )
    return replace(_pca(services, survey, embedding), taught_by=told)


def has_map(survey: Survey, embedding_run: str | None) -> bool:
    """Whether there is a map that `map_view` shows unasked, of that embedding or (None) of any."""
    return any(
        is_of(survey, record)
        and record.config.get("supervised") is None
        and (embedding_run is None or _shows(record, embedding_run))
        for record in finished_runs(survey, JobKind.MAP)
    )


def is_of(survey: Survey, record: RunRecord) -> bool:
    """True if the run is about this version of the survey, and not one of the same name."""
    about = record.record.get("survey") or {}
    return bool(about.get("content_hash") == survey.manifest.content_hash)


def map_title(record: RunRecord) -> str:
    """What a map was made by, as people write it."""
    from core.mapping import PROJECTIONS

    name = str(record.config.get("projection", "umap"))
    return PROJECTIONS[name].title if name in PROJECTIONS else name.upper()


def taught_by(survey: Survey, record: RunRecord) -> tuple[str, ...]:
    """The tasks whose answers a map tells of: those taught to it or to its embedding."""
    return map_taught_by(record, kept_runs(survey, JobKind.EMBED))


def _opened(
    services: Services, survey: Survey, record: RunRecord, embedding: Embedding
) -> MapView:
    of_run = str(record.config.get("embedding_run", embedding.run_id))
    fits = of_run == embedding.run_id
    note = "" if fits else "This map shows another embedding than the one in use."
    path = record.path / "map.npy"
    try:
        coordinates = services.maps.get(str(path), lambda: np.load(path))
    except (OSError, EOFError, ValueError):
        raise Damaged(
            f"The map {record.run_id} cannot be read; make the map again, or choose another."
        ) from None
    if len(coordinates) != len(survey):
        raise Damaged(
            f"The map {record.run_id} has {len(coordinates)} rows, but the survey"
            f" {survey.name} has {len(survey)}; make the map again."
        )
    return MapView(
        coordinates,
        map_title(record),
        of_run,
        record.run_id,
        str(record.record.get("finished", "")),
        note,
        taught_by(survey, record),
    )


def _pca(services: Services, survey: Survey, embedding: Embedding) -> MapView:
    from core.mapping import pca_map

    coordinates = services.maps.get(
        ("pca", survey.manifest.content_hash, embedding.run_id),
        lambda: pca_map(np.asarray(embedding.values), embedding.mask),
    )
    return MapView(
        coordinates, "PCA", embedding.run_id, None, "", "PCA shown until UMAP is ready."
    )


def _shows(record: RunRecord, embedding_run: str) -> bool:
    """True if the run is a map of that embedding (early ones did not say of which)."""
    return bool(record.config.get("embedding_run", embedding_run) == embedding_run)
