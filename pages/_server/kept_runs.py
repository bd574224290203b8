"""Finished runs of a survey, read anew only when one came or went."""

from __future__ import annotations

import os

from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind
from pages._server.recent import Recent

__all__ = ["kept_runs"]

_kept = Recent(32)


def kept_runs(survey: Survey, kind: JobKind) -> list[RunRecord]:
    """The finished runs of one kind, the newest first: for what is asked at every move of a
    pointer, where reading each run's config.json would be too slow."""
    try:
        # Changes when a run comes or goes: it is renamed into its place when whole.
        stamp = os.stat(survey.folder / "runs").st_mtime_ns
    except OSError:
        return []
    found: list[RunRecord] = _kept.get(
        (str(survey.folder), kind, stamp), lambda: finished_runs(survey, kind)
    )
    return found
