"""The groups of a survey as a table: how large, how many labelled and found, and which may be
artefacts, by the flags of `measure`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.metrics.discovery import exact_interval
from core.survey import Survey
from core.survey.added_columns import columns_stamp, full_catalogue, names_added_by
from core.survey.measuring import FLAG_PREFIX
from core.vocabulary import JobKind
from labels_db import Task
from pages._server.groups import KeptGrouping
from pages._server.identity import Identity
from pages._server.recent import Recent
from pages._server.services import Services
from pages._server.tables import ANSWER, SurveyTable
from pages._server.visibility import answers_hidden

__all__ = [
    "LEAST_FLAGGED",
    "TIMES_ELSEWHERE",
    "Flagged",
    "Flags",
    "GroupRow",
    "GroupTable",
    "flagged_groups",
    "flags_of",
    "group_table",
]

LEVEL = 0.95
"""That all intervals of a table hold together (Bonferroni): of many small groups one has a high
share by chance."""
TIMES_ELSEWHERE, LEAST_FLAGGED = 2.0, 0.1
"""A group may be one of artefacts where its flagged share surely lies above so many times that of
all others, and above this share."""

_flags = Recent(4)
_counted = Recent(16)


@dataclass(frozen=True, eq=False)
class Flags:
    """What `measure` flagged.

    Attributes
    ----------
    names
        F flags, without their prefix.
    raised
        (N, F) bool.
    measured
        (N,) bool: objects whose picture was looked at.
    """

    names: tuple[str, ...]
    raised: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class Flagged:
    """The flagged objects of a group.

    Attributes
    ----------
    n, measured
        Flagged ones, of so many whose picture was measured.
    low, high
        Interval of their share, exact (Clopper & Pearson 1934), for all groups together.
    elsewhere
        Share of all other objects that pass the filter.
    suspect
        Names of flags that mark the group as one of artefacts, the frequent ones first, each with
        its share here and elsewhere; empty where none does.
    """

    n: int
    measured: int
    low: float
    high: float
    elsewhere: float
    suspect: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class GroupRow:
    """One group.

    Attributes
    ----------
    group, size
        Its number, 0 for the largest, and its objects.
    labelled, finds
        Objects with an answer, and of these the ones of a class that the task looks for; None
        where answers are kept from whoever looks.
    flagged
        None where the pictures were not measured.
    """

    group: int
    size: int
    labelled: int | None
    finds: int | None
    flagged: Flagged | None


@dataclass(frozen=True)
class GroupTable:
    """All groups.

    Attributes
    ----------
    rows
        By number.
    n_objects, in_none
        Objects that the filter leaves, and those of them in no group.
    measured
        Whether there are flags.
    """

    rows: tuple[GroupRow, ...]
    n_objects: int
    in_none: int
    measured: bool


def group_table(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    grouping: KeptGrouping,
    passing: np.ndarray | None = None,
) -> GroupTable:
    """The table as this person may see it (`Damaged`).

    passing : (N,) bool, the rows that a filter leaves; None for all
    """
    groups = grouping.groups()
    if passing is not None:
        groups = np.where(passing, groups, -1)
    sizes = _count(groups, np.ones(len(groups), bool), grouping.k)
    labelled: Sequence[int | None] = [None] * grouping.k
    finds: Sequence[int | None] = [None] * grouping.k
    if not answers_hidden(services.db(), task, who):
        answers = SurveyTable(services, task, survey, who).values(ANSWER)
        labelled = _count(groups, answers.notna().to_numpy(), grouping.k).tolist()
        finds = _count(groups, answers.isin(task.targets).to_numpy(), grouping.k).tolist()
    flags = flags_of(survey)
    flagged: Sequence[Flagged | None] = [None] * grouping.k
    if flags is not None:
        flagged = _flagged(survey, grouping, groups, flags, passing)
    n_objects = len(survey) if passing is None else int(passing.sum())
    return GroupTable(
        tuple(
            GroupRow(group, int(sizes[group]), labelled[group], finds[group], flagged[group])
            for group in range(grouping.k)
        ),
        n_objects,
        n_objects - int(sizes.sum()),
        flags is not None,
    )


def _flagged(
    survey: Survey,
    grouping: KeptGrouping,
    groups: np.ndarray,
    flags: Flags,
    passing: np.ndarray | None,
) -> list[Flagged]:
    """`flagged_groups` of the objects that pass, kept."""
    which = ""
    if passing is not None:
        # What the filter leaves out is no "elsewhere" either.
        flags = replace(
            flags,
            raised=flags.raised & passing[:, None],
            measured=flags.measured & passing,
        )
        which = hashlib.sha256(np.packbits(passing).tobytes()).hexdigest()
    key = (str(grouping.path), survey.manifest.content_hash, columns_stamp(survey), which)
    found: list[Flagged] = _counted.get(key, lambda: flagged_groups(groups, flags, grouping.k))
    return found


def flags_of(survey: Survey) -> Flags | None:
    """The flags that `python -m core.run measure` raised; None where it has not run."""

    def look() -> Flags | None:
        added = names_added_by(survey, JobKind.MEASURE)
        catalogue = full_catalogue(survey)
        # An added column whose name the catalogue has is called otherwise, but begins the same.
        names = [
            name for name in catalogue.columns if name in added and name.startswith(FLAG_PREFIX)
        ]
        if not names:
            return None
        raised = np.zeros((len(survey), len(names)), bool)
        measured = np.zeros(len(survey), bool)
        for place, name in enumerate(names):
            column = catalogue[name]
            measured |= column.notna().to_numpy()
            raised[:, place] = column.fillna(False).to_numpy(dtype=bool)
        return Flags(tuple(name.removeprefix(FLAG_PREFIX) for name in names), raised, measured)

    key = (str(survey.folder), survey.manifest.content_hash, columns_stamp(survey))
    found: Flags | None = _flags.get(key, look)
    return found


def flagged_groups(groups: np.ndarray, flags: Flags, k: int) -> list[Flagged]:
    """Of each of the k groups how many are flagged, and whether it may be one of artefacts.

    It may where the lower end of the share's interval lies above `LEAST_FLAGGED` and above
    `TIMES_ELSEWHERE` times the share in all other objects, of any flag or of a single one.

    groups : (N,) int, -1 for none
    """
    of = _count(groups, flags.measured, k)
    others = int(flags.measured.sum()) - of
    level = 1 - (1 - LEVEL) / max(1, k * (1 + len(flags.names)))
    any_flag = flags.raised.any(axis=1)
    lows, highs, heres, theres = [], [], [], []
    for column in (any_flag, *flags.raised.T):
        here = _count(groups, flags.measured & column, k)
        low, high = exact_interval(here, of, level)
        lows.append(low)
        highs.append(high)
        heres.append(here)
        total = int((flags.measured & column).sum())
        theres.append((total - here) / np.maximum(others, 1))
    found = []
    for group in range(k):
        suspect = [
            (name, float(heres[1 + place][group] / of[group]), float(theres[1 + place][group]))
            for place, name in enumerate(flags.names)
            if _is_suspect(lows[1 + place][group], theres[1 + place][group])
        ]
        suspect.sort(key=lambda one: (-one[1], one[0]))
        if not suspect and _is_suspect(lows[0][group], theres[0][group]):
            suspect = [
                ("any", float(heres[0][group] / of[group]), float(theres[0][group])),
            ]
        found.append(
            Flagged(
                int(heres[0][group]),
                int(of[group]),
                float(lows[0][group]),
                float(highs[0][group]),
                float(theres[0][group]),
                tuple(suspect),
            )
        )
    return found


def _is_suspect(low: float, elsewhere: float) -> bool:
    return bool(low > max(LEAST_FLAGGED, TIMES_ELSEWHERE * elsewhere))


def _count(groups: np.ndarray, where: np.ndarray, k: int) -> np.ndarray:
    """(k,) int: rows of each group where it is so."""
    chosen = groups[where & (groups >= 0)]
    return np.bincount(chosen, minlength=k)[:k]
