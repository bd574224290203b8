"""The map that a new one is laid over, whichever version of the survey it is of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, Damaged, NotFound
from core.run_taught import TAUGHT_BY, tasks_taught
from core.vocabulary import JobKind
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.survey import RunRecord, Survey

__all__ = ["Before", "map_before", "map_taught_by"]


@dataclass(frozen=True, eq=False)
class Before:
    """An earlier map.

    Attributes
    ----------
    run_id, projection, supervised
        The run, by what it was made, and the task whose answers were taught to it.
    label_seq
        The last event of that task then.
    taught_by
        All tasks that it tells of: that one, and those taught to the embedding.
    places
        (N, 2) float32 in the rows of the survey as it is now, NaN for objects it did not have.
    """

    run_id: str
    projection: str
    supervised: str | None
    label_seq: int
    taught_by: tuple[str, ...]
    places: np.ndarray


def map_before(
    workspace: Workspace,
    survey: Survey,
    *,
    projection: str | None,
    only_same: bool = False,
    taught: Collection[str] = (),
    run_id: str | None = None,
) -> Before | None:
    """The newest map of that projection (None: of any), else of any, or the one of a run; None if
    there is none.

    A map that answers were taught to, itself or by its embedding, comes before none but one that
    is taught by these tasks too: it would tell them on.

    Parameters
    ----------
    only_same
        One of another projection will not do: the axes of this one mean something.
    taught
        The tasks whose answers the new map is taught, itself or by its embedding.

    Raises
    ------
    BadInput, NotFound
        The run asked for is taught by another task or of another projection, or there is no such
        map.
    Damaged
        Its places cannot be read.
    """
    from core.survey import finished_runs

    runs = finished_runs(survey, JobKind.MAP)
    embeddings = finished_runs(survey, JobKind.EMBED)
    may = [run for run in runs if set(map_taught_by(run, embeddings)) <= set(taught)]
    if run_id is not None:
        run = next((one for one in runs if one.run_id == run_id), None)
        if run is None:
            raise NotFound(f"{run_id[:80]!r} is no finished map of {survey.name}; name another.")
        if run not in may:
            told = ", ".join(map_taught_by(run, embeddings))
            raise BadInput(
                f"The map {run_id} was taught the answers of the task {told}, which it would tell"
                " on; name a map that no answers were taught to."
            )
        may = [run]
    if only_same:
        may = [run for run in may if run.config.get("projection") == projection]
        if run_id is not None and not may:
            raise BadInput(
                f"The axes of a map by {projection} mean something, so that it is laid over such"
                f" maps alone, and {run_id} is of another projection; name one by {projection} or"
                " none."
            )
    # The sort is stable: of equals the newest.
    for run in sorted(may, key=lambda one: projection not in (None, one.config.get("projection"))):
        rows = _rows_then(workspace, survey, run)
        if rows is not None:
            return _opened(run, rows, map_taught_by(run, embeddings))
        if run_id is not None:
            raise NotFound(
                f"The map {run_id} is of a version of {survey.name} that is not there any more;"
                " name another."
            )
    return None


def map_taught_by(run: RunRecord, embeddings: list[RunRecord]) -> tuple[str, ...]:
    """The tasks whose answers a map tells of: those taught to it, and those that the networks of
    its embedding were taught.

    embeddings : the finished ones of the survey, for maps whose record does not say
    """
    said = run.config.get(TAUGHT_BY)
    if isinstance(said, list):
        return tuple(str(one) for one in said)
    supervised = run.config.get("supervised")
    tasks = tasks_taught(embeddings, str(run.config.get("embedding_run", "")))
    return tuple(sorted({*tasks, *([str(supervised)] if supervised else [])}))


def _rows_then(workspace: Workspace, survey: Survey, run: RunRecord) -> np.ndarray | None:
    """(N,) int: the row that each object had when the map was made, -1 for none; None where that
    version is gone."""
    import pandas as pd

    from core.survey import Survey

    about = run.record.get("survey") or {}
    if about.get("content_hash") == survey.manifest.content_hash:
        return np.arange(len(survey))
    try:
        then = Survey.open(workspace, survey.name, int(about["version"]))
    except (NotFound, Damaged, KeyError, TypeError, ValueError):
        return None
    if then.manifest.content_hash != about.get("content_hash"):
        return None
    rows: np.ndarray = pd.Index(then.object_ids).get_indexer(pd.Index(survey.object_ids))
    return rows if (rows >= 0).any() else None


def _opened(run: RunRecord, rows: np.ndarray, taught_by: tuple[str, ...]) -> Before:
    path = run.path / "map.npy"
    try:
        places = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Damaged(
            f"the map {run.run_id} cannot be read ({str(error)[:120]}); remove its folder."
        ) from None
    if places.ndim != 2 or places.shape[1] != 2 or len(places) <= rows.max():
        raise Damaged(
            f"the map {run.run_id} has places of shape {places.shape}, which do not fit its"
            " survey; remove its folder."
        )
    out = np.full((len(rows), 2), np.nan, np.float32)
    out[rows >= 0] = places[rows[rows >= 0]]
    supervised = run.config.get("supervised")
    seq = int(run.config.get("label_seq") or 0)
    by = str(run.config.get("projection", "umap"))
    return Before(run.run_id, by, supervised, seq, taught_by, out)
