"""The job `neighbours`: cells to search a very large embedding through, and its near-duplicates.

What it finds is a run of the survey; the Look-alikes page reads it (`prepared`).
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, Damaged
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.mapping.cells import Cells
    from core.mapping.near_duplicates import NearDuplicates
    from core.survey import Survey

__all__ = ["Prepared", "add_neighbours_job", "prepared", "run_neighbours"]

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

WIDEST_SHARE = 0.3
"""Of the distance between two random objects; pairs up to it are kept, the closest 2,000."""

PAIRS = "pairs.npz"
DISTANCES = ("cosine", "euclidean")


@dataclass(frozen=True)
class Prepared:
    """A finished run of the job.

    Attributes
    ----------
    run_id, path
        The run and its folder.
    result
        What its record says.
    """

    run_id: str
    path: Path
    result: dict[str, Any]

    def cells(self) -> Cells:
        """The cells it made (`Damaged`)."""
        from core.mapping.cells import load_cells

        return load_cells(self.path, self.result)

    def pairs(self) -> NearDuplicates:
        """The near-duplicates it found (`Damaged`)."""
        from core.mapping.near_duplicates import NearDuplicates

        try:
            with (
                open(self.path / PAIRS, "rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                return NearDuplicates(
                    arrays["pairs"],
                    arrays["distances"],
                    float(self.result["threshold"]),
                    float(self.result["typical"]),
                    bool(self.result["more"]),
                    int(self.result.get("left_out", 0)),
                )
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise Damaged(
                f"{self.path / PAIRS} cannot be read ({type(error).__name__}:"
                f" {str(error)[:120]}); remove that folder and look for near-duplicates again."
            ) from None


def prepared(survey: Survey, embedding_run: str, metric: str) -> Prepared | None:
    """The newest finished run of the job for that embedding and distance; None where is none."""
    from core.survey import finished_runs

    for run in finished_runs(survey, JobKind.NEIGHBOURS):
        wanted = (embedding_run, metric, survey.manifest.content_hash)
        about = (run.record.get("survey") or {}).get("content_hash")
        if (run.config.get("embedding_run"), run.config.get("distance"), about) == wanted:
            return Prepared(run.run_id, run.path, dict(run.record.get("result") or {}))
    return None


def add_neighbours_job(job: AddJob) -> None:
    """Add `neighbours` to the jobs."""
    sub = job(
        "neighbours", _neighbours, "near-duplicates, and cells for look-alikes in large surveys"
    )
    sub.add_argument("survey")
    sub.add_argument(
        "--run",
        dest="embedding_run",
        default=None,
        metavar="ID",
        help="an embedding run (default: the one in use)",
    )
    sub.add_argument("--distance", choices=DISTANCES, default=DISTANCES[0])
    sub.add_argument("--seed", type=int, default=0)


def run_neighbours(
    workspace: Workspace,
    name: str,
    embedding_run: str | None = None,
    distance: str = "cosine",
    seed: int = 0,
    *,
    quiet: bool = False,
) -> Prepared:
    """Make the cells of an embedding, measure what they miss, and find its near-duplicates, as a
    recorded run.

    embedding_run: the one in use where left out. distance: "cosine" or "euclidean".

    Raises
    ------
    BadInput, NotFound, NotReady
        The seed, the distance or the embedding is none.
    """
    from core.mapping.cells import make_cells, save_cells
    from core.mapping.near_duplicates import AT_ONCE_ROWS, near_duplicates
    from core.progress import part_of
    from core.representation import load_embedding
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder

    if seed < 0:
        raise BadInput(f"--seed must be zero or more, but is {seed}; raise it.")
    survey = open_survey(workspace, name)
    embedding = load_embedding(survey, run_id=embedding_run)
    values, mask = embedding.values, embedding.mask
    config = {"embedding_run": embedding.run_id, "distance": distance, "seed": seed}
    with (
        recorded_job(workspace, JobKind.NEIGHBOURS, name, config, quiet=quiet) as (
            rid,
            tell,
            told,
        ),
        RunFolder(survey, JobKind.NEIGHBOURS, config, run_id=rid) as run,
    ):
        cells = make_cells(values, mask, distance, seed=seed, progress=part_of(tell, 0.0, 0.6))
        found = near_duplicates(
            values,
            mask,
            distance,
            share=WIDEST_SHARE,
            cells=cells if len(survey) > AT_ONCE_ROWS else None,
            seed=seed,
            progress=part_of(tell, 0.6, 1.0),
        )
        np.savez(run.path / PAIRS, pairs=found.pairs, distances=found.distances)
        run.result.update(
            save_cells(cells, run.path),
            pairs=len(found.pairs),
            threshold=found.threshold,
            typical=found.typical,
            more=found.more,
            left_out=found.left_out,
        )
        told.update(recall=cells.recall, pairs=len(found.pairs))
    return Prepared(rid, survey.folder / "runs" / rid, dict(run.result))


def _neighbours(a: argparse.Namespace) -> str:
    workspace = open_workspace(a.workspace, create=False)
    found = run_neighbours(workspace, a.survey, a.embedding_run, a.distance, a.seed).result
    more = ", the closest of more" if found["more"] else ""
    return (
        f"{a.survey}: {found['pairs']:,} near-duplicate pairs{more}; a search through"
        f" {found['probed']:,} of {found['cells']:,} cells finds {found['recall']:.0%} of the ten"
        " nearest, of one example or several. The Look-alikes page shows them."
    )
