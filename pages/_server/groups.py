"""The groupings of a survey, the names that people gave to groups, and the objects in them.

A grouping is a finished run of the job `group`; the names lie in its folder, in names.json.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import AlreadyExists, BadInput, Damaged, NotFound, SkysiftError
from core.run_group import DISTANCES, GROUPS
from core.run_taught import TAUGHT_BY
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind
from core.workspace import storage_errors
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.recent import Recent
from pages._server.services import Services
from pages._server.taught import is_taught_hidden, taught_by
from pages._server.visibility import answers_hidden

__all__ = [
    "CENTRAL",
    "MAX_NAME",
    "METHOD_NAMES",
    "ORDERS",
    "PERIPHERAL",
    "RANDOM",
    "KeptGrouping",
    "choice_of",
    "core_of",
    "kept_groupings",
    "members",
    "name_group",
    "names_hidden",
    "shown_groupings",
    "title_of",
]

NAMES = "names.json"
MAX_NAME = 64

CENTRAL, RANDOM, PERIPHERAL = "Most central", "Random", "Most peripheral"
ORDERS = (CENTRAL, RANDOM, PERIPHERAL)

METHOD_NAMES = {"kmeans": "K-means", "hdbscan": "HDBSCAN", "mixture": "Gaussian mixture"}

_NUMBERED = re.compile(r"group\s*0*(\d+)", re.IGNORECASE)
_arrays = Recent(8)
_lock = threading.Lock()
"""Held while names are changed: two people's must not overwrite each other."""


