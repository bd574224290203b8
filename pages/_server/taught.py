"""What was made of an embedding that was taught answers, and whom it is kept from."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import NotFound
from core.run_taught import tasks_taught
from core.survey import Survey
from core.vocabulary import JobKind, Role
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.services import Services
from pages._server.visibility import answers_hidden

__all__ = ["is_taught_hidden", "taught_by", "taught_words"]


def taught_by(survey: Survey, embedding_run: str, recorded: Iterable[str] = ()) -> tuple[str, ...]:
    """The tasks whose answers an embedding was taught, and those that were `recorded` when
    something was made of it: the embedding may be gone since."""
    now = tasks_taught(kept_runs(survey, JobKind.EMBED), embedding_run)
    return tuple(sorted({*recorded, *now}))


def is_taught_hidden(services: Services, tasks: Iterable[str], who: Identity) -> bool:
    """Whether what was taught the answers of these tasks is kept from this person, since it tells
    what others answered."""
    database = services.db()
    for name in tasks:
        try:
            if answers_hidden(database, database.task(name), who):
                return True
        except NotFound:  # nobody knows any more whether it was blind
            if who.role is not Role.OWNER:
                return True
    return False


def taught_words(tasks: Iterable[str], what: str) -> str:
    """Such as "The embedding was taught answers of bars, and the groups hang on these too."; ""
    where it was taught none."""
    named = ", ".join(tasks)
    return (
        f"The embedding was taught answers of {named}, and {what} on these too." if named else ""
    )
