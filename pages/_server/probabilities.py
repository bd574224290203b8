"""P(class) of single objects, read from what the worker keeps beside its score files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from core.config import MAX_CLASS_PROBABILITIES
from core.survey import Survey
from labels_db import ModelRecord, Task
from pages._server.services import Services

__all__ = ["Opinion", "class_chances", "opinions"]

Opinion = tuple[dict[str, float] | None, str]
"""P(class) by class, or None and a sentence that says why."""

FOLDER = "classes"
MAX_HEADER = 100_000
"""Bytes of class names in a file; numpy refuses long headers unless told that they are ours."""

_GONE = (
    "They cannot be read any more of the model that ranked it: it is an older one, of another"
    " version of the survey, or its file is damaged."
)
_FEW = (
    "None yet: most of what the model takes for other classes are unanswered objects, so that only"
    " the chance of {targets} says something; answer with other classes as well."
)
_NOTHING = (
    "Nothing was learnt when this object was ranked: the model begins with the first answer"
    " {targets}, and takes unanswered objects for others until enough are answered."
)
_UNSEEN = "The model says nothing of this object: the encoder had nothing to see in it."


def opinions(
    services: Services, task: Task, survey: Survey, asked: Sequence[tuple[int, int | None]]
) -> list[Opinion]:
    """What models say of objects: `asked` are (row, version of the model), None for no model.

    Only the pages of the file that hold these rows are read.
    """
    if not asked:
        return []
    models = {model.version: model for model in services.db().models(task.name, last=3)}
    tables: dict[int | None, np.ndarray | str] = {
        version: _open(services, task, survey, models.get(version or 0), version)
        for version in {version for _, version in asked}
    }
    found: list[Opinion] = []
    for row, version in asked:
        table = tables[version]
        if isinstance(table, str):
            found.append((None, table))
        else:
            chances = _read(table, row)
            found.append((chances, "" if chances is not None else _UNSEEN))
    return found


def class_chances(
    services: Services, task: Task, survey: Survey, model: ModelRecord
) -> dict[str, np.ndarray] | str:
    """Target -> (N,) float32 P(it) of every object by a model, or why there are none."""
    table = _open(services, task, survey, model, model.version)
    if isinstance(table, str):
        return table
    names = table.dtype.names or ()
    return {name: table[name].astype(np.float32) for name in task.targets if name in names}


def _open(
    services: Services,
    task: Task,
    survey: Survey,
    model: ModelRecord | None,
    version: int | None,
) -> np.ndarray | str:
    """The records of a model's file, not read yet; or why there are none."""
    if version is None:
        return "The object was not ranked by a model."
    if model is None or model.survey_version != survey.version:
        return _GONE
    targets = " or ".join(task.targets)
    if model.learner is None:
        return _NOTHING.format(targets=targets)
    n_values = len(survey) * len(task.every_class)
    if n_values > MAX_CLASS_PROBABILITIES:
        return (
            f"Chances of every class are kept for up to {MAX_CLASS_PROBABILITIES:,} objects times"
            f" classes, but here it is {n_values:,}; the chance of the target is in the score."
        )
    name = os.path.basename(model.scores_file or "")
    path = services.workspace.task_scores(task.name) / FOLDER / name
    try:
        table: np.ndarray = services.class_scores.get(
            (str(path), os.stat(path).st_mtime_ns),
            lambda: np.load(path, mmap_mode="r", max_header_size=MAX_HEADER),
        )
    except FileNotFoundError:
        # The engine gives none while stand-ins outnumber the answers with other classes; without
        # the scores either the model's files were swept away.
        is_there = bool(name) and (path.parents[1] / name).is_file()
        return _FEW.format(targets=targets) if is_there else _GONE
    except (OSError, ValueError):
        return _GONE
    return table if table.dtype.names and table.shape == (len(survey),) else _GONE


def _read(table: np.ndarray, row: int) -> dict[str, float] | None:
    names = table.dtype.names or ()
    values = {
        name: round(float(value), 4) for name, value in zip(names, table[row].item(), strict=True)
    }
    return values if all(map(math.isfinite, values.values())) else None