@dataclass(frozen=True, eq=False)
class KeptGrouping:
    """One grouping, as it concerns one version of the survey.

    Attributes
    ----------
    run_id, path
        The run and its folder.
    method, k
        "kmeans", "hdbscan" or "mixture", and how many groups there are.
    made_at
        ISO 8601 in UTC.
    embedding_run, encoder, seed, note
        What was grouped, and what was done about size, noise and unseen objects.
    names
        Group (0 for the largest) -> what somebody called it.
    of_version
        The survey version that was grouped, where it is another one.
    trouble
        A sentence where the names cannot be read.
    survey, grouped
        The version that it is asked of, and the one that was grouped.
    taught_by
        The tasks whose answers the embedding was taught, so that the groups tell of these.
    """

    run_id: str
    path: Path
    method: str
    k: int
    made_at: str
    embedding_run: str
    encoder: str
    seed: int
    note: str
    names: dict[int, str]
    of_version: int | None
    trouble: str
    survey: Survey = field(repr=False)
    grouped: Survey = field(repr=False)
    taught_by: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Such as "K-means, 8 groups"."""
        return f"{METHOD_NAMES.get(self.method, self.method)}, {self.k:,} groups"

    def groups(self) -> np.ndarray:
        """(N,) int32 by row of this survey version: 0 for the largest group; -1 for objects in
        none or not in the version that was grouped (`Damaged`). Not to be written into."""
        return self._aligned(GROUPS, -1)

    def distances(self) -> np.ndarray:
        """(N,) float32 to the centre of the own group, NaN where there is none (`Damaged`)."""
        return self._aligned(DISTANCES, np.nan)

    def _aligned(self, name: str, nothing: float) -> np.ndarray:
        def read() -> np.ndarray:
            values = _read(self.path / name, len(self.grouped), self.run_id)
            if self.of_version is not None:
                values = _by_id(values, self.grouped, self.survey, nothing)
            values.setflags(write=False)
            return values

        key = (str(self.path / name), self.survey.manifest.content_hash)
        found: np.ndarray = _arrays.get(key, read)
        return found


def kept_groupings(services: Services, survey: Survey) -> list[KeptGrouping]:
    """The groupings of a survey, the newest first; those of older versions of it, as long as
    these are there, follow the objects by object_id."""
    found = []
    for record in kept_runs(survey, JobKind.GROUP):
        grouped = _grouped(services, survey, record)
        if grouped is not None:
            found.append(_kept(record, survey, grouped))
    return found


def shown_groupings(services: Services, survey: Survey, who: Identity) -> list[KeptGrouping]:
    """`kept_groupings` as this person may see them: without those of an embedding that was
    taught answers that are kept from them, and without names where these are (`names_hidden`)."""
    found = [
        one
        for one in kept_groupings(services, survey)
        if not is_taught_hidden(services, one.taught_by, who)
    ]
    if names_hidden(services, survey, who):
        found = [replace(one, names={}, trouble="") for one in found]
    return found


def names_hidden(services: Services, survey: Survey, who: Identity) -> bool:
    """Whether the names of groups are kept from this person: they say what others think of the
    objects, which any secret task of the survey keeps from them."""
    database = services.db()
    return any(answers_hidden(database, task, who) for task in database.tasks(survey.name))


def title_of(grouping: KeptGrouping, group: int) -> str:
    """What a group is called: the name that somebody gave it, or its number, from 1 on."""
    return grouping.names.get(group) or f"Group {group + 1}"


def choice_of(grouping: KeptGrouping, group: int) -> str:
    """The same among other groups: such as "Group 3", or "3 · trails", of which none are alike."""
    name = grouping.names.get(group)
    return f"{group + 1} · {name}" if name else f"Group {group + 1}"


def name_group(grouping: KeptGrouping, group: int, name: str) -> None:
    """Call a group by a name, for everybody; an empty one takes the name away.

    Raises
    ------
    NotFound
        There is no such group, or the grouping was removed meanwhile.
    BadInput, AlreadyExists
        The name cannot be one, or another group has it.
    """
    name = name.strip()
    if not 0 <= group < grouping.k:
        raise NotFound(
            f"The groups of {grouping.run_id} are 1 to {grouping.k:,}, but {group + 1:,} was"
            " named; reload the page."
        )
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(
            f"A group's name has up to {MAX_NAME} printable characters, but"
            f" {name[: MAX_NAME + 10]!r} has {len(name)}; choose another."
        )
    numbered = _NUMBERED.fullmatch(name)
    if numbered and int(numbered[1]) != group + 1:
        raise BadInput(
            f"{name!r} is what another group is called as long as it has no name; choose another"
            " name."
        )
    path = grouping.path / NAMES
    with _lock, storage_errors(path):
        if not grouping.path.is_dir():
            raise NotFound(
                f"The grouping {grouping.run_id} was removed meanwhile; reload the page."
            )
        names, _ = _names(grouping.path)
        if name and any(
            other != group and one.casefold() == name.casefold() for other, one in names.items()
        ):
            raise AlreadyExists(
                f"Another group is called {name!r} already; choose another name, or rename that"
                " one first."
            )
        names.pop(group, None)
        if name:
            names[group] = name
        partial = path.with_name(f"{NAMES}.partial")
        text = json.dumps({str(one): names[one] for one in sorted(names)}, ensure_ascii=False)
        try:
            partial.write_text(text + "\n", encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def members(
    grouping: KeptGrouping,
    group: int,
    order: str = CENTRAL,
    passing: np.ndarray | None = None,
) -> np.ndarray:
    """(M,) int64 rows of the objects of a group.

    Parameters
    ----------
    order
        One of `ORDERS`; equals by row, and the random one is the same at each look.
    passing
        (N,) bool: the rows that a filter leaves.
    """
    ordered, starts = _arrays.get(
        ("order", str(grouping.path), grouping.survey.manifest.content_hash),
        lambda: _ordered(grouping),
    )
    rows: np.ndarray = ordered[starts[group] : starts[group + 1]]
    if passing is not None:
        rows = rows[passing[rows]]
    if order == PERIPHERAL:
        return rows[::-1]
    if order == RANDOM:
        # By row first, so that the order hangs on nothing but the group.
        return np.random.default_rng([grouping.seed, group]).permutation(np.sort(rows))
    return rows


def core_of(rows: np.ndarray, percent: int) -> np.ndarray:
    """The first so many percent of rows that have the most central first; one at least."""
    return rows[: -(-len(rows) * percent // 100)]


def _ordered(grouping: KeptGrouping) -> tuple[np.ndarray, np.ndarray]:
    """All grouped rows, group by group with the most central first, and (k + 1,) where each group
    begins: one sort for all groups."""
    groups = grouping.groups()
    order = np.lexsort((grouping.distances(), groups))  # stable: equals by row
    starts = np.searchsorted(groups[order], np.arange(grouping.k + 1))
    order.setflags(write=False)
    return order, starts


def _grouped(services: Services, survey: Survey, record: RunRecord) -> Survey | None:
    """The version that was grouped; None where it is gone or another survey of the name."""
    about = record.record.get("survey") or {}
    wanted = about.get("content_hash")
    if wanted == survey.manifest.content_hash:
        return survey
    try:
        older = services.survey(survey.name, int(about["version"]))
    except (SkysiftError, KeyError, TypeError, ValueError):
        return None
    return older if older.manifest.content_hash == wanted else None


def _kept(record: RunRecord, survey: Survey, grouped: Survey) -> KeptGrouping:
    config: dict[str, Any] = record.config
    result = record.record.get("result") or {}
    names, trouble = _names(record.path)
    return KeptGrouping(
        run_id=record.run_id,
        path=record.path,
        method=str(config.get("method", "kmeans")),
        k=int(result.get("n_groups") or config.get("k") or 0),
        made_at=str(record.record.get("finished", "")),
        embedding_run=str(config.get("embedding_run", "")),
        encoder=str(config.get("encoder", "")),
        seed=int(config.get("seed") or 0),
        note=str(result.get("note", "")),
        names=names,
        of_version=None if grouped is survey else grouped.version,
        trouble=trouble,
        survey=survey,
        grouped=grouped,
        taught_by=taught_by(
            grouped, str(config.get("embedding_run", "")), config.get(TAUGHT_BY) or ()
        ),
    )


def _names(folder: Path) -> tuple[dict[int, str], str]:
    """The names of a grouping, and a sentence where they cannot be read."""
    path = folder / NAMES
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return {int(group): str(name) for group, name in given.items()}, ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, AttributeError) as error:
        return {}, (
            f"The names of the groups cannot be read ({str(error)[:120]}); restore {path} from a"
            " backup, or name the groups anew."
        )


def _read(path: Path, n: int, run_id: str) -> np.ndarray:
    try:
        values: np.ndarray = np.load(path, allow_pickle=False)
        if values.shape != (n,):
            raise ValueError(f"it has shape {values.shape} instead of ({n},)")
    except (OSError, EOFError, ValueError) as error:
        raise Damaged(
            f"The grouping {run_id} cannot be read ({str(error)[:120]}); choose another one, or"
            f" remove the folder {path.parent} and make the groups again."
        ) from None
    return values


def _by_id(values: np.ndarray, grouped: Survey, survey: Survey, nothing: float) -> np.ndarray:
    """`values` of the rows of `grouped` as the rows of `survey` have them."""
    import pandas as pd

    places = pd.Index(grouped.object_ids, dtype=object).get_indexer(
        pd.Index(survey.object_ids, dtype=object)
    )
    found = np.full(len(survey), nothing, values.dtype)
    found[places >= 0] = values[places[places >= 0]]
    return found
