"""The job that says whether embeddings are good: `python -m core.run quality SURVEY`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.errors import BadInput
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.progress import Progress
    from core.representation.quality import Embedded, Labels, QualityRun, Sheet
    from core.survey import Survey

__all__ = ["add_quality_job", "quality_lines", "run_quality"]

Job = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]


def add_quality_job(job: Job) -> None:
    """The job `quality` and its arguments."""
    sub = job("quality", _quality, "whether a survey's embeddings are good, side by side")
    sub.add_argument("survey")
    sub.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        metavar="ID",
        help="an embedding run; repeatable (default: the newest of each encoder)",
    )
    sub.add_argument(
        "--encoder",
        dest="encoders",
        action="append",
        default=[],
        metavar="NAME",
        help="the newest embedding by this encoder; repeatable",
    )
    sub.add_argument("--task", default=None, help="probe with the labels of this task")
    sub.add_argument("--seed", type=int, default=0)


def _quality(a: argparse.Namespace) -> str:
    if a.runs and a.encoders:
        raise BadInput("Name the embeddings by --run or by --encoder, but not by both.")
    if a.seed < 0:
        raise BadInput(f"--seed must be zero or more, but is {a.seed}; raise it.")
    workspace = open_workspace(a.workspace, create=False)
    found = run_quality(workspace, a.survey, a.runs, a.encoders, a.task, a.seed)
    lines = quality_lines(found)
    return "\n".join([*lines, *_next_lines(workspace, a.survey, found, str(a.workspace))])


def run_quality(
    workspace: Workspace,
    name: str,
    runs: Sequence[str] = (),
    encoders: Sequence[str] = (),
    task: str | None = None,
    seed: int = 0,
    *,
    quiet: bool = False,
) -> QualityRun:
    """Assess embeddings of a survey side by side as a recorded run, and keep what was found.

    Parameters
    ----------
    runs, encoders
        Which embeddings: by run id, or the newest by these encoders; the newest of each encoder
        where neither is named.
    task
        Its labels give the probes.
    """
    from core.progress import part_of
    from core.representation.quality import (
        Comparison,
        assess_all,
        comparison,
        embeddings_of,
        keep,
        kept,
    )
    from core.representation.quality.naming import embedding_names
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder, finished_runs

    survey = open_survey(workspace, name)
    embeddings = embeddings_of(survey, runs, encoders)
    names = embedding_names(survey, {one.run_id: one.encoder for one in embeddings})
    labels = _labels(workspace, survey, task) if task else None
    config = {"embeddings": [one.run_id for one in embeddings], "task": task, "seed": seed}
    with recorded_job(workspace, JobKind.QUALITY, name, config, quiet=quiet) as (
        run_id,
        tell,
        result,
    ):
        found = assess_all(
            survey, embeddings, labels=labels, seed=seed, progress=part_of(tell, 0, 0.95)
        )
        found = Comparison(found.assessments, comparison(found.assessments, names))
        sheets = _sheets(survey, embeddings, seed, part_of(tell, 0.95, 1))
        with RunFolder(survey, JobKind.QUALITY, config, run_id=run_id) as run:
            keep(run.path, found, sheets, labels.source if labels else "", names)
            run.result["verdict"] = found.verdict
        result.update(embeddings=len(embeddings), verdict=found.verdict)
    record = next(r for r in finished_runs(survey, JobKind.QUALITY) if r.run_id == run_id)
    return kept(record)


def quality_lines(found: QualityRun) -> list[str]:
    """The table, the verdict on each embedding, and which to take, for a terminal."""
    from core.representation.quality import MEASURES, cell_of

    assessments = found.comparison.assessments
    names = {one.run_id: found.names.get(one.run_id, one.encoder) for one in assessments}
    rows = [("", *names.values())]
    rows.append(("run", *(one.run_id for one in assessments)))
    rows += [
        (measure.title, *(cell_of(measure, one) for one in assessments)) for measure in MEASURES
    ]
    by_target = [{probe.target: probe for probe in one.probes} for one in assessments]
    for target in dict.fromkeys(target for each in by_target for target in each):
        for title, kind in (("linear probe", "linear"), ("neighbours", "nearest")):
            cells = []
            for each in by_target:
                if target not in each:  # too few labels among its objects
                    cells.append("\N{EN DASH}")
                    continue
                value, low, high = getattr(each[target], kind)
                cells.append(f"{value:.3f} ({low:.3f} to {high:.3f})")
            rows.append((f"AP {target}, {title}", *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for one in assessments:
        lines += ["", f"{names[one.run_id]}: {one.verdict}", *(f"  {note}" for note in one.notes)]
    if found.comparison.verdict:
        lines += ["", found.comparison.verdict]
    return lines


def _next_lines(workspace: Workspace, survey: str, found: QualityRun, where: str) -> list[str]:
    """Which embedding is in use, and how another one is put to use."""
    from core.representation import finished_embeddings
    from core.representation.quality.verdict import best_of
    from core.run_jobs import open_survey

    records = finished_embeddings(open_survey(workspace, survey))
    used = next((one for one in records if one.in_use), None)
    best = best_of(found.comparison.assessments)
    run_id = best.run_id if best else "RUN"
    lines = [""]
    if used is None:
        lines.append("No embedding is in use yet.")
    else:
        name = found.names.get(used.run_id, used.encoder)
        lines.append(f"In use: {name} ({used.run_id}).")
    if used is None or run_id != used.run_id:
        which = found.names.get(run_id, "another one")
        lines.append(
            f"`python -m core.run embeddings {survey} --choose {run_id} --workspace {where}` puts"
            f" {which} to use."
        )
    return lines


def _labels(workspace: Workspace, survey: Survey, task: str) -> Labels:
    from core.representation.quality import Labels
    from labels_db import LabelsDB

    with LabelsDB(workspace.labels) as db:
        asked = db.task(task)
        if asked.survey != survey.name:
            raise BadInput(
                f"The task {task} is about the survey {asked.survey}, but {survey.name} is to be"
                " assessed; name a task of it."
            )
        classes = db.current_classes(task)
    rows = {str(object_id): row for row, object_id in enumerate(survey.object_ids)}
    known = {rows[one]: name for one, name in classes.items() if one in rows}
    return Labels(known, asked.target, f"the task {task}")


def _sheets(
    survey: Survey, embeddings: Sequence[Embedded], seed: int, tell: Progress
) -> list[Sheet]:
    from core.representation.quality import Sheet, cosine_distances, nearest_rows, query_rows

    rows = query_rows(embeddings, seed)
    sheets = []
    for number, row in enumerate(rows):
        tell(number / len(rows), "looking up nearest objects")
        nearest = {}
        for one in embeddings:
            if one.mask[row]:
                near = nearest_rows(cosine_distances(one, int(row)))
                nearest[one.run_id] = tuple(str(survey.object_ids[at]) for at in near)
        sheets.append(Sheet(str(survey.object_ids[row]), nearest))
    tell(1.0, "assessed")
    return sheets
