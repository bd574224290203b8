"""The job `detect`: a survey ranked by how odd each object is to a detector.

A ranking is a run of the survey: scores.npy, (N,) float32, row-aligned, higher = odder, NaN where
the encoder had nothing to see. The Oddest page reads it (`detections`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.errors import BadInput, Damaged
from core.run_taught import TAUGHT_BY, tasks_taught
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.discovery.prepare import Standardised
    from core.progress import Progress
    from core.representation import Embedding
    from core.survey import RunRecord, Survey

__all__ = [
    "DEFAULT_DETECTOR",
    "LEAST_SEEN",
    "Detection",
    "add_detect_job",
    "detections",
    "run_detect",
]

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

DEFAULT_DETECTOR = "isolation_forest"
SCORES = "scores.npy"
SEEDS = 2**32
"""How many seeds there are."""
LEAST_SEEN = 5
"""Among fewer objects nothing is usual, so that nothing is odd."""
_NAMED = 3


@dataclass(frozen=True)
class Detection:
    """A finished ranking.

    Attributes
    ----------
    run_id, path
        The run and its folder.
    detector, embedding_run, encoder, seed
        Who ranked what.
    made_at
        When it was finished, ISO 8601 in UTC.
    n_objects, n_unseen
        Of the survey, and those of them that the encoder had nothing to see in.
    taught_by
        The tasks whose answers the embedding was taught, so that the ranking tells of these.
    """

    run_id: str
    path: Path
    detector: str
    embedding_run: str
    encoder: str
    seed: int
    made_at: str
    n_objects: int
    n_unseen: int
    taught_by: tuple[str, ...] = ()

    def scores(self) -> np.ndarray:
        """(N,) float32, memory-mapped, higher = odder, NaN for what the encoder could not see
        (`Damaged`)."""
        path = self.path / SCORES
        try:
            scores = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise Damaged(
                f"The ranking {path} cannot be read ({str(error)[:120]}); remove that folder and"
                " rank the survey again."
            ) from None
        if scores.shape != (self.n_objects,) or scores.dtype != np.float32:
            raise Damaged(
                f"The ranking {path} should hold {self.n_objects:,} numbers (float32), but holds"
                f" {scores.shape} of {scores.dtype}; remove that folder and rank the survey again."
            )
        return cast(np.ndarray, scores)


def detections(survey: Survey, runs: Sequence[RunRecord] | None = None) -> list[Detection]:
    """The finished rankings of this version of the survey, the newest first.

    runs: finished runs of the job, where they were read already.
    """
    if runs is None:
        from core.survey import finished_runs

        runs = finished_runs(survey, JobKind.DETECT)
    found = []
    for run in runs:
        about = (run.record.get("survey") or {}).get("content_hash")
        if about != survey.manifest.content_hash or "detector" not in run.config:
            continue
        result = run.record.get("result") or {}
        found.append(
            Detection(
                run.run_id,
                run.path,
                str(run.config["detector"]),
                str(run.config.get("embedding_run", "")),
                str(run.config.get("encoder", "")),
                int(run.config.get("seed") or 0),
                str(run.record.get("finished", "")),
                len(survey),
                int(result.get("n_unseen") or 0),
                tuple(str(one) for one in run.config.get(TAUGHT_BY) or ()),
            )
        )
    return found


def add_detect_job(job: AddJob) -> None:
    """Add `detect` to the jobs."""
    sub = job("detect", _detect, "rank a survey by how odd its objects are to detectors")
    sub.add_argument("survey")
    sub.add_argument(
        "--detector",
        dest="detectors",
        action="append",
        default=[],
        metavar="NAME",
        help=f"who ranks; repeatable; all is every one (default: {DEFAULT_DETECTOR})",
    )
    sub.add_argument(
        "--embedding",
        dest="embedding_run",
        default=None,
        metavar="RUN",
        help="an embedding run (default: the one in use)",
    )
    sub.add_argument("--seed", type=int, default=0)


def run_detect(
    workspace: Workspace,
    name: str,
    detectors: Sequence[str] = (),
    embedding_run: str | None = None,
    seed: int = 0,
    *,
    quiet: bool = False,
) -> list[Detection]:
    """Rank a survey by each of these detectors, each as a recorded run of its own: those that
    were finished stay when a later one is stopped.

    Only what the encoder saw is ranked, and is what "usual" means. Columns are standardised as
    samplers have it (`core.discovery.standardise`).

    detectors: names; the isolation forest where none is given, every one there is for "all".
    embedding_run: the one in use where left out.

    Raises
    ------
    BadInput, NotFound, NotReady
        The seed, a detector or the embedding is none; the encoder saw fewer than five objects, or
        the same in all of them; a detector tells none from another.
    """
    from core.run_jobs import open_survey

    survey = open_survey(workspace, name)
    return _run(workspace, survey, detectors, embedding_run, seed, quiet=quiet)


def _run(
    workspace: Workspace,
    survey: Survey,
    detectors: Sequence[str],
    embedding_run: str | None,
    seed: int,
    *,
    quiet: bool = False,
) -> list[Detection]:
    from core.representation import load_embedding

    names = _checked(detectors)
    if not 0 <= seed < SEEDS:
        raise BadInput(
            f"--seed must be zero or more and below {SEEDS:,}, but is {seed}; choose another."
        )
    embedding = load_embedding(survey, run_id=embedding_run)
    seen = np.flatnonzero(embedding.mask)
    rows = _seen_rows(survey, embedding, seen)
    made, refused = [], []
    for place, detector in enumerate(names):
        turn = f" ({place + 1} of {len(names)})" if len(names) > 1 else ""
        try:
            made.append(
                _rank(workspace, survey, embedding, seen, rows, detector, seed, turn, quiet=quiet)
            )
        except BadInput as error:  # of one detector; the others may do better
            refused.append(str(error))
    if refused:
        raise BadInput(" ".join(refused))
    return made


def _checked(detectors: Sequence[str]) -> list[str]:
    """Names of detectors, each once."""
    from core.discovery import DETECTORS

    if "all" in detectors:
        return list(DETECTORS)
    names = list(dict.fromkeys(detectors)) or [DEFAULT_DETECTOR]
    return [DETECTORS.find(one).name for one in names]


def _seen_rows(survey: Survey, embedding: Embedding, seen: np.ndarray) -> Standardised:
    """What the encoder saw, standardised."""
    from core.discovery.prepare import Standardised, chunks
    from core.discovery.scratch import keep_rows

    if len(seen) < LEAST_SEEN:
        raise BadInput(
            f"A ranking by oddness needs {LEAST_SEEN} objects that the encoder saw, but"
            f" {embedding.run_id} saw {len(seen)} of the {len(survey):,} in {survey.name}; choose"
            " another embedding, or import more objects."
        )
    values = embedding.values
    if len(seen) < len(survey):
        # Unseen ones are no part of what is usual. A large copy is kept out of memory.
        blocks = (embedding.rows(seen[part]) for part in chunks(len(seen)))
        values = keep_rows(blocks, (len(seen), values.shape[1]))
    rows = Standardised(values, np.ones(len(seen), dtype=bool))
    if np.isinf(rows.scale.deviation).all():
        raise BadInput(
            f"The embedding {embedding.run_id} says the same of every object of {survey.name}, so"
            " that none is odd; choose another embedding."
        )
    return rows


def _rank(
    workspace: Workspace,
    survey: Survey,
    embedding: Embedding,
    seen: np.ndarray,
    rows: Standardised,
    detector: str,
    seed: int,
    turn: str,
    *,
    quiet: bool,
) -> Detection:
    from core.run_jobs import recorded_job
    from core.survey import RunFolder, finished_runs

    config: dict[str, Any] = {
        "detector": detector,
        "embedding_run": embedding.run_id,
        "encoder": embedding.encoder,
        "seed": seed,
    }
    if taught := tasks_taught(finished_runs(survey, JobKind.EMBED), embedding.run_id):
        config[TAUGHT_BY] = taught
    with (
        recorded_job(workspace, JobKind.DETECT, survey.name, config, quiet=quiet) as (
            rid,
            tell,
            told,
        ),
        RunFolder(survey, JobKind.DETECT, config, run_id=rid) as run,
    ):
        tell(0.0, f"{detector}{turn}")
        scores = np.full(len(survey), np.nan, dtype=np.float32)
        scores[seen] = _scored(detector, rows, seed, tell, turn)
        np.save(run.path / SCORES, scores)
        run.result.update(
            n_scored=len(seen),
            n_unseen=len(survey) - len(seen),
            low=float(np.nanmin(scores)),
            high=float(np.nanmax(scores)),
        )
        told.update(run.result, detector=detector)
        tell(1.0, f"{detector}{turn}")
    return next(one for one in detections(survey) if one.run_id == rid)


def _scored(detector: str, rows: Standardised, seed: int, tell: Progress, turn: str) -> np.ndarray:
    """(S,) float32 of the rows seen."""
    from core.discovery import DETECTORS
    from core.discovery.prepare import CHUNK

    # A small survey as one array; a large one's rows are made as the detector reads them.
    whole = np.asarray(rows) if len(rows) <= CHUNK else None
    values = whole if whole is not None else cast(np.ndarray, _Watched(rows, tell, detector, turn))
    scores = np.asarray(DETECTORS[detector].call(values, rows.unseen, seed), dtype=np.float32)
    n_bad = int((~np.isfinite(scores)).sum())
    if n_bad:
        raise BadInput(
            f"The detector {detector} has no score for {n_bad:,} of {len(rows):,} objects; rank by"
            " another detector or embedding."
        )
    if scores.min() == scores.max():
        raise BadInput(
            f"The detector {detector} gives all {len(rows):,} objects the same score: they are too"
            " few for it, or too alike; rank by another detector or embedding."
        )
    return scores


class _Watched:
    """The rows of a large survey, which tell how far a detector has read them.

    It is asked at every piece whether the job shall stop.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, rows: Standardised, tell: Progress, detector: str, turn: str) -> None:
        self._rows = rows
        self._tell = tell
        self._words = f"{detector}{turn}"
        self._n_read = 0
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        # It learns from a sample first, then reads every row once.
        self._tell(min(self._n_read / len(self), 0.99), self._words)
        values = self._rows[rows]
        self._n_read += len(values)
        return values

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._rows.__array__(dtype, copy)


def _detect(a: argparse.Namespace) -> str:
    from core.run_jobs import open_survey

    workspace = open_workspace(a.workspace, create=False)
    survey = open_survey(workspace, a.survey)
    made = _run(workspace, survey, a.detectors, a.embedding_run, a.seed)
    ids = survey.object_ids
    lines = []
    for one in made:
        scores = one.scores()
        order = np.argsort(-np.asarray(scores), kind="stable")[:_NAMED]
        oddest = ", ".join(str(ids[row]) for row in order)
        unseen = f" {one.n_unseen:,} could not be seen by {one.encoder}." if one.n_unseen else ""
        lines.append(
            f"{a.survey}: {one.n_objects - one.n_unseen:,} objects ranked by {one.detector}, the"
            f" oddest {oddest}.{unseen}"
        )
    return "\n".join([*lines, "The Oddest page shows them."])
