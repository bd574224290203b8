"""Imports that were stopped: which there are, and how to forget one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from core.errors import BadInput
from core.survey.journal import JOURNAL, Journal, first_units, read_plan
from core.survey.options import ImportOptions
from core.survey.partial import drop_partial, is_held
from core.workspace import Workspace


@dataclass(frozen=True)
class Interrupted:
    """An import that was stopped and can go on.

    Attributes
    ----------
    name
        Of the survey.
    source, options
        As they were given; the same again go on.
    n_done, n_entries
        Entries that are safe, and all.
    when
        UTC time of the last checkpoint, ISO 8601.
    adds
        Whether it adds to a survey that is there.
    running
        A living process works on it.
    """

    name: str
    source: str
    options: ImportOptions
    n_done: int
    n_entries: int
    when: str
    adds: bool
    running: bool


def interrupted(workspace: Workspace) -> list[Interrupted]:
    """The imports that were stopped or are running, by name of the survey."""
    found = []
    for path in sorted(workspace.surveys.glob(f"*/versions/*.partial/{JOURNAL}")):
        journal = Journal.read(path.parent)
        if journal is None:
            continue
        with contextlib.suppress(OSError, KeyError, TypeError, BadInput):
            n_done = sum(
                unit.n_entries for unit in first_units(read_plan(path.parent), journal.units_done)
            )
            said = dict(journal.about["options"])
            for key, value in said.items():
                said[key] = tuple(value) if isinstance(value, list) else value
            found.append(
                Interrupted(
                    name=path.parents[2].name,
                    source=str(journal.about["source"]),
                    options=ImportOptions(**said),
                    n_done=n_done,
                    n_entries=journal.n_entries,
                    when=journal.when,
                    adds=journal.about.get("base") is not None,
                    running=is_held(path.parent),
                )
            )
    return found


def discard(workspace: Workspace, name: str) -> None:
    """Remove what a stopped import of that name had done; nothing if a process works on it."""
    folder = workspace.survey(name) / "versions"
    for partial in folder.glob("*.partial"):
        if not partial.name.startswith(".") and not is_held(partial):
            drop_partial(partial, workspace.surveys)
