"""The map that a new one is laid over, whichever version of the survey it is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, Damaged, NotFound
from core.vocabulary import JobKind
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.survey import RunRecord, Survey

__all__ = ["Before", "map_before"]


@dataclass(frozen=True, eq=False)
class Before:
    """An earlier map.

    Attributes
    ----------
    run_id, projection, supervised
        The run, by what it was made, and the task whose answers were taught to it.
    places
        (N, 2) float32 in the rows of the survey as it is now, NaN for objects it did not have.
    """

    run_id: str
    projection: str
    supervised: str | None
    places: np.ndarray


def map_before(
    workspace: Workspace,
    survey: Survey,
    *,
    projection: str,
    supervised: str | None = None,
    run_id: str | None = None,
) -> Before | None:
    """The newest map of that projection, else of any, or the one of a run; None if there is none.

    A map that answers were taught to comes before none but one that is taught by the same task:
    it would tell them on.

    Raises
    ------
    BadInput, NotFound
        The run asked for is taught by another task, or there is no such map.
    Damaged
        Its places cannot be read.
    """
    from core.survey import finished_runs

    runs = finished_runs(survey, JobKind.MAP)
    may = [run for run in runs if run.config.get("supervised") in (None, supervised)]
    if run_id is not None:
        run = next((one for one in runs if one.run_id == run_id), None)
        if run is None:
            raise NotFound(f"{run_id[:80]!r} is no finished map of {survey.name}; name another.")
        if run not in may:
            raise BadInput(
                f"The map {run_id} was taught the answers of the task"
                f" {run.config.get('supervised')}, which it would tell on; name a map that no"
                " answers were taught to."
            )
        may = [run]
    # The sort is stable: of equals the newest.
    for run in sorted(may, key=lambda one: one.config.get("projection") != projection):
        rows = _rows_then(workspace, survey, run)
        if rows is not None:
            return _opened(run, rows)
        if run_id is not None:
            raise NotFound(
                f"The map {run_id} is of a version of {survey.name} that is not there any more;"
                " name another."
            )
    return None


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


def _opened(run: RunRecord, rows: np.ndarray) -> Before:
    path = run.path / "map.npy"
    try:
        places = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
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
    return Before(run.run_id, str(run.config.get("projection", "umap")), supervised, out)
