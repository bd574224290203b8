"""The candidate list: what is worth a follow-up. (Label tables: `core.exchange`.)

Plain CSV with one header line, so that every tool opens it; where each line came from stands in
its columns. Cells are safe against spreadsheet formulas (`core.csvsafe`).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.csvsafe import safe_cell
from core.errors import BadInput
from core.survey.runs import versions

CANDIDATE_COLUMNS = (
    "rank",
    "object_id",
    "score",
    "score_kind",
    "label",
    "annotator",
    "answered_at",
    "flagged",
    "task",
    "target",
    "filtered_by",
    "model_version",
    "sampler",
    "learner",
    "encoder_run",
    "survey",
    "survey_version",
    "exported_at",
    "skysift_version",
)
"""Of a candidate list; the survey's own columns may follow."""

_OWN = ("object_id", "score", "label", "annotator", "answered_at", "flagged")
"""What each candidate says of itself; annotator and time are those of its label."""


@dataclass(frozen=True)
class Provenance:
    """What a candidate list was made with; one value for all its lines.

    `target` is the class that it is ranked by; several classes sought as one are joined by " or ".
    `filtered_by` says in words which objects alone were ranked; "" where all were.
    """

    task: str
    target: str
    survey: str
    survey_version: int
    score_kind: str
    model_version: int
    sampler: str
    learner: str | None
    encoder_run: str
    filtered_by: str = ""
    exported_at: str = field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )
    skysift_version: str = field(default_factory=lambda: versions()["skysift"])


def rank_candidates(
    object_ids: Sequence[str] | np.ndarray,
    scores: np.ndarray,
    *,
    n: int | None = None,
    labels: Mapping[str, str] | None = None,
    leave_out: Iterable[str] = (),
    ties: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """The `n` objects of highest score (all if None), best first; equal scores in row order.

    object_ids, scores : (N,), row-aligned; objects whose score is NaN are left out.
    labels : object_id -> class, for the label column.
    leave_out : classes; objects labelled so are not candidates (the rejected ones).
    ties : (N,), of equal scores the higher comes first; row order where this is equal too.

    Returns mappings with object_id, score, label (None if there is none) and row.
    """
    scores = np.asarray(scores)
    if scores.shape != (len(object_ids),):
        raise BadInput(
            f"Candidates need one score for each of the {len(object_ids)} objects, but got shape"
            f" {scores.shape}; rank the survey again."
        )
    if n is not None and n < 0:
        raise BadInput(f"A candidate list has zero or more lines, but {n} were asked for.")
    known, out = labels or {}, set(leave_out)
    candidates: list[dict[str, Any]] = []
    keys = [-scores] if ties is None else [-np.asarray(ties), -scores]
    for row in np.lexsort(keys).tolist():
        if n is not None and len(candidates) >= n:
            break
        name = str(object_ids[row])
        label = known.get(name)
        if not np.isnan(scores[row]) and not (label is not None and label in out):
            candidates.append(
                {"object_id": name, "score": float(scores[row]), "label": label, "row": row}
            )
    return candidates


def candidates_csv(
    candidates: Iterable[Mapping[str, Any]],
    provenance: Provenance,
    extra_columns: Sequence[str] = (),
) -> Iterator[str]:
    """The lines of a candidate list, header first, each with its line end.

    Parameters
    ----------
    candidates
        Mappings with object_id, score and, if any, label, best first; `rank_candidates` makes
        them. A mapping may also hold the survey's own columns.
    extra_columns
        Names of such columns to add, in order; one that would repeat a column is refused.

    Raises
    ------
    BadInput
        An extra column is named like another column (before any line is given out).
    """
    columns = [*CANDIDATE_COLUMNS, *extra_columns]
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise BadInput(
            f"Each column of a candidate list needs its own name, but {twice!r} comes twice;"
            " leave it out or rename it in the data."
        )
    common = {name: getattr(provenance, name, None) for name in CANDIDATE_COLUMNS}
    rows = (
        {**{name: one.get(name) for name in extra_columns}, **common, **_own(one, rank)}
        for rank, one in enumerate(candidates, start=1)
    )
    return _lines(columns, rows)


def write_csv(lines: Iterable[str], path: str | os.PathLike[str]) -> int:
    """Write lines to a file that appears only when whole; returns the number of data lines."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    count = -1
    try:
        with open(partial, "w", encoding="utf-8", newline="") as handle:
            for line in lines:
                handle.write(line)
                count += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return max(count, 0)


def _own(candidate: Mapping[str, Any], rank: int) -> dict[str, Any]:
    return {"rank": rank, **{name: candidate.get(name) for name in _OWN}}


def _lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180
    writer.writerow([safe_cell(name) for name in columns])
    yield _taken(buffer)
    for row in rows:
        writer.writerow([safe_cell(_plain(row.get(name))) for name in columns])
        yield _taken(buffer)


def _plain(value: object) -> object:
    """None for what pandas and numpy call missing; the shortest digits of a float32."""
    if isinstance(value, np.floating):
        return None if np.isnan(value) else str(value)
    if isinstance(value, float) and np.isnan(value):
        return None
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
