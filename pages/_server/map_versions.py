"""The maps of a survey that a person may choose among."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.survey import Survey
from core.vocabulary import JobKind
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.map_view import is_of, map_title, taught_by
from pages._server.services import Services
from pages._server.taught import is_taught_hidden

__all__ = ["MapVersion", "map_versions"]


@dataclass(frozen=True)
class MapVersion:
    """A finished map of this version of the survey.

    Attributes
    ----------
    run_id, title
        Its run and what it was made by, as people write it.
    encoder, embedding_run
        Of which embedding it is.
    made
        When, ISO 8601 in UTC.
    taught_by
        The tasks whose answers it, or its embedding, was taught.
    is_supervised
        Whether it was taught answers itself.
    after
        The map that it was laid over.
    result
        What its record says; empty of early ones.
    """

    run_id: str
    title: str
    encoder: str
    embedding_run: str
    made: str
    taught_by: tuple[str, ...]
    is_supervised: bool
    after: str | None
    result: dict[str, Any]


def map_versions(services: Services, survey: Survey, who: Identity) -> list[MapVersion]:
    """The maps that this person may see, the newest first."""
    found = []
    for run in kept_runs(survey, JobKind.MAP):
        if not is_of(survey, run):
            continue
        told = taught_by(survey, run)
        if is_taught_hidden(services, told, who):
            continue
        found.append(
            MapVersion(
                run.run_id,
                map_title(run),
                str(run.config.get("encoder", "")),
                str(run.config.get("embedding_run", "")),
                str(run.record.get("finished", "")),
                told,
                run.config.get("supervised") is not None,
                run.config.get("after"),
                dict(run.record.get("result") or {}),
            )
        )
    return found
