"""Which tasks' answers an embedding was taught: what is made of it tells of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.survey import RunRecord

__all__ = ["TAUGHT_BY", "tasks_taught"]

TAUGHT_BY = "taught_by"
"""In the config of what was made of an embedding: the names of these tasks."""


def tasks_taught(runs: list[RunRecord], embedding_run: str) -> list[str]:
    """Names of the tasks whose answers the networks of an embedding were taught (the job
    `refine`), sorted; none where the run is gone or its networks were taught none.

    runs : the finished embeddings of the survey
    """
    run = next((one for one in runs if one.run_id == embedding_run), None)
    return sorted(set(_tasks(run.record.get("result") or {}))) if run is not None else []


def _tasks(settings: Mapping[str, Any]) -> Iterator[str]:
    origin = settings.get("weights")
    taught = origin.get("refined") if isinstance(origin, dict) else None
    if isinstance(taught, dict):
        yield from (str(one) for one in (taught.get("task"), *taught.get("earlier", ())) if one)
    for part in settings.get("parts") or ():
        if isinstance(part, dict):
            yield from _tasks(part.get("settings") or {})
