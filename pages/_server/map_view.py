"""Which map of a survey is shown: the newest of the embedding in use, or one that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import Damaged, NotFound
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind
from pages._server.kept_runs import kept_runs

if TYPE_CHECKING:
    from core.representation import Embedding
    from pages._server.services import Services

__all__ = ["MapView", "has_map", "is_of", "map_title", "map_view"]


@dataclass(frozen=True)
class MapView:
    """A 2-D projection: (N, 2) float32, NaN where the encoder had nothing to see.

    `projection` is its name as people write it, such as "UMAP"; `note` says what a person should
    know about it; `taught_by` the task whose answers it was taught.
    """

    coordinates: NDArray[np.float32]
    projection: str
    embedding_run: str
    map_run: str | None
    made: str
    note: str
    taught_by: str | None = None


def map_view(services: Services, survey: Survey, run_id: str | None = None) -> MapView:
    """The newest map of the embedding in use, else of another one, which the note says; PCA until
    there is one (`NotReady`). Maps that answers were taught to are never among these: they tell
    the answers, and show groups that the survey may not have.

    run_id: that map of this version of the survey instead, taught or not (`NotFound`).
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
    plain = [one for one in maps if _taught_by(one) is None]
    for record in sorted(plain, key=lambda one: not _shows(one, embedding.run_id)):
        return _opened(services, survey, record, embedding)
    return _pca(services, survey, embedding)


def has_map(survey: Survey, embedding_run: str | None) -> bool:
    """Whether there is a map that `map_view` shows unasked, of that embedding or (None) of any."""
    return any(
        is_of(survey, record)
        and _taught_by(record) is None
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


def _opened(
    services: Services, survey: Survey, record: RunRecord, embedding: Embedding
) -> MapView:
    of_run = str(record.config.get("embedding_run", embedding.run_id))
    fits = of_run == embedding.run_id
    note = "" if fits else "This map shows another embedding than the one in use."
    path = record.path / "map.npy"
    coordinates = services.maps.get(str(path), lambda: np.load(path))
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
        _taught_by(record),
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


def _taught_by(record: RunRecord) -> str | None:
    task = record.config.get("supervised")
    return None if task is None else str(task)


def _shows(record: RunRecord, embedding_run: str) -> bool:
    """True if the run is a map of that embedding (early ones did not say of which)."""
    return bool(record.config.get("embedding_run", embedding_run) == embedding_run)
