"""A quality run on disk: quality.json, and the arrays of each embedding beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Damaged
from core.representation.quality.assessing import Comparison
from core.representation.quality.records import Assessment
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind

QUALITY_FILE = "quality.json"


@dataclass(frozen=True)
class Sheet:
    """An object and its nearest: `nearest` is run id -> object ids, nearest first."""

    object_id: str
    nearest: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class QualityRun:
    """A finished quality run.

    Attributes
    ----------
    run
        Its record.
    comparison
        What was measured.
    sheets
        Of a few random objects.
    labels
        Where labels came from, "" without.
    names
        Run id -> how the embedding is called; empty in runs up to version 0.5.
    """

    run: RunRecord
    comparison: Comparison
    sheets: tuple[Sheet, ...]
    labels: str
    names: Mapping[str, str] = field(default_factory=dict)


def keep(
    folder: Path,
    found: Comparison,
    sheets: Sequence[Sheet],
    labels: str,
    names: Mapping[str, str] | None = None,
) -> None:
    """Write a comparison into the folder of a run."""
    for one in found.assessments:
        arrays: dict[str, Any] = dict(one.arrays)
        np.savez(folder / f"{one.run_id}.npz", allow_pickle=False, **arrays)
    text = json.dumps(
        {
            "verdict": found.verdict,
            "labels": labels,
            "names": dict(names or {}),
            "embeddings": [one.as_dict() for one in found.assessments],
            "sheets": [
                {
                    "object_id": one.object_id,
                    "nearest": {k: list(v) for k, v in one.nearest.items()},
                }
                for one in sheets
            ],
        },
        indent=1,
    )
    (folder / QUALITY_FILE).write_text(text + "\n", encoding="utf-8")


def quality_runs(survey: Survey) -> list[RunRecord]:
    """Finished quality runs of this version of the survey, the newest first."""
    content = survey.manifest.content_hash
    return [
        record
        for record in finished_runs(survey, JobKind.QUALITY)
        if (record.record.get("survey") or {}).get("content_hash") == content
    ]


def kept(record: RunRecord) -> QualityRun:
    """Read a quality run; `Damaged` where a file is missing or not what it should be."""
    try:
        told = json.loads((record.path / QUALITY_FILE).read_text(encoding="utf-8"))
        assessments = tuple(
            Assessment.from_dict(one, _arrays(record.path / f"{one['run_id']}.npz"))
            for one in told["embeddings"]
        )
        sheets = tuple(
            Sheet(one["object_id"], {key: tuple(ids) for key, ids in one["nearest"].items()})
            for one in told["sheets"]
        )
        verdict, labels = str(told["verdict"]), str(told["labels"])
        names = {str(run_id): str(name) for run_id, name in (told.get("names") or {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(
            f"The quality run {record.run_id} cannot be read ({str(error)[:120]}); assess the"
            " embeddings again."
        ) from None
    return QualityRun(record, Comparison(assessments, verdict), sheets, labels, names)


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as kept_arrays:
        return {name: kept_arrays[name] for name in kept_arrays.files}
