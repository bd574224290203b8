"""The job `group`: the objects of a survey told into groups of alike ones.

What it makes is a run of the survey with groups.npy and distances.npy, row-aligned; the Groups
page and the map read it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.run_taught import TAUGHT_BY, tasks_taught
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

__all__ = ["AUTO", "DISTANCES", "GROUPS", "METHODS", "add_group_job", "run_group"]

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

METHODS = ("kmeans", "hdbscan", "mixture")
AUTO, USUAL = "auto", 8
GROUPS, DISTANCES = "groups.npy", "distances.npy"
_SAID = 12


def add_group_job(job: AddJob) -> None:
    """Add `group` to the jobs."""
    sub = job("group", _group, "tell the objects of a survey into groups of alike ones")
    sub.add_argument("survey")
    sub.add_argument("--method", choices=METHODS, default=METHODS[0])
    sub.add_argument(
        "--k",
        default=None,
        metavar="K",
        help=f"how many groups, or {AUTO} to have a number proposed (default: {USUAL}; hdbscan"
        " finds its own)",
    )
    sub.add_argument(
        "--embedding",
        dest="embedding_run",
        default=None,
        metavar="RUN",
        help="an embedding run (default: the one in use)",
    )
    sub.add_argument(
        "--standardise", action="store_true", help="give every column of it the same weight"
    )
    sub.add_argument(
        "--min-size",
        type=int,
        default=None,
        metavar="N",
        help="fewest objects in a group of hdbscan (default: a five-hundredth of all)",
    )
    sub.add_argument("--seed", type=int, default=0)


def run_group(
    workspace: Workspace,
    name: str,
    method: str = METHODS[0],
    k: int | None = USUAL,
    embedding_run: str | None = None,
    seed: int = 0,
    *,
    standardise: bool = False,
    min_size: int | None = None,
    quiet: bool = False,
) -> Path:
    """Group a survey by an embedding as a recorded run; its folder.

    Parameters
    ----------
    method, k, seed, standardise, min_size
        As `core.mapping.groups.group`.
    embedding_run
        The one in use where left out.

    Raises
    ------
    BadInput, NotFound, NotReady
        A setting or the embedding is none, or there are no groups in it.
    """
    from core.mapping.groups import HDBSCAN, group
    from core.representation import load_embedding
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder, finished_runs

    survey = open_survey(workspace, name)
    embedding = load_embedding(survey, run_id=embedding_run)
    config: dict[str, Any] = {
        "method": method,
        "k": None if method == HDBSCAN else k,
        "embedding_run": embedding.run_id,
        "encoder": embedding.encoder,
        "standardise": standardise,
        "min_size": min_size if method == HDBSCAN else None,
        "seed": seed,
    }
    if taught := tasks_taught(finished_runs(survey, JobKind.EMBED), embedding.run_id):
        config[TAUGHT_BY] = taught
    with recorded_job(workspace, JobKind.GROUP, name, config, quiet=quiet) as (rid, tell, told):
        tell(0.0, f"reading the embedding {embedding.run_id}")
        found = group(
            embedding.values,
            method=method,
            k=k,
            seed=seed,
            unseen=~embedding.mask,
            standardise=standardise,
            min_size=min_size,
            progress=tell,
        )
        if not found.n_groups:
            raise BadInput(found.note)  # of HDBSCAN: what to do is in it
        with RunFolder(survey, JobKind.GROUP, config, run_id=rid) as run:
            np.save(run.path / GROUPS, found.groups)
            np.save(run.path / DISTANCES, found.distances)
            sizes = np.bincount(found.groups[found.groups >= 0], minlength=found.n_groups)
            run.result.update(
                n_groups=found.n_groups,
                sizes=sizes.tolist(),
                in_none=int((found.groups < 0).sum()),
                note=found.note,
            )
        told.update(groups=found.n_groups)
    return survey.folder / "runs" / rid


def _group(a: argparse.Namespace) -> str:
    from core.survey import Survey, finished_runs

    workspace = open_workspace(a.workspace, create=False)
    folder = run_group(
        workspace,
        a.survey,
        a.method,
        _number(a.k, a.method),
        a.embedding_run,
        a.seed,
        standardise=a.standardise,
        min_size=a.min_size,
    )
    survey = Survey.open(workspace, a.survey)
    result = next(r for r in finished_runs(survey, JobKind.GROUP) if r.path == folder).record[
        "result"
    ]
    sizes = ", ".join(f"{size:,}" for size in result["sizes"][:_SAID])
    if (more := len(result["sizes"]) - _SAID) > 0:
        sizes += f" (and {more:,} smaller ones)"
    none = f"; {result['in_none']:,} in none" if result["in_none"] else ""
    return "\n".join(
        filter(
            None,
            [
                f"{a.survey}: {result['n_groups']:,} groups, by size: {sizes}{none}."
                " The Groups page and the map show them.",
                result["note"],
            ],
        )
    )


def _number(given: str | None, method: str) -> int | None:
    """K as the command line has it; None for a proposed one, or one that the method finds."""
    if given is None:
        return USUAL
    if given.strip().lower() == AUTO:
        return None
    if method == "hdbscan":
        raise BadInput(
            f"hdbscan finds the number of groups by itself, but --k {given[:40]} was given; leave"
            " it out, or choose another --method."
        )
    try:
        return int(given)
    except ValueError:
        raise BadInput(
            f"--k is a whole number of groups from 2 on, or {AUTO}, but is {given[:40]!r}; correct"
            " it."
        ) from None
