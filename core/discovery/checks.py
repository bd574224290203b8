"""What an engine is asked for, checked: classes and targets, sampler and learner, parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.config import LoopConfig
from core.discovery.registry import LEARNERS, SAMPLERS, Entry, LearnerFactory
from core.discovery.schedule import DEFAULT_LEARNER, schedule_of
from core.errors import BadInput
from core.vocabulary import DEFAULT


def checked_task(
    classes: Sequence[str], targets: Sequence[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes and the places of the targets among them; `BadInput` where they do not fit."""
    names = tuple(classes)
    if len(set(names)) < max(2, len(names)) or not set(targets) < set(names):
        many = "s" if len(targets) > 1 else ""
        raise BadInput(
            "A ranking needs two or more different classes, the target among them and one that is"
            f" none, but got {', '.join(map(repr, names)) or 'none'} with the target{many}"
            f" {', '.join(map(repr, targets))}; correct the task."
        )
    if len(set(targets)) < len(targets):
        raise BadInput(
            f"Each target is named once, but got {', '.join(map(repr, targets))}; correct the"
            " task."
        )
    return names, tuple(names.index(one) for one in targets)


def checked_learner(config: LoopConfig, n_rows: int) -> Entry[LearnerFactory]:
    """The learner of a strategy; `BadInput` for an unknown one, an unknown sampler, or one that
    cannot take `n_rows`."""
    for name in schedule_of(config.sampler, trained=True):
        most = SAMPLERS[name].most_rows
        if most is not None and n_rows > most:
            raise BadInput(
                f"The sampler {name!r} takes up to {most:,} objects, beyond which it does not fit"
                f" in memory, but this survey has {n_rows:,}; choose another sampler, such as"
                f" {DEFAULT!r}."
            )
    return LEARNERS.find(DEFAULT_LEARNER if config.learner == DEFAULT else config.learner)


def checked_parts(parts: Mapping[str, slice], n_columns: int) -> dict[str, slice]:
    """The parts of an embedding; `BadInput` where one is not some of its columns."""
    for part, columns in parts.items():
        if not range(n_columns)[columns] or (columns.stop or 0) > n_columns:
            raise BadInput(
                f"A part is some of the {n_columns} columns of the embedding, but {part!r} is"
                f" {columns.start} to {columns.stop}; embed the survey again."
            )
    return dict(parts)


__all__ = ["checked_learner", "checked_parts", "checked_task"]
