"""The maps of a survey that a person may choose among."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.survey import Survey
from core.vocabulary import JobKind
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.map_view import is_of, map_title
from pages._server.services import Services
from pages._server.visibility import answers_hidden

__all__ = ["MapVersion", "is_taught_map_hidden", "map_versions"]


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
        The task whose answers it was taught; None where it was taught none.
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
    taught_by: str | None
    after: str | None
    result: dict[str, Any]


def map_versions(services: Services, survey: Survey, who: Identity) -> list[MapVersion]:
    """The maps that this person may see, the newest first."""
    found = []
    for run in kept_runs(survey, JobKind.MAP):
        taught_by = run.config.get("supervised")
        if not is_of(survey, run) or is_taught_map_hidden(services, taught_by, who):
            continue
        found.append(
            MapVersion(
                run.run_id,
                map_title(run),
                str(run.config.get("encoder", "")),
                str(run.config.get("embedding_run", "")),
                str(run.record.get("finished", "")),
                taught_by,
                run.config.get("after"),
                dict(run.record.get("result") or {}),
            )
        )
    return found


def is_taught_map_hidden(services: Services, taught_by: str | None, who: Identity) -> bool:
    """Whether a map is kept from this person, since it tells what others answered."""
    if taught_by is None:
        return False
    database = services.db()
    return answers_hidden(database, database.task(taught_by), who)
