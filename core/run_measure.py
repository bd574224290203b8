"""The job that measures a survey's pictures: morphology and artefacts, as added columns."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from core.errors import Cancelled
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

__all__ = ["add_measure_arguments", "measure_command", "run_measure"]


def add_measure_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of `python -m core.run measure`."""
    sub.add_argument("survey", help="its name")


def measure_command(a: argparse.Namespace) -> str:
    """`python -m core.run measure`: the sentences to print."""
    from core.survey.measuring import FLAG_PREFIX, NUMBER_PREFIX

    def kept(words: str) -> None:
        a.stopped = words

    counts = run_measure(open_workspace(a.workspace, create=False), a.survey, on_stop=kept)
    flagged = ", ".join(f"{n:,} {name}" for name, n in counts["flags"].items() if n)
    return (
        f"Measured {counts['with_picture']:,} of {counts['objects']:,} objects of {a.survey}:"
        f" {counts['columns']} columns, named {NUMBER_PREFIX}... and {FLAG_PREFIX}...;"
        f" {counts['found']:,} stand out of their sky.\n"
        f"Flagged: {flagged or 'none'}."
    )


def run_measure(
    workspace: Workspace,
    name: str,
    *,
    quiet: bool = False,
    on_stop: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure every picture of a survey and keep the columns; the counts.

    Memory does not grow with the survey but by its object ids, and how much is measured is noted
    every few seconds: after a kill or a cancel the same call goes on and gives the same.

    Parameters
    ----------
    on_stop
        Given what is kept, in words, when a signal ends the job.

    Raises
    ------
    NotReady
        None of its objects has a picture.
    InUse
        Another process measures this survey.
    Cancelled
        On request; the message says what is kept.
    """
    from core.run_jobs import open_survey, recorded_job
    from core.survey.added_columns import write_column_batches
    from core.survey.measuring import measuring

    survey = open_survey(workspace, name)
    with (
        recorded_job(workspace, JobKind.MEASURE, name, {}, quiet=quiet) as (
            run_id,
            progress,
            told,
        ),
        measuring(survey) as work,
    ):
        try:
            work.run(progress)
        except Cancelled as stopped:
            raise Cancelled(f"{str(stopped).rstrip('.')}; {work.words()}.") from None
        except KeyboardInterrupt:
            on_stop(work.words())
            raise
        counts = work.counts()
        write_column_batches(
            survey,
            run_id,
            JobKind.MEASURE,
            work.schema,
            work.batches(),
            info=work.info,
            provenance={"counts": counts},
        )
        told.update(counts)
    return counts
